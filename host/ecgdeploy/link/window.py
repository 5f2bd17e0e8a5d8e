"""The numbered commands of one session on their way: credit, order, going back. See ``docs/protocol.md``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ecgdeploy.link import protocol
from ecgdeploy.link.codec import Frame, encode
from ecgdeploy.link.protocol import Message
from ecgdeploy.link.values import LinkStatistics

R = TypeVar("R")


@dataclass(eq=False)
class Command(Generic[R]):
    """A numbered command.

    Attributes
    ----------
    sequence : int
    message, payload
        What it says.
    request
        Whose RESULT or OUTPUT it brings; None when it only needs to arrive.
    answer : int
        Message id that settles it. ACK settles also when a later command is answered.
    end : int
        Position on the wire behind its last byte; -1 when it was never sent whole.
    reply : Frame or None
        Its answer.
    """

    sequence: int
    message: Message
    payload: bytes
    request: R | None
    answer: int
    end: int = -1
    reply: Frame | None = None


class SendWindow(Generic[R]):
    """Commands that are not answered yet, first one first; sends them as the device's credit allows.

    Parameters
    ----------
    write : callable
        Puts bytes on the line.
    session : int
    window_bytes : int
        The device's credit: most bytes behind the end of a frame that is not answered.
    statistics : LinkStatistics
        Counted into.
    """

    def __init__(
        self, write: Callable[[bytes], None], session: int, window_bytes: int, statistics: LinkStatistics
    ) -> None:
        self.generation = 0
        self._write_line = write
        self._session = session
        self._window_bytes = window_bytes
        self._statistics = statistics
        self._queue: deque[Command[R]] = deque()
        self._sequence = 0
        self._to_send = 0  # index into the queue
        self._partial = b""  # what is left to write of the command at _to_send
        self._position = 0

    def __contains__(self, command: Command[R]) -> bool:
        return command in self._queue

    def __len__(self) -> int:
        return len(self._queue)

    def enqueue(self, message: Message, payload: bytes, request: R | None, answer: int) -> Command[R]:
        """Number a command and put it behind the others."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        command = Command(self._sequence, message, payload, request, answer)
        self._queue.append(command)
        return command

    def pump(self, make_next: Callable[[], bool]) -> None:
        """Send as much as the credit allows; `make_next` enqueues one more command, or says False."""
        while True:
            if not self._partial:
                if self._to_send == len(self._queue) and not make_next():
                    return
                command = self._queue[self._to_send]
                if command.reply is not None:  # answered, and behind one that is not
                    self._to_send += 1
                    continue
                self._partial = encode(
                    command.message.id, self.generation, command.sequence, self._session, command.payload
                )
                self._statistics.frames_sent += 1
                self._statistics.retries += command.end >= 0
            credit = self._credit()
            if credit <= 0:
                return
            piece, self._partial = self._partial[:credit], self._partial[credit:]
            self._write(piece)
            if not self._partial:
                self._queue[self._to_send].end = self._position
                self._to_send += 1

    def _credit(self) -> int:
        """Bytes that may be sent now: all of one frame, then the window behind the first unanswered one."""
        if self._to_send == 0:
            return len(self._partial)
        return self._queue[0].end + self._window_bytes - self._position

    def _write(self, data: bytes) -> None:
        self._write_line(data)
        self._position += len(data)

    def _abandon(self) -> None:
        """Leave the frame that is half on the line: its number comes again, or is not needed any more."""
        if self._partial:
            self._partial = b""
            self._write(b"\0")

    def go_back(self) -> None:
        """Send again from the first unanswered command on, as a new generation."""
        self.generation = (self.generation + 1) & 0xFF
        self._abandon()
        self._to_send = 0

    def find(self, sequence: int) -> Command[R] | None:
        """The unsettled command of that number; None when it is settled already or was never sent."""
        for command in self._queue:
            if command.sequence == sequence:
                return command if command.end >= 0 else None
        return None

    def on_nak(self, frame: Frame) -> None:
        """Everything before the number the device expects was carried out; go back to it."""
        if frame.generation != self.generation:
            return
        self._statistics.naks += 1
        command = self.find(frame.sequence)
        if command is None and self._partial and self._queue[self._to_send].sequence == frame.sequence:
            command = self._queue[self._to_send]
        # a number beyond all that was sent: everything has arrived, what was damaged was a repetition
        if command is not None:
            self._settle(self._queue.index(command))
            self.go_back()

    def on_settled(self, command: Command[R], frame: Frame) -> None:
        """`command` is answered by `frame`, and so everything before it was carried out."""
        behind = self._queue[0]
        self._settle(self._queue.index(command) + 1)
        # Within a generation commands go out in order, first the first unanswered one. So when a later one is answered
        # and that one still is not, its reply was lost.
        if behind is not command and behind.reply is None and frame.generation == self.generation:
            self.go_back()

    def _settle(self, count: int) -> None:
        """The first `count` commands were carried out; those that bring a reply stay until it is here."""
        for command in list(self._queue)[:count]:
            if command.reply is None and command.answer == protocol.ACK.id and command.request is None:
                command.reply = Frame(protocol.ACK.id, 0, command.sequence, self._session, b"")
        while self._queue and self._queue[0].reply is not None:
            self._queue.popleft()
            if self._to_send:
                self._to_send -= 1
            else:
                self._abandon()  # it was being sent again, and is answered now
