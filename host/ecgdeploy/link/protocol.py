"""Protocol version 1, declared once: everything host and firmware exchange.

``python -m ecgdeploy.link.render`` writes ``firmware/link/ecgd_protocol.h`` and ``docs/protocol.md`` from this file; a
test fails when a committed copy drifts. All numbers are little-endian and unaligned.

A frame is ``COBS(header payload crc32) 00``; CRC-32 is zlib's, over header and payload.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Any

VERSION = 1

# type name -> struct code; text is UTF-8 padded with zero bytes
SCALARS = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i32": "i", "f32": "f"}


@dataclass(frozen=True)
class Field:
    """One field of a layout: a scalar, or ``bytes``/``text`` of a fixed size."""

    name: str
    type: str
    doc: str
    size: int = 0

    @property
    def code(self) -> str:
        """Its ``struct`` format."""
        return SCALARS[self.type] if self.type in SCALARS else f"{self.size}s"

    @property
    def bytes(self) -> int:
        """Its size on the wire."""
        return struct.calcsize("<" + self.code)


@dataclass(frozen=True)
class Layout:
    """Fields one after the other; what follows them in a message, if anything, is `tail`."""

    name: str
    fields: tuple[Field, ...]
    doc: str = ""
    tail: str = ""

    @cached_property
    def struct(self) -> struct.Struct:
        """Compiled format of the fixed part."""
        return struct.Struct("<" + "".join(field.code for field in self.fields))

    def pack(self, **values: Any) -> bytes:
        """Bytes of the fixed part; every field must be given."""
        items = []
        for field in self.fields:
            value = values.pop(field.name)
            items.append(value.encode() if field.type == "text" else value)
        if values:
            raise TypeError(f"{self.name} has no field {sorted(values)}")
        return self.struct.pack(*items)

    def unpack(self, payload: bytes) -> dict[str, Any]:
        """Fields of the fixed part; the tail is under ``tail``. Raises ``struct.error`` when it is too short."""
        values: dict[str, Any] = {}
        for field, value in zip(self.fields, self.struct.unpack_from(payload), strict=True):
            values[field.name] = value.rstrip(b"\0").decode("utf-8", "replace") if field.type == "text" else value
        values["tail"] = payload[self.struct.size :]
        return values


@dataclass(frozen=True)
class Message(Layout):
    """A layout with an id that travels in one direction."""

    id: int = 0
    to_device: bool = False


@dataclass(frozen=True)
class Code:
    """A named number with its meaning and what the person at the host can do about it."""

    name: str
    value: int
    text: str
    hint: str = ""


HEADER = Layout(
    "header",
    (
        Field("type", "u8", "message id"),
        Field("generation", "u8", "counts the host's goings-back; a NAK echoes it, so that an old NAK is ignored"),
        Field("sequence", "u16", "of the command; an answer carries the number of the command it answers"),
        Field("session", "u32", "random, chosen by the host in HELLO; frames of another session are refused"),
    ),
    "In front of every payload.",
)

TENSOR = Layout(
    "tensor",
    (
        Field("dtype", "u8", "0 int8, 1 int16, 2 float32, 3 uint8, 4 int32"),
        Field("bytes", "u32", "size of the whole tensor"),
        Field("scale", "f32", "0 for float tensors"),
        Field("zero_point", "i32", ""),
    ),
    "One input or output of the model.",
)
DTYPES = ("int8", "int16", "float32", "uint8", "int32")

HELLO = Message(
    "hello",
    (Field("version", "u16", "the host's protocol version"),),
    "Starts the session named in its header, with sequence 0. The same session again is answered again, nothing else.",
    id=0x01,
    to_device=True,
)
DATA = Message(
    "data",
    (
        Field("id", "u32", "of the inference, chosen by the host"),
        Field("offset", "u32", "of the first byte, in the model's inputs laid end to end; 0 begins the inference"),
    ),
    "The next input bytes; fed to the engine at once. The bytes that complete the input end the inference.",
    "input bytes, at most `frame_bytes`",
    id=0x02,
    to_device=True,
)
READ_OUTPUT = Message(
    "read_output",
    (Field("id", "u32", "of the last inference"), Field("offset", "u32", "of the first byte wanted")),
    "Asks for output bytes that did not fit into RESULT.",
    id=0x03,
    to_device=True,
)
PING = Message("ping", (), "Answered by ACK.", id=0x04, to_device=True)
RESET = Message("reset", (), "Answered by ACK; then the board restarts.", id=0x05, to_device=True)
COUNTERS = Message("counters", (), "Asks what the device's parser has seen.", id=0x06, to_device=True)

WELCOME = Message(
    "welcome",
    (
        Field("version", "u16", "the firmware's protocol version"),
        Field("flags", "u16", "measurement flags that hold for the whole session"),
        Field("build_id", "text", "of the firmware", 16),
        Field("model_sha256", "bytes", "of the .tflite file the engine was made from", 32),
        Field("engine", "text", "static, tflm, litert", 16),
        Field("board", "text", "name of the board's TOML file, or of its twin", 32),
        Field("engine_status", "u8", "result of ecgd_engine_init"),
        Field("reset_cause", "u8", "see reset causes"),
        Field("frame_bytes", "u32", "most input bytes in one DATA frame"),
        Field("window_bytes", "u32", "most bytes the host may send behind a frame that is not yet answered"),
        Field("replies", "u8", "how many RESULTs the device keeps for replay: so many inferences may be unanswered"),
        Field("inline_output_bytes", "u16", "output bytes that fit into RESULT"),
        Field("reply_ms", "u32", "an answer that needs no computing comes within this time"),
        Field("keepalive_ms", "u32", "while computing, KEEPALIVE comes at least this often"),
        Field("tick_unit", "u8", "see tick units"),
        Field("tick_numerator", "u32", "one tick of the board's counter is numerator / denominator of the unit;"),
        Field("tick_denominator", "u32", "the device has applied it already"),
        Field("static_ram", "u32", "bytes of .data and .bss, arena included, stack not"),
        Field("arena_bytes", "u32", "memory the engine keeps for itself"),
        Field("stack_bytes", "u32", "size of the stack; 0 where unknown"),
        Field("inputs", "u8", "number of input tensors"),
        Field("outputs", "u8", "number of output tensors"),
    ),
    "Answer to HELLO: who the device is, and its limits.",
    "one `tensor` for each input, then for each output",
    id=0x81,
)
ACK = Message("ack", (), "Every command up to this sequence was carried out.", id=0x82)
RESULT = Message(
    "result",
    (
        Field("id", "u32", "of the inference"),
        Field("status", "u8", "the engine's status; see engine statuses"),
        Field("outputs_inline", "u8", "1 when the outputs follow, 0 when they must be read with READ_OUTPUT"),
        Field("flags", "u16", "measurement flags"),
        Field("input_crc", "u32", "CRC-32 of the input, taken where the engine is fed"),
        Field("output_crc", "u32", "CRC-32 of all outputs end to end"),
        Field("ticks", "u64", "spent in begin, feed and finish, in the tick unit, less what empty regions read"),
        Field("stack_used", "u32", "high-water mark since start, in bytes; 0 where unknown"),
        Field("output_bytes", "u32", "size of all outputs"),
    ),
    "Answer to the DATA that completes an input; acknowledges everything up to it.",
    "the outputs end to end, if inline",
    id=0x83,
)
OUTPUT = Message(
    "output", (Field("offset", "u32", "of the first byte"),), "Answer to READ_OUTPUT.", "output bytes", id=0x84
)
COUNTED = Message(
    "counted",
    (
        Field("frames", "u32", "good frames"),
        Field("bad_frames", "u32", "wrong CRC, wrong COBS, too long or too short"),
        Field("duplicates", "u32", "commands already carried out"),
        Field("gaps", "u32", "commands refused because an earlier one is missing"),
        Field("foreign", "u32", "frames of another session"),
        Field("inferences", "u32", "completed"),
    ),
    "Answer to COUNTERS, since start.",
    id=0x85,
)
ERROR = Message(
    "error",
    (Field("code", "u16", "see error codes"), Field("detail", "u32", "depends on the code")),
    "The command of this sequence was refused; it counts as carried out.",
    id=0xC0,
)
KEEPALIVE = Message("keepalive", (), "The device is computing. Its sequence says nothing.", id=0xC1)
NAK = Message(
    "nak", (), "Frames are missing or damaged: go back to this sequence. One at most for each generation.", id=0xC2
)

MESSAGES = (
    HELLO, DATA, READ_OUTPUT, PING, RESET, COUNTERS,
    WELCOME, ACK, RESULT, OUTPUT, COUNTED, ERROR, KEEPALIVE, NAK,
)  # fmt: skip

ERRORS = (
    Code("version", 1, "the firmware speaks another protocol version", "rebuild and flash the firmware"),
    Code("no_session", 2, "the device knows no such session, it has restarted", "the host opens a new one by itself"),
    Code("unknown_message", 3, "the firmware does not know this message", "rebuild and flash the firmware"),
    Code("bad_length", 4, "a message has the wrong size", "host and firmware differ: rebuild and flash the firmware"),
    Code("bad_offset", 5, "input bytes came out of order", "a defect of the host program: please report it"),
    Code("bad_id", 6, "the outputs asked for are gone", "a defect of the host program: please report it"),
    Code("engine_dead", 7, "the engine did not start", "the model needs more memory than the image gives it: rebuild"),
)

FLAGS = (
    Code("clock_frozen", 1 << 0, "the clock did not move during the inference"),
    Code("clock_wrapped", 1 << 1, "the clock wrapped during the inference, the time is too short"),
    Code("counter_disabled", 1 << 2, "the counter is not running or is not an instruction or cycle counter"),
    Code("stack_margin", 1 << 3, "less than the safety margin of the stack was left"),
    Code("watchdog_reset", 1 << 4, "the board was restarted by its watchdog or by a fault"),
)

RESET_CAUSES = (
    Code("power_on", 0, "power or reset pin"),
    Code("software", 1, "asked for"),
    Code("watchdog", 2, "watchdog"),
    Code("fault", 3, "a fault or lock-up"),
)

TICK_UNITS = (
    Code("none", 0, "no clock"),
    Code("instructions", 1, "instructions carried out (emulation)"),
    Code("cycles", 2, "cycles of the processor's clock"),
    Code("nanoseconds", 3, "wall-clock time (a process on a computer)"),
)

ENGINE_STATUSES = (
    Code("ok", 0, "done"),
    Code("init_failed", 1, "the engine did not start", "rebuild; the model may need more memory"),
    Code("invoke_failed", 2, "an operator failed", "run `ecgdeploy diff --layers` to find it"),
    Code("input_overrun", 3, "more input than the model takes", "rebuild: host and firmware hold different models"),
    Code("input_short", 4, "input bytes are missing", "rebuild: host and firmware hold different models"),
)


def by_value(codes: tuple[Code, ...], value: int) -> Code:
    """The code of that number; an unknown number gets a name that says so."""
    for code in codes:
        if code.value == value:
            return code
    return Code(f"unknown_{value}", value, f"unknown number {value}", "firmware newer than this ecgdeploy")


def flag_names(flags: int) -> tuple[str, ...]:
    """Names of the measurement flags set in `flags`."""
    return tuple(code.name for code in FLAGS if flags & code.value)
