"""MATLAB level 5 files, as far as data sets use them: one struct of numbers and texts, every length checked.

Layout: MathWorks, "MAT-File Format", chapter 1. SciPy's reader is not used: changed bytes can end the whole process in
a segmentation fault there (found by `test_fuzz`).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ecgdeploy.errors import DataError

MAX_BYTES = 256 << 20
_NUMBERS = {
    1: "<i1", 2: "<u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8",
}  # fmt: skip
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16-le", 16: "utf-8", 17: "utf-16-le", 18: "utf-32-le"}
_MATRIX, _COMPRESSED = 14, 15
_STRUCT_CLASS, _CHAR_CLASS = 2, 4
_NUMBER_CLASSES = range(6, 16)
_COMPLEX = 0x0800

Value = np.ndarray | str


class _Damaged(ValueError):
    """The bytes are not what the format says."""


def read_struct(path: Path, name: str) -> dict[str, Value]:
    """Fields of the 1 x 1 struct `name`: matrices as arrays in their own type, texts as text.

    Raises
    ------
    DataError
        The file cannot be read, or holds no such struct.
    """
    hint = "copy the file again from its source"
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _Damaged(f"larger than {MAX_BYTES} bytes")
        content = path.read_bytes()
        if len(content) < 128 or content[126:128] != b"IM":
            raise _Damaged("no little-endian MAT-file of level 5")
        for kind, data in _elements(content[128:], padded=False):
            matrix = _matrix(data, name) if kind == _MATRIX else None
            if isinstance(matrix, dict):
                return matrix
    except (_Damaged, OSError, UnicodeDecodeError, zlib.error, struct.error, ValueError) as error:
        text = " ".join(str(error).split())[:80]
        raise DataError(f"{path.name}: not a MAT-file with a struct {name}: {text}", hint) from None
    raise DataError(f"{path.name}: no struct {name} in it", hint)


def _elements(data: bytes, padded: bool) -> Iterator[tuple[int, bytes]]:
    """Type and content of each data element; compressed ones are unpacked."""
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if kind >> 16:  # the small format: type, size and up to four bytes in one word pair
            kind, size = kind & 0xFFFF, kind >> 16
            if size > 4:
                raise _Damaged(f"a small element of {size} bytes")
            yield kind, data[at + 4 : at + 4 + size]
            at += 8
            continue
        if at + 8 + size > len(data):
            raise _Damaged(f"an element of {size} bytes where {len(data) - at - 8} are left")
        content = data[at + 8 : at + 8 + size]
        if kind == _COMPRESSED:
            packer = zlib.decompressobj()
            content = packer.decompress(content, MAX_BYTES)
            if not packer.eof:
                raise _Damaged("an incomplete compressed element")
            yield from _elements(content, padded)
        else:
            yield kind, content
        at += 8 + size + (-size % 8 if padded or kind == _MATRIX else 0)
    if at < len(data) and any(data[at:]):
        raise _Damaged("bytes after the last element")


def _matrix(data: bytes, wanted: str | None = None) -> Value | dict[str, Value] | None:
    """One array: a number matrix, a text, or the fields of a 1 x 1 struct; None for another name or kind."""
    parts = _elements(data, padded=True)
    try:
        (_, flags), (_, dimensions), (_, name) = next(parts), next(parts), next(parts)
        if len(flags) != 8 or len(dimensions) % 4 or len(dimensions) < 8:
            raise _Damaged("an array without its flags or dimensions")
        if wanted is not None and name != wanted.encode():
            return None
        kind, shape = flags[0], struct.unpack(f"<{len(dimensions) // 4}i", dimensions)
        if min(shape) < 0:
            raise _Damaged(f"dimensions {shape}")
        if struct.unpack_from("<I", flags)[0] & _COMPLEX:
            raise _Damaged("complex numbers")
        if kind == _STRUCT_CLASS:
            return _fields(parts, shape)
        if kind == _CHAR_CLASS:
            code, text = next(parts)
            return text.decode(_TEXTS[code]) if code in _TEXTS else None
        if kind in _NUMBER_CLASSES:
            return _numbers(*next(parts), shape)
    except StopIteration:
        raise _Damaged("an array that ends too early") from None
    return None


def _numbers(code: int, content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    if code not in _NUMBERS:
        raise _Damaged(f"numbers of type {code}")
    values = np.frombuffer(content, _NUMBERS[code])
    count = 1
    for extent in shape:  # Python's integers: no product that wraps around
        count *= extent
    if values.size != count:
        raise _Damaged(f"{values.size} numbers for dimensions {shape}")
    return values.reshape(shape, order="F")


def _fields(parts: Iterator[tuple[int, bytes]], shape: tuple[int, ...]) -> dict[str, Value]:
    (_, width), (_, names) = next(parts), next(parts)
    length = struct.unpack("<i", width)[0] if len(width) == 4 else 0
    if set(shape) != {1} or length < 1 or len(names) % length:
        raise _Damaged("a struct that is not 1 x 1, or without field names")
    fields: dict[str, Value] = {}
    for at in range(0, len(names), length):
        kind, data = next(parts)
        value = _matrix(data) if kind == _MATRIX and data else None
        if isinstance(value, np.ndarray | str):
            fields[names[at : at + length].partition(b"\0")[0].decode("latin-1")] = value
    return fields
