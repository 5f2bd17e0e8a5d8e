"""A strict reader of WFDB ``.hea`` headers: what is not plainly valid is refused before a sample is read.

Layout: WFDB Applications Guide, ``header(5)``. The signals are decoded in :mod:`ecgdeploy.ecg.wfdb_signal`, by ``wfdb``
where the format is not plain int16; ``wfdb`` trusts its header, and this is where the trust comes from.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from ecgdeploy.errors import DataError

_RECORD = re.compile(
    r"(?P<name>[\w-]+)(?:/(?P<segments>\d+))?\s+(?P<count>\d+)"
    r"(?:\s+(?P<rate>[\d.]+(?:[eE][-+]?\d+)?)(?:/\S+)?(?:\s+(?P<samples>\d+)(?:\s+.*)?)?)?"
)
_SIGNAL = re.compile(
    r"(?P<file>[\w~.-]+)\s+(?P<format>\d+)(?:x(?P<per_frame>\d+))?(?::(?P<skew>\d+))?(?:\+(?P<offset>\d+))?"
    r"(?:\s+(?P<gain>-?[\d.]+(?:[eE][-+]?\d+)?)(?:\((?P<baseline>-?\d+)\))?(?:/(?P<units>\S+))?"
    r"(?:\s+(?P<resolution>\d+)(?:\s+(?P<zero>-?\d+)(?:\s+(?P<initial>-?\d+)(?:\s+(?P<checksum>-?\d+)"
    r"(?:\s+(?P<block>\d+)(?:\s+(?P<name>\S.*))?)?)?)?)?)?)?"
)
_MILLIVOLTS = {"mv": 1.0, "uv": 1e-3, "v": 1e3}
MAX_SIGNALS = 64
MAX_BYTES = 1 << 20
MAX_LINE = 1024  # header(5) allows 255 characters
_HINT = "copy the header again from its source"


@dataclass(frozen=True)
class SignalLine:
    """One signal of a header: where its samples are and what they mean."""

    file: str
    format: str
    offset: int
    gain: float  # ADC units a millivolt
    baseline: int
    initial: int | None
    checksum: int | None
    lead: str


@dataclass(frozen=True)
class Header:
    """A parsed ``.hea`` file."""

    path: Path
    name: str
    rate: float
    samples: int | None
    signals: tuple[SignalLine, ...]
    comments: tuple[str, ...]

    def comment(self, key: str) -> str | None:
        """Value of a ``#Key: value`` comment, with or without a space after the ``#``; None where absent."""
        for line in self.comments:
            head, colon, value = line.partition(":")
            if colon and head.strip().lower() == key.lower():
                return value.strip()
        return None


def read_header(path: Path) -> Header:
    """Read and check a header.

    Parameters
    ----------
    path : Path
        The ``.hea`` file.

    Raises
    ------
    DataError
        When the file is missing, is no WFDB header, or uses a part of the format that we do not read
        (several segments, several samples a frame, units that are no voltage).
    """
    if not path.is_file():
        raise DataError(f"{path.name}: no such header in {path.parent}", "check the record's name and the folder")
    try:
        # latin-1 never fails: the comments of old headers are not all ASCII
        text = path.read_bytes().decode("latin-1")
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read: {error.strerror}", "check the file's permissions") from None
    if len(text) > MAX_BYTES:
        raise DataError(f"{path.name}: not a WFDB header ({len(text)} bytes)", _HINT)
    if "\0" in text:
        raise DataError(f"{path.name}: not a WFDB header (it holds zero bytes)", _HINT)
    lines = [line.strip() for line in re.split(r"\r\n|\n|\r", text)]
    body = [line for line in lines if line and not line.startswith("#")]
    comments = tuple(line[1:].strip() for line in lines if line.startswith("#"))
    if max(map(len, body), default=0) > MAX_LINE:
        raise DataError(f"{path.name}: a line of more than {MAX_LINE} characters", _HINT)
    if not body:
        raise DataError(f"{path.name}: no record line", _HINT)
    match = _RECORD.fullmatch(body[0])
    if not match:
        raise DataError(f"{path.name}: cannot read the record line '{body[0][:60]}'", _HINT)
    if match["segments"]:
        raise DataError(f"{path.name}: a multi-segment record", "join its segments with wfdb's tools first")
    if match["name"] != path.stem:
        raise DataError(f"{path.name}: the header is record '{match['name']}', not '{path.stem}'", _HINT)
    count = int(match["count"])
    rate = _number(path, "sampling rate", match["rate"] or "250")  # header(5): 250 where absent
    samples = int(match["samples"]) if match["samples"] else None
    if not 0 < rate < 1e6:
        raise DataError(f"{path.name}: sampling rate {rate:g} Hz", _HINT)
    if not 1 <= count <= MAX_SIGNALS:
        raise DataError(f"{path.name}: {count} signals (we read 1 to {MAX_SIGNALS})", _HINT)
    if len(body) - 1 != count:
        raise DataError(f"{path.name}: {count} signals announced, {len(body) - 1} described", _HINT)
    signals = tuple(_signal(path, number, line) for number, line in enumerate(body[1:]))
    return Header(path, match["name"], rate, samples or None, signals, comments)


def _signal(path: Path, number: int, line: str) -> SignalLine:
    match = _SIGNAL.fullmatch(line)
    if not match:
        raise DataError(f"{path.name}: cannot read signal {number}: '{line[:60]}'", _HINT)
    if Path(match["file"]).name != match["file"] or match["file"] in (".", "..", "-"):
        raise DataError(f"{path.name}: signal {number} is in '{match['file']}'", "signals lie beside their header")
    if int(match["per_frame"] or 1) != 1 or int(match["skew"] or 0) != 0:
        raise DataError(
            f"{path.name}: signal {number} has several samples a frame or a skew", "resample it with wfdb's tools first"
        )
    units = match["units"] or "mV"
    if units.lower() not in _MILLIVOLTS:
        raise DataError(f"{path.name}: signal {number} is in '{units}'", "an ECG is in mV, uV or V")
    gain = _number(path, "gain", match["gain"] or "0") / _MILLIVOLTS[units.lower()]
    if not (math.isfinite(gain) and gain > 0):
        raise DataError(f"{path.name}: signal {number} is not calibrated (gain {match['gain']})", "give it a gain")
    zero = int(match["zero"] or 0)
    return SignalLine(
        file=match["file"],
        format=match["format"],
        offset=int(match["offset"] or 0),
        gain=gain,
        baseline=int(match["baseline"]) if match["baseline"] is not None else zero,
        initial=int(match["initial"]) if match["initial"] is not None else None,
        checksum=int(match["checksum"]) if match["checksum"] is not None else None,
        lead=(match["name"] or f"signal {number}").strip(),
    )


def _number(path: Path, what: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(f"{path.name}: {what} '{text}' is no number", _HINT) from None
