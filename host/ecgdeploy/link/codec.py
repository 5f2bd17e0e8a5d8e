"""Framing: COBS and CRC-32 around a header and a payload, and a stream parser that survives any bytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from ecgdeploy.link.protocol import HEADER

HEADER_BYTES = HEADER.struct.size
CRC_BYTES = 4
# a frame without these is noise
MINIMUM = HEADER_BYTES + CRC_BYTES
# longest decoded frame the host takes: an answer is far shorter, so anything longer is a lost delimiter
CAPACITY = 1 << 16


def cobs_encode(data: bytes) -> bytes:
    """Consistent overhead byte stuffing (Cheshire and Baker 1999): no zero byte in the result, no delimiter added."""
    out = bytearray()
    for run in data.split(b"\0"):
        while len(run) >= 254:
            out.append(255)
            out += run[:254]
            run = run[254:]
        out.append(len(run) + 1)
        out += run
    return bytes(out)


def cobs_decode(data: bytes) -> bytes | None:
    """Inverse of `cobs_encode`; None when `data` holds a zero or ends inside a run."""
    out = bytearray()
    at, size = 0, len(data)
    if not size or 0 in data:
        return None
    while at < size:
        code = data[at]
        if at + code > size:
            return None
        out += data[at + 1 : at + code]
        at += code
        if code != 255 and at < size:
            out.append(0)
    return bytes(out)


@dataclass(frozen=True)
class Frame:
    """A checked frame."""

    type: int
    generation: int
    sequence: int
    session: int
    payload: bytes


def encode(type_: int, generation: int, sequence: int, session: int, payload: bytes = b"") -> bytes:
    """Bytes on the wire, delimiter included."""
    body = HEADER.struct.pack(type_, generation, sequence, session) + payload
    return cobs_encode(body + zlib.crc32(body).to_bytes(CRC_BYTES, "little")) + b"\0"


def decode(stuffed: bytes, capacity: int = CAPACITY) -> Frame | None:
    """The frame in the bytes between two delimiters; None when it is damaged."""
    body = cobs_decode(stuffed)
    if body is None or not MINIMUM <= len(body) <= capacity:
        return None
    if zlib.crc32(body[:-CRC_BYTES]) != int.from_bytes(body[-CRC_BYTES:], "little"):
        return None
    type_, generation, sequence, session = HEADER.struct.unpack_from(body)
    return Frame(type_, generation, sequence, session, body[HEADER_BYTES:-CRC_BYTES])


class Parser:
    """Bytes in, frames out; damaged frames are counted and skipped.

    Parameters
    ----------
    capacity : int
        Longest decoded frame in bytes, header and CRC included; longer ones are damaged.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self.bad = 0
        self._pending = bytearray()
        self._overrun = False
        # decoded frame + one code byte a run + the first
        self._limit = capacity + capacity // 254 + 2

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Frames completed by `data`."""
        *complete, rest = data.split(b"\0")
        for piece in complete:
            stuffed = bytes(self._pending) + piece
            overrun, self._overrun = self._overrun or len(stuffed) > self._limit, False
            self._pending.clear()
            if not stuffed and not overrun:
                continue
            frame = None if overrun else decode(stuffed, self.capacity)
            if frame is None:
                self.bad += 1
            else:
                yield frame
        if self._overrun or len(self._pending) + len(rest) > self._limit:
            self._overrun = True
            self._pending.clear()
        else:
            self._pending += rest
