"""WFDB signals: accepted only when every stated size, sum and first value agrees.

``wfdb`` neither checks sums nor complains about a file that is longer than its header says; a damaged recording
would then be scored as if it were sound.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgdeploy.ecg.record import canonical_lead
from ecgdeploy.ecg.wfdb_header import Header, SignalLine, read_header
from ecgdeploy.errors import DataError

# format -> (bits a sample, value that stands for "no sample"); signal(5)
_FORMATS = {
    "80": (8, -128),
    "212": (12, -2048),
    "16": (16, -32768),
    "24": (24, -(1 << 23)),
    "32": (32, -(1 << 31)),
}
_MATLAB_HEADER = 24  # level 4 MAT-file: five int32 and the name "val\0"
_HINT = "copy the file again from its source; `ecgdeploy data check` lists every damaged file"


@dataclass(frozen=True, eq=False)
class Signals:
    """Decoded signals of one record.

    Attributes
    ----------
    header : Header
    millivolts : float32 [samples, leads]
        NaN where the file says "no sample".
    leads : tuple of str
    remarks : tuple of str
        Tolerated oddities.
    """

    header: Header
    millivolts: np.ndarray
    leads: tuple[str, ...]
    remarks: tuple[str, ...]


def read_signals(path: Path, *, sums_absent: bool = False, stale_initial: bool = False) -> Signals:
    """Read the record whose header is `path`.

    Parameters
    ----------
    path : Path
        The ``.hea`` file.
    sums_absent : bool
        The source writes 0 for "no checksum" (CinC 2017): a sum of 0 is then not compared.
    stale_initial : bool
        The source has initial values that differ from the first sample (CinC 2017): then a remark, not an error.

    Raises
    ------
    DataError
        Missing or truncated file, wrong length, wrong checksum, wrong first value, unknown format.
    """
    header = read_header(path)
    try:
        for file in dict.fromkeys(line.file for line in header.signals):
            _check_file(header, file)
        digital = _decode(header)
    except OSError as error:
        raise DataError(f"{path.name}: its signals cannot be read: {error.strerror}", "check the permissions") from None
    remarks: list[str] = []
    for column, line in enumerate(header.signals):
        _check_values(header, line, digital[:, column], sums_absent, stale_initial, remarks)
    # float64 until the end, as wfdb and the WFDB library do: one rounding to float32
    gains = np.array([line.gain for line in header.signals])
    baselines = np.array([line.baseline for line in header.signals], np.float64)
    empty = np.array([_FORMATS[line.format][1] for line in header.signals])
    millivolts = ((digital - baselines) / gains).astype(np.float32)
    millivolts[digital == empty] = np.nan
    leads = tuple(canonical_lead(line.lead) for line in header.signals)
    return Signals(header, millivolts, leads, tuple(dict.fromkeys(remarks)))


def expect(
    signals: Signals,
    rates: tuple[float, ...],
    gain: float | None = None,
    baseline: int | None = None,
    samples: int | None = None,
    leads: tuple[str, ...] | None = None,
    sums: bool = True,
) -> None:
    """Refuse a header that contradicts what is published about its data set.

    Checksums do not cover the header itself: with a changed gain or rate the record would be read, and be wrong.
    """
    header = signals.header
    if header.rate not in rates:
        known = " or ".join(f"{rate:g}" for rate in rates)
        raise DataError(f"{header.path.name}: {header.rate:g} Hz, records of this data set have {known} Hz", _HINT)
    if samples is not None and header.samples != samples:
        raise DataError(f"{header.path.name}: {header.samples} samples, records of this data set have {samples}", _HINT)
    for line in header.signals:
        if sums and line.checksum is None:
            raise DataError(f"{header.path.name}: lead {line.lead} has no checksum; this data set has them", _HINT)
        if leads is not None and canonical_lead(line.lead) not in leads:
            raise DataError(f"{header.path.name}: lead '{line.lead}', this data set has {', '.join(leads)}", _HINT)
        if gain is not None and line.gain != gain:
            text = f"gain {line.gain:g}/mV, records of this data set have {gain:g}/mV"
            raise DataError(f"{header.path.name}: {text}", _HINT)
        if baseline is not None and line.baseline != baseline:
            text = f"baseline {line.baseline}, records of this data set have {baseline}"
            raise DataError(f"{header.path.name}: {text}", _HINT)


def _check_file(header: Header, file: str) -> None:
    """Exactly the bytes that the header announces, no more and no fewer."""
    lines = [line for line in header.signals if line.file == file]
    if len({(line.format, line.offset) for line in lines}) != 1:
        raise DataError(f"{header.path.name}: signals of {file} differ in format or offset", _HINT)
    format_, offset = lines[0].format, lines[0].offset
    if format_ not in _FORMATS:
        raise DataError(
            f"{header.path.name}: signal format {format_}", f"we read the formats {', '.join(_FORMATS)}; convert it"
        )
    data = header.path.parent / file
    if not data.is_file():
        raise DataError(f"{header.path.name}: its signal file {file} is missing from {data.parent}", _HINT)
    size = data.stat().st_size
    if header.samples is None:
        raise DataError(f"{header.path.name}: the number of samples is not given", "write it into the record line")
    bits = header.samples * len(lines) * _FORMATS[format_][0]
    expected = offset + (bits + 7) // 8
    if size != expected:
        kind = "truncated" if size < expected else "too long"
        raise DataError(f"{file}: {kind}: {size} bytes, {header.path.name} needs {expected}", _HINT)
    if file.endswith(".mat"):
        _check_matlab(header, data, len(lines), offset)


def _check_matlab(header: Header, data: Path, rows: int, offset: int) -> None:
    """The MAT-file's own header must tell the same story as the ``.hea`` file."""
    with data.open("rb") as handle:
        head = handle.read(_MATLAB_HEADER)
    stated = struct.unpack("<5i", head[:20]) if len(head) == _MATLAB_HEADER else None
    if offset != _MATLAB_HEADER or stated != (30, rows, header.samples, 0, 4) or head[20:] != b"val\0":
        raise DataError(f"{data.name}: not the int16 matrix 'val' of {rows} x {header.samples} of its header", _HINT)


def _decode(header: Header) -> np.ndarray:
    """Samples in ADC units, int64 [samples, signals]."""
    files = {line.file for line in header.signals}
    if len(files) == 1 and header.signals[0].format == "16":
        # the format of the large data sets, plain interleaved int16: wfdb takes ten times as long for the same numbers
        flat = np.fromfile(header.path.parent / files.pop(), "<i2", offset=header.signals[0].offset)
        return flat.reshape(-1, len(header.signals)).astype(np.int64)
    import wfdb

    try:
        record = wfdb.rdrecord(str(header.path.with_suffix("")), physical=False)
        digital = record.d_signal
        names = [line.lead for line in header.signals]
        same = record.fs == header.rate and digital.shape == (header.samples, len(names))
        # two independent readings of one header have to agree before its samples are believed
        same = same and record.fmt == [s.format for s in header.signals] and record.baseline == [
            s.baseline for s in header.signals
        ]
    except Exception as error:  # wfdb raises many kinds, all for one reason: it cannot read the record
        raise DataError(f"{header.path.name}: wfdb cannot read it: {_one_line(error)}", _HINT) from error
    if not same:
        raise DataError(f"{header.path.name}: two readers understand this header differently", _HINT)
    return digital


def _check_values(
    header: Header, line: SignalLine, lead: np.ndarray, sums_absent: bool, stale_initial: bool, remarks: list[str]
) -> None:
    """Checksum (sum of the samples modulo 65536) and initial value of one signal."""
    if line.checksum is None or (line.checksum == 0 and sums_absent):
        remarks.append("the header has no checksum: nothing protects the samples")
    elif (int(lead.sum()) - line.checksum) % 65536:
        stated, found = line.checksum % 65536, int(lead.sum()) % 65536
        raise DataError(
            f"{header.path.name}: wrong checksum of lead {line.lead} in {line.file}: {found}, the header says {stated}",
            _HINT,
        )
    if line.initial is not None and line.initial != int(lead[0]):
        text = f"the first sample of lead {line.lead} is {int(lead[0])}, the header says {line.initial}"
        if not stale_initial:
            raise DataError(f"{header.path.name}: {text}", _HINT)
        remarks.append(f"stale initial value: {text}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
