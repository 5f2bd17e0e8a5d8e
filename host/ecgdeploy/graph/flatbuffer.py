"""Read FlatBuffers tables without trusting a single offset in them.

The generated readers follow any offset and any vector length; a damaged file makes them loop, crash or ask for
gigabytes. Here every access is checked against the buffer, and `Damaged` is raised instead. Vectors are views.
"""

from __future__ import annotations

import math
import struct

import numpy as np


class Damaged(Exception):
    """The bytes are not the flatbuffer they claim to be."""


def _unpack(code: str, size: int, buffer: bytes, at: int) -> int:
    if at < 0 or at + size > len(buffer):
        raise Damaged(f"offset {at} is outside the file")
    return struct.unpack_from(code, buffer, at)[0]


def u32(buffer: bytes, at: int) -> int:
    """Little-endian uint32 at `at`."""
    return _unpack("<I", 4, buffer, at)


class Table:
    """A table at byte `at` of `buffer`; fields are read by slot number of the schema."""

    __slots__ = ("_vtable", "_vtable_bytes", "at", "buffer")

    def __init__(self, buffer: bytes, at: int) -> None:
        self.buffer = buffer
        self.at = at
        self._vtable = at - _unpack("<i", 4, buffer, at)
        self._vtable_bytes = _unpack("<H", 2, buffer, self._vtable)
        if self._vtable_bytes < 4 or self._vtable + self._vtable_bytes > len(buffer):
            raise Damaged(f"table at {at} has a broken field list")

    @staticmethod
    def root(buffer: bytes) -> Table:
        """The root table of a file."""
        return Table(buffer, u32(buffer, 0))

    def _field(self, slot: int) -> int:
        """Absolute offset of a field, 0 where it is absent."""
        entry = 4 + 2 * slot
        if entry + 2 > self._vtable_bytes:
            return 0
        relative = _unpack("<H", 2, self.buffer, self._vtable + entry)
        return self.at + relative if relative else 0

    def scalar(self, slot: int, code: str, default: float = 0) -> float:
        """Scalar of struct format `code` (``b B h i I q f``...)."""
        at = self._field(slot)
        if not at:
            return default
        value = _unpack("<" + code, struct.calcsize("<" + code), self.buffer, at)
        if not math.isfinite(value):
            raise Damaged(f"a number at {at} is {value}")
        return value

    def integer(self, slot: int, code: str = "i", default: int = 0) -> int:
        """Integer scalar."""
        return int(self.scalar(slot, code, default))

    def table(self, slot: int) -> Table | None:
        """Sub-table, or None where absent."""
        at = self._field(slot)
        return Table(self.buffer, at + u32(self.buffer, at)) if at else None

    def _vector(self, slot: int, item_bytes: int) -> tuple[int, int]:
        at = self._field(slot)
        if not at:
            return 0, -1
        start = at + u32(self.buffer, at)
        count = u32(self.buffer, start)
        if start + 4 + count * item_bytes > len(self.buffer):
            raise Damaged(f"a list of {count} entries at {start} is longer than the file")
        return start + 4, count

    def array(self, slot: int, dtype: str) -> np.ndarray | None:
        """Vector of scalars as a read-only view, or None where absent."""
        start, count = self._vector(slot, np.dtype(dtype).itemsize)
        if count < 0:
            return None
        return np.frombuffer(self.buffer, dtype=dtype, count=count, offset=start)

    def text(self, slot: int, limit: int = 1024) -> str:
        """String field (at most `limit` bytes of it); empty where absent."""
        start, count = self._vector(slot, 1)
        return self.buffer[start : start + min(count, limit)].decode("utf-8", "replace") if count > 0 else ""

    def tables(self, slot: int, limit: int) -> list[Table]:
        """Vector of tables; more than `limit` of them is damage."""
        start, count = self._vector(slot, 4)
        if count > limit:
            raise Damaged(f"a list of {count} tables, more than the {limit} any real model has")
        return [Table(self.buffer, start + 4 * i + u32(self.buffer, start + 4 * i)) for i in range(max(count, 0))]
