"""The host's end of the link: a session that loses nothing, over any line.

The rules are those of ``docs/protocol.md``: numbered commands, a credit window, going back on NAK or silence, kept
replies, a new session after a restart. One thread; work happens inside the calls.
"""

from __future__ import annotations

import secrets
import struct
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from ecgdeploy.errors import DeviceError, ProtocolError
from ecgdeploy.link import greeting, protocol
from ecgdeploy.link.codec import Frame, Parser, encode
from ecgdeploy.link.protocol import Message
from ecgdeploy.link.requests import Rejected, Request
from ecgdeploy.link.transport import LineLost, Silence, Transport
from ecgdeploy.link.values import Hello, Inference, LinkStatistics
from ecgdeploy.link.window import SendWindow

# HELLO is repeated this often within a transport's start time
HELLO_TRIES = 6
# silences in a row before the line is opened again
SILENCES = 4
# before the device is given up: openings in a row that met silence, and openings in a row whatever they met
SILENT_OPENINGS = 4
REOPENINGS = 50
# a silence is this many keep-alive periods
KEEPALIVES_MISSED = 2
# an inference that came back wrong is done again this often
REPEATS = 3


class Client:
    """A session with one device.

    Parameters
    ----------
    transport : Transport
        Opened and closed by the client.
    expect_model : str, optional
        SHA-256 (hexadecimal) the device's model must have; another one is refused, also after a reconnection.
    compute_limit_s : float
        Longest time one inference may keep the device busy, keep-alives notwithstanding.
    randbits : callable
        Gives the numbers of sessions and inferences: so many random bits.
    """

    def __init__(
        self,
        transport: Transport,
        expect_model: str | None = None,
        compute_limit_s: float = 1800.0,
        randbits: Callable[[int], int] = secrets.randbits,
    ) -> None:
        self.transport = transport
        self._randbits = randbits
        self.expect_model = expect_model
        self.compute_limit_s = compute_limit_s
        self.statistics = LinkStatistics()
        self.hello: Hello = None  # type: ignore[assignment]  # set by connect
        self._parser = Parser()
        self._session = 0
        self._window: SendWindow[Request] = SendWindow(self._write, 0, 0, self.statistics)
        self._next_id = randbits(31)
        self._requests: deque[Request] = deque()
        self._feeding: tuple[Request, int] | None = None
        self._stale = False
        self._silences = 0
        self._reopenings = 0
        self._heard = 0.0
        self._progress = 0.0

    # ---- opening and closing

    def connect(self) -> Hello:
        """Open the line and the session.

        Raises
        ------
        DeviceError
            Nothing answers, or the device runs another model.
        ProtocolError
            The firmware speaks another protocol version.
        """
        self.transport.open()
        try:
            return self._open_session()
        except LineLost as lost:
            raise self._dead(str(lost)) from lost

    def close(self) -> None:
        """Close the line."""
        self.transport.close()

    def _dead(self, what: str) -> DeviceError:
        why = self.transport.post_mortem()
        message = f"{self.transport.name}: {what}" + (f"; {why}" if why else "")
        return DeviceError(message, "check cable and power, or flash the firmware again; what was measured is kept")

    def _open_session(self) -> Hello:
        """HELLO until WELCOME; unanswered requests start again from their first byte. Raises LineLost on silence."""
        self._session = self._randbits(32) or 1
        self._window = SendWindow(self._write, self._session, 0, self.statistics)
        self._feeding = None
        self._stale = False
        for request in self._requests:
            if request.done is None:
                request.restart()
        payload = protocol.HELLO.pack(version=protocol.VERSION)
        hello = encode(protocol.HELLO.id, 0, 0, self._session, payload)
        heard_bad = self._parser.bad
        for _ in range(HELLO_TRIES):
            # the zero ends whatever the device was in the middle of
            self._write(b"\0" + hello)
            until = self.transport.now() + self.transport.start_s / HELLO_TRIES
            while (left := until - self.transport.now()) > 0:
                for frame in self._read(left):
                    if frame.session != self._session:
                        continue
                    if frame.type == protocol.HELLO.id:
                        raise self._dead("echoes what is sent, so there is no device behind it")
                    if frame.type == protocol.ERROR.id:
                        greeting.refuse_version(frame, self.transport.name)
                    if frame.type == protocol.WELCOME.id:
                        return self._welcome(frame)
        noise = self._parser.bad - heard_bad
        what = f"what answers does not speak this protocol ({noise} damaged frames)" if noise else "nothing answers"
        raise Silence(f"{what} within {self.transport.start_s:g} s")

    def _welcome(self, frame: Frame) -> Hello:
        hello = greeting.accept(frame, self.transport.name, self.expect_model, self.hello)
        self.hello = hello
        self._window = SendWindow(self._write, self._session, hello.window_bytes, self.statistics)
        self.statistics.sessions += 1
        self._heard = self._progress = self.transport.now()
        return hello

    # ---- what callers do

    def infer(self, data: bytes) -> Inference:
        """Run one inference. See `infer_many` for errors."""
        return next(iter(self.infer_many([data])))

    def infer_many(self, inputs: Iterable[bytes]) -> Iterator[Inference]:
        """Run inferences one after the other, the next on its way while the device computes.

        Parameters
        ----------
        inputs : iterable of bytes
            All input tensors of the model end to end; taken as they are needed.

        Yields
        ------
        Inference
            In the order of `inputs`, each exactly once.

        Raises
        ------
        DeviceError
            The device is gone for good, or another model answers after a restart.
        ProtocolError
            An input has the wrong size, or host and firmware disagree.
        """
        source = iter(inputs)
        more = True
        if self._requests:  # an earlier generator was left half way: its answers must not be taken for ours
            self._requests.clear()
            self._stale = True
        self._heard = self._progress = self.transport.now()
        try:
            while True:
                while more and len(self._requests) < self._depth():
                    try:
                        self._requests.append(self._request(next(source)))
                    except StopIteration:
                        more = False
                while self._requests and self._requests[0].done is not None:
                    finished = self._requests.popleft().done
                    assert finished is not None
                    yield finished
                    self._heard = self._progress = self.transport.now()  # the caller's time is not the device's
                if not self._requests and not more:
                    return
                if any(request.done is None for request in self._requests):
                    self._turn()
        finally:
            self._requests.clear()
            self._stale = self._stale or len(self._window) > 0

    def counters(self) -> dict[str, int]:
        """What the device's parser has seen since it started: the fields of COUNTED."""
        reply = self._command(protocol.COUNTERS, protocol.COUNTED.id)
        return {name: value for name, value in protocol.COUNTED.unpack(reply.payload).items() if name != "tail"}

    def ping(self) -> None:
        """One round trip."""
        self._command(protocol.PING, protocol.ACK.id)

    def reset(self) -> Hello:
        """Restart the board and greet it again."""
        self._command(protocol.RESET, protocol.ACK.id)
        self._reconnect(reopen=True)
        return self.hello

    def _request(self, data: bytes) -> Request:
        data = bytes(data)
        if len(data) != self.hello.input_bytes:
            raise ProtocolError(
                f"an input has {len(data)} bytes, the device's model takes {self.hello.input_bytes}",
                "check the model and its preprocessing",
            )
        self._next_id = (self._next_id + 1) & 0xFFFFFFFF
        return Request(self._next_id, data, zlib.crc32(data))

    def _depth(self) -> int:
        """How many inferences may be unanswered: as many as the device keeps replies for."""
        inline = sum(t.bytes for t in self.hello.outputs) <= self.hello.inline_output_bytes
        return max(1, self.hello.replies) if inline else 1

    def _command(self, message: Message, answer: int) -> Frame:
        """One command outside of inferences, and its answer."""
        if self._requests or len(self._window):
            self._stale = True
            self._requests.clear()
        self._heard = self._progress = self.transport.now()
        if self._stale:
            self._reconnect(reopen=False)
        command = self._window.enqueue(message, b"", None, answer)
        while command.reply is None:
            self._turn()
            if command.reply is None and command not in self._window:
                command = self._window.enqueue(message, b"", None, answer)  # a new session has begun
        return command.reply

    # ---- one turn: send what may be sent, take what has come, notice silence

    def _turn(self) -> None:
        try:
            if self._stale:
                self._reconnect(reopen=False)
            self._window.pump(self._make_next)
            silence = self.hello.reply_s + KEEPALIVES_MISSED * self.hello.keepalive_s + self.transport.latency_s
            wait = self._heard + silence - self.transport.now()
            frames = self._read(max(wait, 0.0))
            for frame in frames:
                self._receive(frame)
                if self._stale:
                    break
            now = self.transport.now()
            if now - self._progress > self.compute_limit_s:
                raise self._dead(f"an inference takes longer than {self.compute_limit_s:g} s")
            if not frames and now >= self._heard + silence:
                self._on_silence(now)
        except LineLost as lost:
            self._reconnect(reopen=True, why=str(lost))

    def _on_silence(self, now: float) -> None:
        self.statistics.silences += 1
        self._silences += 1
        self._heard = now
        if self._silences >= SILENCES:
            self._silences = 0
            self._reconnect(reopen=True, why="the device fell silent")
        else:
            self._window.go_back()

    def _reconnect(self, reopen: bool, why: str = "") -> None:
        """A new session, on a line opened again if need be; raises DeviceError when that does not help."""
        error: Exception = self._dead(why or "nothing answers")
        silent = 0
        while self._reopenings < REOPENINGS and silent < SILENT_OPENINGS:
            self._reopenings += 1
            try:
                if reopen:
                    self.transport.reopen()
                    self.statistics.reopened += 1
                self._open_session()
                return
            except LineLost as lost:
                error, reopen = self._dead(str(lost)), True
                silent += isinstance(lost, Silence)
        raise error

    def _read(self, timeout: float) -> list[Frame]:
        start = time.monotonic()
        data = self.transport.read(timeout)
        self.statistics.host_s -= time.monotonic() - start
        self.statistics.bytes_received += len(data)
        frames = list(self._parser.feed(data))
        self.statistics.bad_frames = self._parser.bad
        self.statistics.frames_received += len(frames)
        self.statistics.host_s += time.monotonic() - start
        return frames

    def _write(self, data: bytes) -> None:
        start = time.monotonic()
        self.transport.write(data)
        self.statistics.bytes_sent += len(data)
        self.statistics.host_s += time.monotonic() - start

    # ---- sending

    def _make_next(self) -> bool:
        """Next DATA command of the first request that is not wholly queued; False when there is none to make."""
        if self._feeding is None:
            for request in self._requests:
                if not request.queued and request.done is None:
                    self._feeding = (request, 0)
                    break
            else:
                return False
        request, offset = self._feeding
        piece = request.data[offset : offset + self.hello.frame_bytes]
        last = offset + len(piece) == len(request.data)
        payload = protocol.DATA.pack(id=request.id, offset=offset) + piece
        answer = protocol.RESULT.id if last else protocol.ACK.id
        self._window.enqueue(protocol.DATA, payload, request if last else None, answer)
        request.queued = last
        self._feeding = None if last else (request, offset + len(piece))
        return True

    # ---- receiving

    def _receive(self, frame: Frame) -> None:
        if frame.session != self._session:
            return
        self._heard = self.transport.now()
        if frame.type == protocol.KEEPALIVE.id:
            self._silences = 0
            return
        if frame.type == protocol.NAK.id:
            self._window.on_nak(frame)
        elif frame.type == protocol.ERROR.id:
            self._on_error(frame)
        elif frame.type != protocol.WELCOME.id:
            self._on_answer(frame)

    def _on_answer(self, frame: Frame) -> None:
        command = self._window.find(frame.sequence)
        if command is None:
            return
        if frame.type == command.answer:
            command.reply = frame
            self._silences = self._reopenings = 0
            self._progress = self._heard
            if command.request is not None:
                self._on_reply(command.request, frame)
        elif frame.type == protocol.ACK.id:
            # carried out, but its reply is no longer kept: nothing to do but to ask anew
            self._stale = True
        if not self._stale:
            self._window.on_settled(command, frame)

    def _on_error(self, frame: Frame) -> None:
        try:
            error = protocol.ERROR.unpack(frame.payload)
        except struct.error:
            return
        code = protocol.by_value(protocol.ERRORS, error["code"])
        if code.name == "no_session":
            self._stale = True
            return
        command = self._window.find(frame.sequence)
        if command is None:
            return
        request = command.request or (self._requests[0] if self._requests else None)
        if code.name == "engine_dead":
            raise DeviceError(f"{self.transport.name}: {code.text}", code.hint)
        if request is None or request.repeats >= REPEATS:
            raise ProtocolError(f"{self.transport.name}: {code.text} (detail {error['detail']})", code.hint)
        request.repeats += 1
        self._stale = True

    def _on_reply(self, request: Request, frame: Frame) -> None:
        if request.done is not None:
            return
        try:
            if frame.type == protocol.RESULT.id:
                request.take_result(frame.payload)
            else:
                request.take_output(frame.payload)
            offset = request.next_output
            if offset is not None:
                payload = protocol.READ_OUTPUT.pack(id=request.id, offset=offset)
                self._window.enqueue(protocol.READ_OUTPUT, payload, request, protocol.OUTPUT.id)
                return
            size = request.finish(self.hello)
        except Rejected as error:
            self._reject(request, str(error))
        except struct.error:
            self._reject(request, "an answer is too short")
        else:
            self.statistics.inferences += 1
            self.statistics.payload_bytes += len(request.data) + size

    def _reject(self, request: Request, why: str) -> None:
        self.statistics.rejected += 1
        request.repeats += 1
        if request.repeats > REPEATS:
            raise ProtocolError(f"{self.transport.name}: {why}, {REPEATS + 1} times running", "report it with the log")
        self._stale = True
