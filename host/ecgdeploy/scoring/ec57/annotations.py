"""WFDB annotation files (MIT format) and the first line of a header, read as the reference programs do.

Format: https://physionet.org/physiotools/wag/annot-5.htm (16-bit words, six bits of type, ten of time difference) and
https://physionet.org/physiotools/wag/header-5.htm.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ecgdeploy.ecg.wfdb_annotation import AUX, CHN, CODES, NUM, SKIP, SUB
from ecgdeploy.errors import DataError

DEFAULT_RATE = 250.0
"""Sampling frequency of a header that names none, in hertz (header(5))."""

NOISE, NOTE, VF_ON, VF_OFF = 14, 22, 32, 33

BEAT_CLASS = {
    CODES[mnemonic]: name
    for name, mnemonics in {"N": "NLRB", "S": "aJASjen", "V": "VEr", "F": "F", "Q": "/Q?f"}.items()
    for mnemonic in mnemonics
}
"""Annotation code -> EC57 beat class (clause 4.3.1; bundle-branch block beats are N, escape beats S or V, paced Q)."""


@dataclass(frozen=True)
class Annotation:
    """One annotation.

    Attributes
    ----------
    sample : int
        Position in samples from the start of the record.
    code : int
        WFDB annotation code (1 is a normal beat, 5 a premature ventricular contraction, ...).
    subtype, channel, number : int
        The format's further fields, signed.
    aux : bytes
        Auxiliary information, without its length.
    """

    sample: int
    code: int
    subtype: int = 0
    channel: int = 0
    number: int = 0
    aux: bytes = b""

    @property
    def beat_class(self) -> str | None:
        """N, S, V, F or Q; None for an annotation that is no beat."""
        return BEAT_CLASS.get(self.code)


@dataclass(frozen=True)
class Header:
    """What the comparison needs of a record's header: sampling frequency (Hz), samples (None: not stated), start."""

    rate: float
    samples: int | None
    start_of_day: float | None = None


def code_of(mnemonic: str) -> int:
    """WFDB code of an annotation mnemonic such as ``N`` or ``/``.

    Raises
    ------
    DataError
        For a mnemonic WFDB does not define.
    """
    if mnemonic not in CODES:
        raise DataError(f"'{mnemonic}' is no WFDB annotation mnemonic", f"use one of {' '.join(CODES)}")
    return CODES[mnemonic]


def read_annotations(path: Path, rate: float | None = None) -> list[Annotation]:
    """Read an annotation file in MIT format.

    Parameters
    ----------
    path : Path
        The file, such as ``100.atr``.
    rate : float, optional
        Sampling frequency of the record in hertz. Where the file states another time resolution of its own, its
        times are converted to `rate`.

    Returns
    -------
    list of Annotation
        In file order.

    Raises
    ------
    DataError
        When the file is missing, or ends in the middle of an annotation.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read annotations {path}: {error.strerror}", "check --db, -r and -a") from error
    annotations = _decode(data, path)
    resolution = _time_resolution(annotations)
    if resolution is not None:
        annotations = annotations[1:]
        if rate is not None and resolution != rate:
            scale = rate / resolution
            annotations = [
                Annotation(math.floor(a.sample * scale + 0.5), a.code, a.subtype, a.channel, a.number, a.aux)
                for a in annotations
            ]
    return annotations


def _decode(data: bytes, path: Path) -> list[Annotation]:
    words = len(data) // 2
    annotations: list[Annotation] = []
    sample = channel = number = 0
    at = 0

    def word(index: int) -> int:
        if index >= words:
            raise DataError(f"{path} ends inside an annotation", "the file is truncated: fetch it again")
        return struct.unpack_from("<H", data, 2 * index)[0]

    while at < words:
        code, interval = word(at) >> 10, word(at) & 0x3FF
        if code == 0 and interval == 0:
            return annotations
        if code == SKIP:
            # the long interval is stored with its high half first
            sample += struct.unpack("<i", struct.pack("<HH", word(at + 2), word(at + 1)))[0]
            at += 3
            continue
        sample += interval
        subtype, aux = 0, b""
        at += 1
        while at < words and (extra := word(at) >> 10) in (NUM, SUB, CHN, AUX):
            value = word(at) & 0x3FF
            at += 1
            if extra == AUX:
                aux = data[2 * at : 2 * at + value]
                if len(aux) < value:
                    raise DataError(f"{path} ends inside a text", "the file is truncated: fetch it again")
                at += (value + 1) // 2
            elif extra == SUB:
                subtype = _signed(value)
            elif extra == CHN:
                channel = value & 0xFF
            else:
                number = _signed(value)
        annotations.append(Annotation(sample, code, subtype, channel, number, aux))
    return annotations


def _signed(value: int) -> int:
    value &= 0xFF
    return value - 256 if value > 127 else value


def _time_resolution(annotations: Sequence[Annotation]) -> float | None:
    if not annotations or annotations[0].code != NOTE or annotations[0].sample != 0:
        return None
    match = re.match(rb"## time resolution: ([0-9.]+)", annotations[0].aux)
    try:
        return float(match.group(1)) or None if match else None
    except ValueError:
        return None


def find_record(folders: Sequence[Path], name: str) -> Path:
    """First of `folders` that holds the file `name`.

    Raises
    ------
    DataError
        When none does, naming the folders searched.
    """
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{name} is in none of {', '.join(map(str, folders)) or '(no folder)'}", "check --db, -r and -a")


def read_header(path: Path) -> Header:
    """Read the record line of a WFDB header.

    Raises
    ------
    DataError
        When the file is unreadable or its first line is no record line.
    """
    try:
        lines = path.read_text(encoding="latin-1").splitlines()
    except OSError as error:
        raise DataError(f"cannot read header {path}: {error.strerror}", "check --db and -r") from error
    line = next((text for text in lines if text.strip() and not text.lstrip().startswith("#")), "")
    fields = line.split()
    if len(fields) < 2 or not fields[1].isdigit():
        raise DataError(f"{path} has no record line", "the first line names the record and its number of signals")
    rate, samples, start = DEFAULT_RATE, None, None
    try:
        if len(fields) > 2:
            rate = float(re.split(r"[/(]", fields[2])[0])
        if len(fields) > 3:
            samples = int(fields[3]) or None
        if len(fields) > 4:
            hours, minutes, seconds = ([0.0, 0.0] + [float(part) for part in fields[4].split(":")])[-3:]
            start = 3600 * hours + 60 * minutes + seconds
    except ValueError as error:
        raise DataError(f"{path}: cannot read the record line '{line.strip()}'", "see header(5) of WFDB") from error
    if not (math.isfinite(rate) and rate > 0):
        raise DataError(f"{path}: sampling frequency {fields[2]}", "it must be a positive number of hertz")
    return Header(rate, samples, start)
