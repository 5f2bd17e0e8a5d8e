"""Chapman-Shaoxing: 10,646 twelve-lead records of 10 s at 500 Hz, eleven rhythms in four groups.

Zheng J, Zhang J, Danioko S, et al. A 12-lead electrocardiogram database for arrhythmia research covering more than
10,000 patients. Scientific Data 7:48 (2020). Two published layouts are read: the first one (``Diagnostics.xlsx`` or
``.csv`` beside a folder of ``.csv`` signals in microvolts) and the WFDB one (PhysioNet, and the Challenge of 2021),
where the rhythm is a SNOMED CT code of the header's ``Dx``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ecgdeploy.ecg.record import STANDARD_LEADS, Record, canonical_lead
from ecgdeploy.ecg.sources.base import Source
from ecgdeploy.ecg.sources.cinc2020 import dx_codes, read_dx_record
from ecgdeploy.ecg.sources.tables import age, read_table
from ecgdeploy.ecg.sources.xlsx import read_sheet
from ecgdeploy.ecg.wfdb_header import read_header
from ecgdeploy.errors import DataError
from ecgdeploy.provenance import sha256_file

NAME = "Chapman-Shaoxing"
LICENCE = "CC BY 4.0"
FOLDER = "chapman"
RATE = 500.0
# Zheng et al. 2020, table 3: the rhythms of each group, by the paper's abbreviation and by SNOMED CT code
GROUPS: dict[str, dict[str, str]] = {
    "AFIB": {"AFIB": "164889003", "AF": "164890007"},  # AF is atrial flutter there
    "GSVT": {
        "SVT": "426761007",
        "AT": "713422000",
        "SAAWR": "195101003",
        "ST": "427084000",
        "AVNRT": "233896004",
        "AVRT": "233897008",
    },
    "SB": {"SB": "426177001"},
    "SR": {"SR": "426783006", "SA": "427393009", "SI": "427393009"},
}
# in version 1.0.0 on PhysioNet these headers lost a line break, so that a signal is missing from them
DAMAGED = ("JS01052", "JS23074")
_GROUP_OF = {key: group for group, rhythms in GROUPS.items() for pair in rhythms.items() for key in pair}
_HINT = "copy the file again from its source"


def group_of(statements: tuple[str, ...]) -> str | None:
    """The rhythm group of a record's statements; None when none or more than one group is named."""
    groups = {_GROUP_OF[code] for code in statements if code in _GROUP_OF}
    return groups.pop() if len(groups) == 1 else None


@dataclass(frozen=True)
class Chapman(Source):
    """The database in a folder, in either layout."""

    kind = "Chapman-Shaoxing record"

    folder: Path

    @cached_property
    def table(self) -> dict[str, dict[str, str]]:
        """Rows of ``Diagnostics`` by record; empty in the WFDB layout."""
        columns = ("FileName", "Rhythm", "PatientAge", "Gender")
        for path in sorted(self.folder.glob("Diagnostics*")):
            if path.suffix == ".xlsx":
                return {row["FileName"]: row for row in read_sheet(path, columns)}
            if path.suffix == ".csv":
                return {row["FileName"]: row for row in read_table(path, columns)}
        return {}

    @cached_property
    def paths(self) -> dict[str, Path]:
        """Signal or header file of each record that is here."""
        if self.table:
            found = {path.stem: path for path in sorted(self.folder.glob("ECGData*/*.csv"))}
            return {name: path for name, path in found.items() if name in self.table}
        found = {path.stem: path for path in sorted(self.folder.rglob("JS*.hea"))}
        return {name: path for name, path in found.items() if name not in DAMAGED}

    @property
    def known(self) -> dict[str, Path]:
        return self.paths

    def statements(self, name: str) -> tuple[str, ...]:
        """The rhythm (first layout) or the SNOMED CT codes (WFDB layout) of a record, without its signal."""
        path = self.paths[name]
        if path.suffix == ".hea":
            return dx_codes(read_header(path))
        return (self.table[name]["Rhythm"].strip().upper(),)

    def file_sha256(self, name: str) -> str:
        """Hash of the record's file (of its header, in the WFDB layout)."""
        return sha256_file(self.paths[name])

    def _read(self, name: str) -> Record:
        """A record's statements are the rhythm (first layout) or all SNOMED CT codes (WFDB layout)."""
        path = self.paths[name]
        if path.suffix == ".hea":
            return read_dx_record(path, f"chapman-{name}", NAME, LICENCE)
        row = self.table[name]
        leads, signal = _read_csv(path)
        return Record(
            name=name,
            signal=signal,
            leads=leads,
            rate=RATE,
            patient=f"chapman-{name}",
            source=NAME,
            licence=LICENCE,
            statements=self.statements(name),
            age=age(row["PatientAge"]),
            sex={"MALE": "male", "FEMALE": "female"}.get(row["Gender"].strip().upper()),
        )


def _read_csv(path: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """Leads and signal (microvolts in the file) of a ``.csv`` with one column a lead, with or without their names."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        first = lines[0].split(",") if lines else []
        named = any(cell.strip().upper() in ("I", "II", "V1") for cell in first)
        values = np.loadtxt(lines[1:] if named else lines, delimiter=",", dtype=np.float64, ndmin=2)
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name}: not a table of numbers: {str(error)[:80]}", _HINT) from None
    leads = tuple(canonical_lead(cell) for cell in first) if named else STANDARD_LEADS
    if values.size == 0 or values.shape[1] != len(leads) or len(leads) != len(STANDARD_LEADS):
        raise DataError(f"{path.name}: {values.shape[1]} columns, not 12 leads", _HINT)
    return leads, (values / 1000.0).astype(np.float32)
