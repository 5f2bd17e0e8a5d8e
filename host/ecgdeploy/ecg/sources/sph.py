"""SPH: 25,770 twelve-lead records of 10 to 60 s at 500 Hz from Shandong Provincial Hospital, AHA statements, HDF5.

Liu H, Chen D, Chen D, et al. A large-scale multi-label 12-lead electrocardiogram database with standardized diagnostic
statements. Scientific Data 9:272 (2022). ``records/A00001.h5`` holds ``ecg`` (12 x samples, float16, mV);
``metadata.csv`` one row a record; ``AHA_Code`` joins statements with ``;`` and their modifiers with ``+``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ecgdeploy.ecg.record import STANDARD_LEADS, Record
from ecgdeploy.ecg.sources.base import Source
from ecgdeploy.ecg.sources.tables import age, read_table
from ecgdeploy.errors import DataError

NAME = "SPH (Shandong Provincial Hospital)"
LICENCE = "CC BY 4.0"
FOLDER = "sph"
RATE = 500.0
TABLE = "metadata.csv"
_COLUMNS = ("ECG_ID", "AHA_Code", "Patient_ID", "Age", "Sex", "N")
_HINT = "copy the file again from its source"


@dataclass(frozen=True)
class Sph(Source):
    """The database in a folder: ``metadata.csv`` and ``records/``."""

    kind = "SPH record"

    folder: Path

    @cached_property
    def rows(self) -> dict[str, dict[str, str]]:
        """Rows of ``metadata.csv`` whose waveform is here."""
        here = {path.stem for path in (self.folder / "records").glob("*.h5")}
        return {row["ECG_ID"]: row for row in read_table(self.folder / TABLE, _COLUMNS) if row["ECG_ID"] in here}

    @property
    def known(self) -> dict[str, dict[str, str]]:
        return self.rows

    def _read(self, name: str) -> Record:
        """A record's statements are AHA codes with their modifiers, such as ``60+310``."""
        row = self.rows[name]
        signal = _load(self.folder / "records" / f"{name}.h5")
        if row["N"].strip() != str(len(signal)):
            raise DataError(f"{name}.h5: {len(signal)} samples, {TABLE} says {row['N']}", _HINT)
        codes = tuple(part.strip() for part in row["AHA_Code"].split(";") if part.strip())
        for code in codes:
            if not re.fullmatch(r"\d+(\+\d+)*", code):
                raise DataError(f"{TABLE}: record {name}: '{code[:20]}' is no AHA code", _HINT)
        return Record(
            name=name,
            signal=signal,
            leads=STANDARD_LEADS,
            rate=RATE,
            patient=f"sph-{row['Patient_ID']}",
            source=NAME,
            licence=LICENCE,
            statements=codes,
            age=age(row["Age"]),
            sex={"M": "male", "F": "female"}.get(row["Sex"]),
        )


def primary_codes(statements: tuple[str, ...]) -> tuple[str, ...]:
    """The statements without their modifiers: ``60+310`` becomes ``60``."""
    return tuple(dict.fromkeys(statement.partition("+")[0] for statement in statements))


def _load(path: Path) -> np.ndarray:
    """Signal of one file: float32 [samples, 12]."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            stored = file["ecg"]
            shape, kind = stored.shape, stored.dtype.kind
            # the shape is looked at before anything is read: a damaged file may claim terabytes
            if len(shape) == 2 and shape[0] == len(STANDARD_LEADS) and 0 < shape[1] < 10_000_000 and kind in "fiu":
                return np.ascontiguousarray(np.asarray(stored[()]).T, np.float32)
    except Exception as error:  # h5py raises what the damaged bytes happen to provoke
        text = " ".join(str(error).split())[:80]
        raise DataError(f"{path.name}: no HDF5 file with the signal 'ecg': {text}", _HINT) from error
    raise DataError(f"{path.name}: 'ecg' is {shape} of kind '{kind}', not 12 leads of numbers", _HINT)
