"""The host's end of the link: a session that loses nothing, over any line.

The rules are those of ``docs/protocol.md``: numbered commands, a credit window, going back on NAK or silence, kept
replies, a new session after a restart. One thread; work happens inside the calls.
"""

from __future__ import annotations

import math
import secrets
import struct
import time
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ecgdeploy.errors import DeviceError, ProtocolError
from ecgdeploy.link import protocol
from ecgdeploy.link.codec import Frame, Parser, encode
from ecgdeploy.link.protocol import Message
from ecgdeploy.link.transport import LineLost, Silence, Transport

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


@dataclass(frozen=True)
class TensorInfo:
    """One input or output of the model, as the device says."""

    dtype: str
    bytes: int
    scale: float
    zero_point: int


@dataclass(frozen=True)
class Hello:
    """Who answers, and its limits (the fields of WELCOME)."""

    version: int
    flags: tuple[str, ...]
    build_id: str
    model_sha256: str
    engine: str
    board: str
    engine_status: str
    reset_cause: str
    frame_bytes: int
    window_bytes: int
    replies: int
    inline_output_bytes: int
    reply_s: float
    keepalive_s: float
    unit: str
    static_ram: int
    arena_bytes: int
    stack_bytes: int
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]

    @property
    def input_bytes(self) -> int:
        """Size of all inputs end to end."""
        return sum(tensor.bytes for tensor in self.inputs)

    @classmethod
    def parse(cls, payload: bytes) -> Hello:
        """Read a WELCOME payload; raises ``struct.error`` or ``IndexError`` when it is not one."""
        welcome = protocol.WELCOME.unpack(payload)
        layout = protocol.TENSOR
        tensors = []
        for index in range(welcome["inputs"] + welcome["outputs"]):
            values = layout.unpack(welcome["tail"][index * layout.struct.size :])
            dtype = protocol.DTYPES[values["dtype"]]
            tensors.append(TensorInfo(dtype, values["bytes"], values["scale"], values["zero_point"]))
        return cls(
            version=welcome["version"],
            flags=protocol.flag_names(welcome["flags"]),
            build_id=welcome["build_id"],
            model_sha256=welcome["model_sha256"].hex(),
            engine=welcome["engine"],
            board=welcome["board"],
            engine_status=protocol.by_value(protocol.ENGINE_STATUSES, welcome["engine_status"]).name,
            reset_cause=protocol.by_value(protocol.RESET_CAUSES, welcome["reset_cause"]).name,
            frame_bytes=welcome["frame_bytes"],
            window_bytes=welcome["window_bytes"],
            replies=welcome["replies"],
            inline_output_bytes=welcome["inline_output_bytes"],
            reply_s=welcome["reply_ms"] / 1000,
            keepalive_s=welcome["keepalive_ms"] / 1000,
            unit=protocol.by_value(protocol.TICK_UNITS, welcome["tick_unit"]).name,
            static_ram=welcome["static_ram"],
            arena_bytes=welcome["arena_bytes"],
            stack_bytes=welcome["stack_bytes"],
            inputs=tuple(tensors[: welcome["inputs"]]),
            outputs=tuple(tensors[welcome["inputs"] :]),
        )


@dataclass(frozen=True)
class Inference:
    """One checked result.

    Attributes
    ----------
    outputs : tuple of bytes
        Raw bytes of each output tensor, in order; empty when `status` is not ``ok``.
    input_crc, output_crc : int
        CRC-32 of the input as the engine consumed it (equal to the host's), and of all outputs end to end.
    ticks : int
        Time in begin, feed and finish, in `unit`.
    unit : str
        ``instructions`` (emulation), ``cycles`` or ``nanoseconds``.
    status : str
        ``ok`` or the engine's failure.
    flags : tuple of str
        Measurement flags the device raised: see ``ecgdeploy.measure.validity``.
    stack_used : int
        Stack high-water mark since start in bytes; 0 where the port does not know its stack.
    """

    outputs: tuple[bytes, ...]
    input_crc: int
    output_crc: int
    ticks: int
    unit: str
    status: str
    flags: tuple[str, ...]
    stack_used: int


@dataclass
class LinkStatistics:
    """What the line carried and what it cost, since the client was made."""

    bytes_sent: int = 0
    bytes_received: int = 0
    payload_bytes: int = 0  # inputs and outputs delivered, counted once
    frames_sent: int = 0
    frames_received: int = 0
    bad_frames: int = 0
    retries: int = 0  # commands sent again
    naks: int = 0
    silences: int = 0
    sessions: int = 0
    reopened: int = 0
    rejected: int = 0  # results whose CRCs did not match: done again
    inferences: int = 0
    host_s: float = 0.0  # host time spent on the link, waiting left out

    @property
    def goodput(self) -> float:
        """Payload bytes over all bytes on the wire, both ways."""
        total = self.bytes_sent + self.bytes_received
        return self.payload_bytes / total if total else 0.0


@dataclass
class _Request:
    """An inference under way."""

    id: int
    data: bytes
    crc: int
    queued: bool = False  # its last DATA command has been made
    repeats: int = 0
    result: dict | None = None
    outputs: bytearray = field(default_factory=bytearray)
    done: Inference | None = None


@dataclass
class _Command:
    """A numbered command that is not yet answered."""

    sequence: int
    message: Message
    payload: bytes
    request: _Request | None  # whose RESULT or OUTPUT it brings
    answer: int  # message id that settles it; ACK settles also by a later one
    end: int = -1  # position on the wire behind its last byte; -1: not sent
    reply: Frame | None = None


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
    """

    def __init__(self, transport: Transport, expect_model: str | None = None, compute_limit_s: float = 1800.0) -> None:
        self.transport = transport
        self.expect_model = expect_model
        self.compute_limit_s = compute_limit_s
        self.statistics = LinkStatistics()
        self.hello: Hello = None  # type: ignore[assignment]  # set by connect
        self._parser = Parser()
        self._session = 0
        self._generation = 0
        self._sequence = 0
        self._queue: deque[_Command] = deque()
        self._to_send = 0  # index into the queue
        self._partial = b""
        self._position = 0
        self._next_id = secrets.randbits(31)
        self._requests: deque[_Request] = deque()
        self._feeding: tuple[_Request, int] | None = None
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
        self._session = secrets.randbits(32) or 1
        self._sequence = 0
        self._generation = 0
        self._queue.clear()
        self._to_send = 0
        self._partial = b""
        self._feeding = None
        self._stale = False
        for request in self._requests:
            if request.done is None:
                request.queued, request.result = False, None
                request.outputs.clear()
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
                        self._refuse_version(frame)
                    if frame.type == protocol.WELCOME.id:
                        return self._welcome(frame)
        noise = self._parser.bad - heard_bad
        what = f"what answers does not speak this protocol ({noise} damaged frames)" if noise else "nothing answers"
        raise Silence(f"{what} within {self.transport.start_s:g} s")

    def _refuse_version(self, frame: Frame) -> None:
        error = protocol.ERROR.unpack(frame.payload)
        code = protocol.by_value(protocol.ERRORS, error["code"])
        if code.name == "version":
            raise ProtocolError(
                f"{self.transport.name}: the firmware speaks protocol {error['detail']}, not {protocol.VERSION}",
                code.hint,
            )

    def _welcome(self, frame: Frame) -> Hello:
        try:
            hello = Hello.parse(frame.payload)
        except (struct.error, IndexError) as error:
            raise ProtocolError(f"{self.transport.name}: WELCOME cannot be read", "rebuild the firmware") from error
        if hello.engine_status != "ok":
            raise DeviceError(
                f"{self.transport.name}: the engine did not start ({hello.engine_status})",
                "the model needs more memory than the image gives it: build again with a larger arena",
            )
        if self.expect_model and hello.model_sha256 != self.expect_model:
            raise DeviceError(
                f"{self.transport.name}: the device runs model {hello.model_sha256[:12]}…, "
                f"not {self.expect_model[:12]}…",
                "flash the firmware built from this model, or measure the model that is on the device",
            )
        self.hello = hello
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
            self._stale = self._stale or bool(self._queue)

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

    def _request(self, data: bytes) -> _Request:
        data = bytes(data)
        if len(data) != self.hello.input_bytes:
            raise ProtocolError(
                f"an input has {len(data)} bytes, the device's model takes {self.hello.input_bytes}",
                "check the model and its preprocessing",
            )
        self._next_id = (self._next_id + 1) & 0xFFFFFFFF
        return _Request(self._next_id, data, zlib.crc32(data))

    def _depth(self) -> int:
        """How many inferences may be unanswered: as many as the device keeps replies for."""
        inline = sum(t.bytes for t in self.hello.outputs) <= self.hello.inline_output_bytes
        return max(1, self.hello.replies) if inline else 1

    def _command(self, message: Message, answer: int) -> Frame:
        """One command outside of inferences, and its answer."""
        if self._requests or self._queue:
            self._stale = True
            self._requests.clear()
        self._heard = self._progress = self.transport.now()
        if self._stale:
            self._reconnect(reopen=False)
        command = self._enqueue(message, b"", None, answer)
        while command.reply is None:
            self._turn()
            if command.reply is None and command not in self._queue:
                command = self._enqueue(message, b"", None, answer)  # a new session has begun
        return command.reply

    # ---- one turn: send what may be sent, take what has come, notice silence

    def _turn(self) -> None:
        try:
            if self._stale:
                self._reconnect(reopen=False)
            self._pump()
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
            self._go_back()

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
        self._position += len(data)
        self.statistics.bytes_sent += len(data)
        self.statistics.host_s += time.monotonic() - start

    # ---- sending

    def _enqueue(self, message: Message, payload: bytes, request: _Request | None, answer: int) -> _Command:
        self._sequence = (self._sequence + 1) & 0xFFFF
        command = _Command(self._sequence, message, payload, request, answer)
        self._queue.append(command)
        return command

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
        self._enqueue(protocol.DATA, payload, request if last else None, answer)
        request.queued = last
        self._feeding = None if last else (request, offset + len(piece))
        return True

    def _pump(self) -> None:
        """Send as much as the credit allows."""
        while True:
            if not self._partial:
                if self._to_send == len(self._queue) and not self._make_next():
                    return
                command = self._queue[self._to_send]
                if command.reply is not None:  # answered, and behind one that is not
                    self._to_send += 1
                    continue
                self._partial = encode(
                    command.message.id, self._generation, command.sequence, self._session, command.payload
                )
                self.statistics.frames_sent += 1
                self.statistics.retries += command.end >= 0
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
        return self._queue[0].end + self.hello.window_bytes - self._position

    def _go_back(self) -> None:
        """Send again from the first unanswered command on, as a new generation."""
        self._generation = (self._generation + 1) & 0xFF
        if self._partial:
            # whether or not the rest of it would have come through: its number comes again
            self._partial = b""
            self._write(b"\0")
        self._to_send = 0

    # ---- receiving

    def _receive(self, frame: Frame) -> None:
        if frame.session != self._session:
            return
        self._heard = self.transport.now()
        if frame.type == protocol.KEEPALIVE.id:
            self._silences = 0
            return
        if frame.type == protocol.NAK.id:
            self._on_nak(frame)
        elif frame.type == protocol.ERROR.id:
            self._on_error(frame)
        elif frame.type != protocol.WELCOME.id:
            self._on_answer(frame)

    def _index(self, sequence: int) -> int | None:
        """Place of a command in the queue; None when it is settled already or was never sent."""
        for index, command in enumerate(self._queue):
            if command.sequence == sequence:
                return index if command.end >= 0 else None
        return None

    def _on_nak(self, frame: Frame) -> None:
        if frame.generation != self._generation:
            return
        self.statistics.naks += 1
        # expecting what comes next means that everything sent has arrived; the damaged frame was a repetition
        index = self._index(frame.sequence)
        partial = self._to_send if self._partial else None
        if index is None and partial is not None and self._queue[partial].sequence == frame.sequence:
            index = partial
        if index is not None:
            self._settle(index)
            self._go_back()

    def _on_answer(self, frame: Frame) -> None:
        index = self._index(frame.sequence)
        if index is None:
            return
        command = self._queue[index]
        if frame.type == command.answer:
            command.reply = frame
            self._silences = self._reopenings = 0
            self._progress = self._heard
            if command.request is not None:
                self._on_reply(command.request, frame)
        elif command.answer != protocol.ACK.id and frame.type == protocol.ACK.id:
            # carried out, but its reply is no longer kept: nothing to do but to ask anew
            self._stale = True
            return
        if self._stale:
            return
        behind = self._queue[0]
        self._settle(index + 1)
        # Within a generation commands go out in order, first the first unanswered one. So when a later one is answered
        # and that one still is not, its reply was lost.
        if behind is not command and behind.reply is None and frame.generation == self._generation:
            self._go_back()

    def _settle(self, count: int) -> None:
        """The first `count` commands were carried out; those that bring a reply stay until it is here."""
        for command in list(self._queue)[:count]:
            if command.reply is None and command.answer == protocol.ACK.id and command.request is None:
                command.reply = Frame(protocol.ACK.id, 0, command.sequence, self._session, b"")
        while self._queue and self._queue[0].reply is not None:
            self._queue.popleft()
            if self._to_send:
                self._to_send -= 1
            elif self._partial:
                self._partial = b""  # was being sent again, and is answered now
                self._write(b"\0")

    def _on_error(self, frame: Frame) -> None:
        try:
            error = protocol.ERROR.unpack(frame.payload)
        except struct.error:
            return
        code = protocol.by_value(protocol.ERRORS, error["code"])
        if code.name == "no_session":
            self._stale = True
            return
        index = self._index(frame.sequence)
        if index is None:
            return
        request = self._queue[index].request or (self._requests[0] if self._requests else None)
        if code.name == "engine_dead":
            raise DeviceError(f"{self.transport.name}: {code.text}", code.hint)
        if request is None or request.repeats >= REPEATS:
            raise ProtocolError(f"{self.transport.name}: {code.text} (detail {error['detail']})", code.hint)
        request.repeats += 1
        self._stale = True

    def _on_reply(self, request: _Request, frame: Frame) -> None:
        if request.done is not None:
            return
        try:
            if frame.type == protocol.RESULT.id:
                self._on_result(request, frame)
            else:
                output = protocol.OUTPUT.unpack(frame.payload)
                request.outputs += output["tail"] if output["offset"] == len(request.outputs) else b""
        except struct.error:
            self._reject(request, "RESULT is too short")
            return
        result = request.result
        if result is None:
            return
        if len(request.outputs) < result["output_bytes"]:
            payload = protocol.READ_OUTPUT.pack(id=request.id, offset=len(request.outputs))
            self._enqueue(protocol.READ_OUTPUT, payload, request, protocol.OUTPUT.id)
        else:
            self._finish(request, result)

    def _on_result(self, request: _Request, frame: Frame) -> None:
        result = protocol.RESULT.unpack(frame.payload)
        if result["id"] != request.id or result["input_crc"] != request.crc:
            self._reject(request, "the engine was fed other bytes than were sent")
            return
        request.result = result
        request.outputs.clear()
        request.outputs += result["tail"]

    def _finish(self, request: _Request, result: dict) -> None:
        ok = result["status"] == 0
        outputs, at = [], 0
        for tensor in self.hello.outputs if ok else ():
            outputs.append(bytes(request.outputs[at : at + tensor.bytes]))
            at += tensor.bytes
        if ok and (at != len(request.outputs) or zlib.crc32(request.outputs) != result["output_crc"]):
            self._reject(request, "the outputs do not match their CRC")
            return
        self.statistics.inferences += 1
        self.statistics.payload_bytes += len(request.data) + at
        request.done = Inference(
            outputs=tuple(outputs),
            input_crc=result["input_crc"],
            output_crc=result["output_crc"],
            ticks=result["ticks"],
            unit=self.hello.unit,
            status=protocol.by_value(protocol.ENGINE_STATUSES, result["status"]).name,
            flags=protocol.flag_names(result["flags"]),
            stack_used=result["stack_used"],
        )

    def _reject(self, request: _Request, why: str) -> None:
        self.statistics.rejected += 1
        request.repeats += 1
        if request.repeats > REPEATS:
            raise ProtocolError(f"{self.transport.name}: {why}, {REPEATS + 1} times running", "report it with the log")
        self._stale = True


def wire_bytes(payload: int) -> int:
    """Largest size on the wire of a frame with that payload (COBS adds a byte in 254, and the delimiter)."""
    body = payload + protocol.HEADER.struct.size + 4
    return body + math.ceil(body / 254) + 1
