"""CPSC 2018: 6,877 twelve-lead records of 6 to 60 s at 500 Hz, nine classes, as published (MATLAB structs).

Liu F, Liu C, Zhao L, et al. An open access database for evaluating the algorithms of electrocardiogram rhythm and
morphology abnormality detection. J Med Imaging Health Inform 8(7):1368-1373 (2018). Each ``A0001.mat`` holds a struct
``ECG`` with ``sex``, ``age`` and ``data`` (12 x samples, mV); ``REFERENCE.csv`` gives up to three labels a record.
The same records as WFDB files, with SNOMED CT codes, are a source of :mod:`ecgdeploy.ecg.sources.cinc2020`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ecgdeploy.ecg.record import STANDARD_LEADS, Record
from ecgdeploy.ecg.sources.base import Source
from ecgdeploy.ecg.sources.matlab import read_struct
from ecgdeploy.ecg.sources.tables import read_table
from ecgdeploy.errors import DataError
from ecgdeploy.provenance import sha256_file

NAME = "CPSC 2018"
LICENCE = "as stated by the Challenge (free for research)"
FOLDER = "cpsc2018"
RATE = 500.0
# the numbers of REFERENCE.csv, from 1
CLASSES = ("Normal", "AF", "I-AVB", "LBBB", "RBBB", "PAC", "PVC", "STD", "STE")
# the same classes in the Challenge's copy of the records
SNOMED_CT = (
    "426783006",
    "164889003",
    "270492004",
    "164909002",
    "59118001",
    "284470004",
    "164884008",
    "429622005",
    "164931005",
)
TABLE = "REFERENCE.csv"
# the longest record has 72,000 samples; a file that claims far more is damaged
MAX_SAMPLES = 500_000
_HINT = "copy the file again from its source"


@dataclass(frozen=True)
class Cpsc2018(Source):
    """The training set in a folder: ``REFERENCE.csv`` and the ``.mat`` files, in it or in folders below it."""

    kind = "CPSC 2018 record"

    folder: Path

    @cached_property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """The one to three classes of each record of ``REFERENCE.csv``."""
        path = next(iter(sorted(self.folder.rglob(TABLE))), self.folder / TABLE)
        labels = {}
        columns = ("Recording", "First_label", "Second_label", "Third_label")
        for number, row in enumerate(read_table(path, columns), 2):
            given = [row[column].strip() for column in columns[1:] if row[column] and row[column].strip()]
            if not given or any(text not in "123456789" or len(text) != 1 for text in given):
                raise DataError(f"{TABLE}: line {number}: labels {given} are not 1 to 9", _HINT)
            labels[row["Recording"]] = tuple(dict.fromkeys(CLASSES[int(text) - 1] for text in given))
        return labels

    @cached_property
    def paths(self) -> dict[str, Path]:
        """Files that are here, by record."""
        return {path.stem: path for path in sorted(self.folder.rglob("*.mat"))}

    @cached_property
    def known(self) -> dict[str, Path]:
        """Labelled records whose file is here."""
        return {name: self.paths[name] for name in self.labels if name in self.paths}

    def statements(self, name: str) -> tuple[str, ...]:
        """The classes of a record."""
        return self.labels[name]

    def file_sha256(self, name: str) -> str:
        """Hash of the record's file."""
        return sha256_file(self.paths[name])

    def _read(self, name: str) -> Record:
        path = self.paths[name]
        fields = read_struct(path, "ECG")
        data = fields.get("data")
        if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[0] != len(STANDARD_LEADS):
            raise DataError(f"{path.name}: ECG.data is not a number matrix of 12 leads", _HINT)
        if not 0 < data.shape[1] <= MAX_SAMPLES:
            raise DataError(f"{path.name}: {data.shape[1]} samples", _HINT)
        with np.errstate(over="ignore"):  # what does not fit is infinite, and refused by the record
            signal = np.ascontiguousarray(data.T, np.float32)
        return Record(
            name=name,
            signal=signal,
            leads=STANDARD_LEADS,
            rate=RATE,
            patient=f"cpsc2018-{name}",
            source=NAME,
            licence=LICENCE,
            statements=self.labels[name],
            age=_number(fields.get("age")),
            sex={"male": "male", "female": "female"}.get(str(fields.get("sex", "")).lower()),
        )


def _number(value: np.ndarray | str | None) -> float | None:
    if not isinstance(value, np.ndarray) or value.size != 1:
        return None
    number = float(value.flat[0])
    return number if 0 <= number < 130 else None
