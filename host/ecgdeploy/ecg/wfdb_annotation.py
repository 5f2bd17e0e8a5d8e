"""WFDB annotation files in the MIT format, read strictly and written.

Layout: WFDB Programmer's Guide, ``annot(5)``: 16-bit little-endian words, 6 bits of code and 10 bits of time since the
annotation before; SKIP, NUM, SUB, CHN and AUX are pseudo-annotations; a zero word ends the file.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from ecgdeploy.ecg.record import Annotations
from ecgdeploy.errors import DataError

# code -> symbol; the WFDB library's ecgcodes.h and its annotation mnemonics
SYMBOLS = {
    1: "N", 2: "L", 3: "R", 4: "a", 5: "V", 6: "F", 7: "J", 8: "A", 9: "S", 10: "E", 11: "j", 12: "/", 13: "Q",
    14: "~", 16: "|", 18: "s", 19: "T", 20: "*", 21: "D", 22: '"', 23: "=", 24: "p", 25: "B", 26: "^", 27: "t",
    28: "+", 29: "u", 30: "?", 31: "!", 32: "[", 33: "]", 34: "e", 35: "n", 36: "@", 37: "x", 38: "f", 39: "(",
    40: ")", 41: "r",
}  # fmt: skip
CODES = {symbol: code for code, symbol in SYMBOLS.items()}
SKIP, NUM, SUB, CHN, AUX = 59, 60, 61, 62, 63
_HINT = "copy the file again from its source"


def read_annotations(path: Path, samples: int | None = None) -> Annotations:
    """Read an annotation file.

    Parameters
    ----------
    path : Path
        For example ``100.atr``.
    samples : int, optional
        Length of the record; an annotation beyond it is an error.

    Raises
    ------
    DataError
        Missing, truncated or damaged file, times that go backwards, positions outside the record.
    """
    if not path.is_file():
        raise DataError(f"{path.name}: no such annotation file in {path.parent}", "check the folder")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read: {error.strerror}", "check the file's permissions") from None
    places: list[int] = []
    codes: list[int] = []
    fields: list[list[int]] = []  # subtype, channel, number of each
    notes: list[str] = []
    time, position, channel, number = 0, 0, 0, 0
    while True:
        if position + 2 > len(data):
            raise DataError(f"{path.name}: truncated: no end mark after {len(codes)} annotations", _HINT)
        word = data[position] | data[position + 1] << 8
        position += 2
        code, low = word >> 10, word & 0x3FF
        if word == 0:
            break
        if code == SKIP:
            if position + 4 > len(data):
                raise DataError(f"{path.name}: truncated inside a SKIP", _HINT)
            high, rest = struct.unpack_from("<hH", data, position)
            time += (high << 16) | rest
            position += 4
        elif code in (NUM, SUB, CHN, AUX):
            if not codes:
                raise DataError(f"{path.name}: a field before the first annotation", _HINT)
            if code == AUX:
                if position + low > len(data):
                    raise DataError(f"{path.name}: truncated inside the text of annotation {len(codes) - 1}", _HINT)
                notes[-1] = data[position : position + low].decode("latin-1").rstrip("\0")
                position += low + (low & 1)
            else:
                value = (low & 0xFF) - 256 if low & 0x80 else low & 0xFF
                if code == NUM:
                    number = fields[-1][2] = value
                elif code == CHN:
                    channel = fields[-1][1] = value
                else:
                    fields[-1][0] = value
        else:
            if code not in SYMBOLS and code != 0:
                raise DataError(f"{path.name}: unknown annotation code {code} at sample {time + low}", _HINT)
            time += low
            if code == 0:  # NOTQRS with a time step: moves the clock only
                continue
            if time < 0 or (places and time < places[-1]):
                raise DataError(f"{path.name}: annotation {len(codes)} goes back in time to {time}", _HINT)
            if samples is not None and time >= samples:
                raise DataError(f"{path.name}: annotation at sample {time}, the record has {samples}", _HINT)
            places.append(time)
            codes.append(code)
            fields.append([0, channel, number])
            notes.append("")
    if any(data[position:]):
        raise DataError(f"{path.name}: {len(data) - position} bytes after the end mark", _HINT)
    table = np.array(fields, np.int8).reshape(-1, 3)
    symbols = tuple(SYMBOLS[code] for code in codes)
    return Annotations(np.array(places, np.int64), symbols, tuple(notes), table[:, 0], table[:, 1], table[:, 2])


def write_annotations(path: Path, annotations: Annotations) -> None:
    """Write an annotation file (``.atr`` or a test annotator's) that the reference WFDB tools read.

    Raises
    ------
    DataError
        A symbol without a code, a text longer than 255 bytes, or times that go backwards.
    """
    from ecgdeploy.provenance import write_atomic

    out = bytearray()
    before, channel, number = 0, 0, 0
    for i, symbol in enumerate(annotations.symbols):
        if symbol not in CODES:
            raise DataError(f"{path.name}: no annotation code for '{symbol}'", "use the WFDB symbols")
        step = int(annotations.samples[i]) - before
        if step < 0:
            raise DataError(f"{path.name}: annotation {i} goes back in time", "sort the annotations first")
        before += step
        if step > 0x3FF:
            out += struct.pack("<HhH", SKIP << 10, step >> 16, step & 0xFFFF)
            step = 0
        out += struct.pack("<H", CODES[symbol] << 10 | step)
        if annotations.subtypes[i]:
            out += struct.pack("<H", SUB << 10 | int(annotations.subtypes[i]) & 0xFF)
        if annotations.channels[i] != channel:
            channel = int(annotations.channels[i])
            out += struct.pack("<H", CHN << 10 | channel & 0xFF)
        if annotations.numbers[i] != number:
            number = int(annotations.numbers[i])
            out += struct.pack("<H", NUM << 10 | number & 0xFF)
        if annotations.notes[i]:
            text = annotations.notes[i].encode("latin-1", "replace")
            if len(text) > 255:
                raise DataError(f"{path.name}: text of annotation {i} has {len(text)} bytes", "255 at most")
            out += struct.pack("<H", AUX << 10 | len(text)) + text + b"\0" * (len(text) & 1)
    write_atomic(path, bytes(out + b"\0\0"))
