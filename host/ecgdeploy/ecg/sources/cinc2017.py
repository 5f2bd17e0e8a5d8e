"""PhysioNet/CinC Challenge 2017: 8,528 single-lead recordings of 9 to 61 s at 300 Hz, rhythm N, A, O or ~ (noisy).

Clifford GD, Liu C, Moody B, et al. AF classification from a short single lead ECG recording: the PhysioNet/Computing in
Cardiology Challenge 2017. Computing in Cardiology 44 (2017). Its headers write 0 for "no checksum", and the initial
value of 565 of them is not that of the signal; both are remarks of the record, not errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ecgdeploy.ecg.record import Record
from ecgdeploy.ecg.sources.base import Source
from ecgdeploy.ecg.sources.tables import read_pairs
from ecgdeploy.ecg.wfdb_signal import expect, read_signals
from ecgdeploy.errors import DataError

NAME = "PhysioNet/CinC Challenge 2017 1.0.0"
LICENCE = "ODC-By 1.0"
FOLDER = "cinc2017"
CLASSES = ("N", "A", "O", "~")
RATE = 300.0
LABELS = "REFERENCE-v3.csv"  # the final labels; the original ones differ in 412 records
# the same bytes under two names: a split must keep each pair on one side
DUPLICATES = {"A01176": "A00227", "A03123": "A02656"}


def patient(record: str) -> str:
    """The data set names no persons: every recording is its own, but a duplicate is its original's."""
    return f"cinc2017-{DUPLICATES.get(record, record)}"


@dataclass(frozen=True)
class Cinc2017(Source):
    """The training set in a folder.

    Its waveforms are in ``training2017/`` (as unpacked from the archive), in ``training/A00/`` ... (as PhysioNet serves
    single files), or in the folder itself.
    """

    kind = "CinC 2017 record"

    folder: Path

    @property
    def waveforms(self) -> Path:
        """The folder that holds the ``.hea`` and ``.mat`` files, directly or one level down."""
        inner = (self.folder / "training2017", self.folder / "training")
        return next((place for place in inner if place.is_dir()), self.folder)

    @cached_property
    def paths(self) -> dict[str, Path]:
        """Header of every record that is here."""
        found = (*self.waveforms.glob("A*.hea"), *self.waveforms.glob("A??/A*.hea"))
        return {path.stem: path for path in sorted(found)}

    @cached_property
    def labels(self) -> dict[str, str]:
        """The class of every record of the table, whether its waveform is here or not.

        Raises
        ------
        DataError
            ``REFERENCE-v3.csv`` is missing or has a line that is no label.
        """
        places = [self.folder / LABELS, self.waveforms / LABELS, self.folder.parent / LABELS]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise DataError(f"{LABELS}: missing from {self.folder}", "copy it from the Challenge's page")
        labels = {}
        for number, row in read_pairs(path):
            if len(row) != 2 or row[1] not in CLASSES:
                text = " ".join(",".join(row).split())[:40]
                raise DataError(f"{LABELS}: line {number} is no label: {text}", "copy it again")
            labels[row[0]] = row[1]
        return labels

    @property
    def known(self) -> dict[str, str]:
        return self.labels

    def names(self) -> tuple[str, ...]:
        """Names of the labelled records whose header is here."""
        return tuple(name for name in self.labels if name in self.paths)

    def _read(self, name: str) -> Record:
        path = self.paths.get(name, self.waveforms / f"{name}.hea")
        signals = read_signals(path, sums_absent=True, stale_initial=True)
        expect(signals, (RATE,), gain=1000.0, baseline=0, leads=("ECG",), sums=False)
        return Record(
            name=name,
            signal=signals.millivolts,
            leads=signals.leads,
            rate=signals.header.rate,
            patient=patient(name),
            source=NAME,
            licence=LICENCE,
            statements=(self.labels[name],),
            remarks=signals.remarks,
        )
