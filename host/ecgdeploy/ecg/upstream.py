"""Long recordings to pre-train on: Icentia11k where it is, MIT-BIH otherwise, or any folder of WFDB records.

One record is read at a time and leaves as one lead at one rate; whatever cannot be read says so, and is for the caller
to skip.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgdeploy.ecg import locate
from ecgdeploy.ecg.preprocessing import FillMissing, Resample
from ecgdeploy.ecg.record import Record
from ecgdeploy.ecg.sources import icentia11k, mitbih
from ecgdeploy.ecg.wfdb_annotation import read_annotations
from ecgdeploy.ecg.wfdb_header import read_header
from ecgdeploy.ecg.wfdb_signal import read_signals
from ecgdeploy.errors import DataError


@dataclass(frozen=True, eq=False)
class Lead:
    """One lead of one recording, standardized by its own mean and standard deviation.

    Attributes
    ----------
    signal : float32 [samples]
    beats : int64 [n]
        Positions of the annotated beats.
    symbols : tuple of str
        Their WFDB symbols.
    rhythms : tuple of (int, int, str)
        First sample, one past the last, and the note (``(N``, ``(AFIB`` ...) of each annotated rhythm.
    """

    signal: np.ndarray
    beats: np.ndarray
    symbols: tuple[str, ...]
    rhythms: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True)
class Upstream:
    """A collection of long recordings.

    Attributes
    ----------
    name : str
        As reports name it.
    names : tuple of str
    record : callable
        Reads one by name; raises `DataError` for a damaged one.
    patient : callable
        Person of a record, without reading its signal.
    """

    name: str
    names: tuple[str, ...]
    record: Callable[[str], Record]
    patient: Callable[[str], str]

    def lead(self, name: str, rate: float) -> Lead:
        """The first lead of a record at `rate`.

        Raises
        ------
        DataError
            The record cannot be read, or is flat.
        """
        record = Resample(rate)(FillMissing()(self.record(name)))
        signal = record.signal[:, 0].astype(np.float32)
        spread = float(signal.std())
        if not np.isfinite(spread) or spread == 0.0:
            raise DataError(f"record {name}: its first lead is flat", "leave it out")
        beats, symbols, rhythms = _annotated(record)
        return Lead((signal - signal.mean()) / np.float32(spread), beats, symbols, rhythms)


def _annotated(record: Record) -> tuple[np.ndarray, tuple[str, ...], tuple[tuple[int, int, str], ...]]:
    from ecgdeploy.ecg.aami import is_beat

    if record.annotations is None:
        return np.zeros(0, np.int64), (), ()
    found = record.annotations
    where = [i for i, symbol in enumerate(found.symbols) if is_beat(symbol)]
    changes = [(int(found.samples[i]), note) for i, note in enumerate(found.notes) if note.startswith(("(", ")"))]
    ends = [place for place, _ in changes[1:]] + [record.samples]
    rhythms = tuple(
        (start, end, note.strip("\x00 ")) for (start, note), end in zip(changes, ends, strict=True) if note[0] == "("
    )
    return found.samples[where], tuple(found.symbols[i] for i in where), rhythms


def find(data: Path | str | None = None) -> Upstream:
    """Icentia11k, else MIT-BIH, else (with `data`) the WFDB records of that folder.

    Raises
    ------
    DataError
        None of them is here.
    """
    for folder, marks, make in (
        (icentia11k.FOLDER, "**/p*_s*.hea", _icentia),
        (mitbih.FOLDER, "[12][0-3][0-9].hea", _mitbih),
    ):
        try:
            place = locate.find(folder, marks, data)
        except DataError:
            continue
        if place is not None:
            return make(place)
    if data is not None:
        return wfdb_folder(Path(data))
    raise DataError("no recordings to pre-train on", "set ECGDEPLOY_DATA, or: ecgdeploy data fetch mitdb")


def _icentia(folder: Path) -> Upstream:
    reader = icentia11k.Icentia11k(folder)
    return Upstream(icentia11k.NAME, reader.names(), reader.record, lambda name: name.partition("_")[0])


def _mitbih(folder: Path) -> Upstream:
    reader = mitbih.MitBih(folder)
    return Upstream(mitbih.NAME, reader.names(), reader.record, mitbih.patient)


def wfdb_folder(folder: Path) -> Upstream:
    """Every WFDB record under `folder`; annotations from the ``.atr`` beside it where there is one.

    Raises
    ------
    DataError
        No header here.
    """
    paths = {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.hea"))}
    if not paths:
        raise DataError(f"{folder}: no WFDB record (*.hea)", "give a folder of recordings")

    def read(name: str) -> Record:
        path = paths[name]
        signals = read_signals(path, sums_absent=True, stale_initial=True)
        beside = path.with_suffix(".atr")
        notes = read_annotations(beside, len(signals.millivolts)) if beside.is_file() else None
        return Record(
            name, signals.millivolts, signals.leads, read_header(path).rate, name, str(folder.name), "unknown",
            annotations=notes,
        )

    return Upstream(f"WFDB records of {folder.name}", tuple(paths), read, lambda name: name)
