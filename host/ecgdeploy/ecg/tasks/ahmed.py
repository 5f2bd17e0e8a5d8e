"""The training data of Ahmed 2025: CinC 2020 and SPH merged, in the classes that both vocabularies have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ecgdeploy.ecg import locate, stratify
from ecgdeploy.ecg.record import Record
from ecgdeploy.ecg.sources import cinc2020, sph
from ecgdeploy.ecg.sources.sph import Sph
from ecgdeploy.ecg.splits import Split
from ecgdeploy.ecg.tasks.catalog import SEED, twelve_leads_250
from ecgdeploy.ecg.tasks.records import RecordTask
from ecgdeploy.ecg.tasks.synthetic import synthetic_task
from ecgdeploy.errors import DataError
from ecgdeploy.provenance import sha256_file, sha256_json

NAME = "cinc2020-sph"
#: the thesis' first split: these test, the other sources train and validate
HELD_OUT = ("cpsc_2018", "cpsc_2018_extra")
#: class of CinC 2020 -> primary statements of the AHA (Mason JW et al. Circulation 115:1325, 2007), which SPH uses
AHA = {
    "AF": ("50",), "AFL": ("51",), "STach": ("21",), "SB": ("22",), "SA": ("23",), "NSR": ("1", "20"),
    "PAC|SVPB": ("30", "31"), "PVC|VPB": ("60",), "LPR": ("82",), "LAnFB": ("101",), "LBBB": ("104",),
    "IRBBB": ("105",), "CRBBB|RBBB": ("106",), "RAD": ("120",), "LAD": ("121",), "LQRSV": ("125",), "TAb": ("147",),
    "LQT": ("148",),
}  # fmt: skip
CLASSES = tuple(AHA)


@dataclass(frozen=True)
class Merged:
    """Records of both data sets; the statements of each are the classes' names."""

    cinc: cinc2020.Cinc2020
    sph: Sph | None

    def names(self) -> tuple[str, ...]:
        """Names of all records."""
        return (*self.cinc.names(), *(self.sph.names() if self.sph else ()))

    def record(self, name: str) -> Record:
        """Read one record."""
        record = self.cinc.record(name) if name in self.cinc.paths else self._sph().record(name)
        return replace(record, statements=self.statements(name))

    def statements(self, name: str) -> tuple[str, ...]:
        """Classes of a record."""
        if name in self.cinc.paths:
            codes, table = self.cinc.statements(name), cinc2020.SCORED_2020
        else:
            row = self._sph().rows[name]["AHA_Code"]
            codes, table = sph.primary_codes(tuple(part.strip() for part in row.split(";"))), AHA
        return tuple(label for label in CLASSES if set(table[label]) & set(codes))

    def patient(self, name: str) -> str:
        """Who a record is of."""
        return self.cinc.patient(name) if name in self.cinc.paths else f"sph-{self._sph().rows[name]['Patient_ID']}"

    def file_sha256(self, name: str) -> str:
        """Hash of the file that stands for the record."""
        if name in self.cinc.paths:
            return self.cinc.file_sha256(name)
        return sha256_file(self._sph().folder / "records" / f"{name}.h5")

    def _sph(self) -> Sph:
        assert self.sph is not None
        return self.sph


def load_cinc2020_sph(data: Path | str | None = None) -> RecordTask:
    """``cinc2020-sph``: 18 classes, band-pass, 250 Hz, 10 s; CPSC and CPSC-Extra test, the rest trains and validates.

    The thesis counts 17 classes and does not name them; these are the ones that both vocabularies have. Without SPH's
    folder the task is CinC 2020 alone, and says so.
    """
    folder = locate.find(cinc2020.FOLDER, ("training", *cinc2020.SUBSETS), data)
    if folder is None:
        return synthetic_task(NAME, CLASSES, twelve_leads_250(), 250.0, (2500, 12))
    place = locate.find(sph.FOLDER, sph.TABLE, data) if _beside(data) else None
    reader = Merged(cinc2020.Cinc2020(folder, cinc2020.SUBSETS_2020), Sph(place) if place else None)
    every = {name: reader.statements(name) for name in reader.names()}
    names = tuple(name for name, found in every.items() if found)
    test = tuple(name for name in names if name in reader.cinc.paths and reader.cinc.subset(name) in HELD_OUT)
    rest = tuple(name for name in names if name not in set(test))
    if not test or not rest:
        raise DataError(f"{folder}: no record to hold out of {' and '.join(HELD_OUT)}", "copy CPSC's records there")
    patients = {name: reader.patient(name) for name in names}
    labels = np.array([[label in every[name] for label in CLASSES] for name in rest], np.uint8)
    part = stratify.stratify(labels, [patients[name] for name in rest], (0.9, 0.1), SEED)
    train, validation = (tuple(np.array(rest)[part == i].tolist()) for i in range(2))
    merged = "CinC 2020 and SPH" if reader.sph else "CinC 2020 (SPH is not here)"

    def targets_of(statements: tuple[str, ...]) -> Iterable[int]:
        return [CLASSES.index(statement) for statement in statements]

    return RecordTask(
        name=NAME,
        source=f"{merged} ({len(names):,} records, CPSC held out)",
        reader=reader,
        split=Split("CinC 2020 and SPH without CPSC", train, validation, test, patients),
        classes=CLASSES,
        targets_of=targets_of,
        multilabel=True,
        pipeline=twelve_leads_250(),
        rate=250.0,
        input_shape=(2500, 12),
        data_sha256=sha256_json({name: [reader.file_sha256(name), list(every[name])] for name in names}),
    )


def _beside(data: Path | str | None) -> bool:
    return data is None or (Path(data) / sph.FOLDER).is_dir()
