"""PTB-XL: 21,799 twelve-lead records of 10 s, at 100 and at 500 Hz, with SCP-ECG statements and ten patient-wise folds.

Wagner P, Strodthoff N, Bousseljot R-D, et al. PTB-XL, a large publicly available electrocardiography dataset.
Scientific Data 7:154 (2020). Only rows whose waveform is here exist for us: the table of one version (1.0.1 has 21,837
rows) may lie beside the waveforms of another (1.0.3 dropped 38 duplicates), or beside a part of them.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ecgdeploy.ecg.record import STANDARD_LEADS, Record
from ecgdeploy.ecg.sources.base import Source
from ecgdeploy.ecg.sources.tables import read_table
from ecgdeploy.ecg.wfdb_signal import expect, read_signals
from ecgdeploy.errors import DataError, unknown

NAME = "PTB-XL"
LICENCE = "CC BY 4.0"
FOLDER = "ptb-xl"
TABLE = "ptbxl_database.csv"
STATEMENTS = "scp_statements.csv"
SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
GROUPS = ("diagnostic", "form", "rhythm")
# fmt: off
# the statements of scp_statements.csv in its order; a table that differs is refused
STATEMENT_CODES: dict[str, tuple[str, ...]] = {
    "diagnostic": (
        "NDT", "NST_", "DIG", "LNGQT", "NORM", "IMI", "ASMI", "LVH", "LAFB", "ISC_", "IRBBB", "1AVB", "IVCD",
        "ISCAL", "CRBBB", "CLBBB", "ILMI", "LAO/LAE", "AMI", "ALMI", "ISCIN", "INJAS", "LMI", "ISCIL", "LPFB",
        "ISCAS", "INJAL", "ISCLA", "RVH", "ANEUR", "RAO/RAE", "EL", "WPW", "ILBBB", "IPLMI", "ISCAN", "IPMI",
        "SEHYP", "INJIN", "INJLA", "PMI", "3AVB", "INJIL", "2AVB",
    ),
    "form": (
        "NDT", "NST_", "DIG", "LNGQT", "ABQRS", "PVC", "STD_", "VCLVH", "QWAVE", "LOWT", "NT_", "PAC", "LPR",
        "INVT", "LVOLT", "HVOLT", "TAB_", "STE_", "PRC(S)",
    ),
    "rhythm": (
        "SR", "AFIB", "STACH", "SARRH", "SBRAD", "PACE", "SVARR", "BIGU", "AFLT", "SVTAC", "PSVT", "TRIGU",
    ),
}
# fmt: on
TRAIN_FOLDS, VALIDATION_FOLD, TEST_FOLD = (1, 2, 3, 4, 5, 6, 7, 8), 9, 10
# version 1.0.3 stores every age above 89 as 300, for privacy
HIDDEN_AGE = 300


@dataclass(frozen=True)
class Row:
    """One line of ``ptbxl_database.csv``."""

    ecg_id: int
    patient: str
    age: float | None
    sex: str | None
    codes: Mapping[str, float]
    fold: int
    path: str


@dataclass(frozen=True)
class PtbXl(Source):
    """The database in a folder.

    Parameters
    ----------
    folder : Path
        Holds ``ptbxl_database.csv``, ``scp_statements.csv`` and ``records100/`` or ``records500/``.
    rate : int
        100 or 500.
    """

    kind = "PTB-XL record (with its waveform here)"

    folder: Path
    rate: int = 100

    def __post_init__(self) -> None:
        if self.rate not in (100, 500):
            raise DataError(f"PTB-XL at {self.rate} Hz", "it comes at 100 and at 500 Hz; resample it for another rate")

    @cached_property
    def rows(self) -> dict[str, Row]:
        """The rows whose waveform is here, by record name (the ``ecg_id`` in five digits)."""
        waveforms = self._present()
        column = "filename_lr" if self.rate == 100 else "filename_hr"
        rows = {}
        for number, raw in enumerate(read_table(self.folder / TABLE, ("ecg_id", "scp_codes", "strat_fold", column)), 2):
            if raw[column] in waveforms:
                row = _row(number, raw, column)
                rows[f"{row.ecg_id:05d}"] = row
        return rows

    @cached_property
    def statements(self) -> dict[str, dict[str, str]]:
        """``scp_statements.csv``: the statement's code and its columns, in the file's order."""
        rows = read_table(self.folder / STATEMENTS, ("diagnostic", "form", "rhythm", "diagnostic_class"))
        statements = {row[""] if "" in row else next(iter(row.values())): row for row in rows}
        for group, codes in STATEMENT_CODES.items():
            if tuple(code for code, row in statements.items() if _is_one(row[group])) != codes:
                raise DataError(f"{STATEMENTS}: not the published {len(codes)} {group} statements", "copy it again")
        return statements

    @property
    def known(self) -> dict[str, Row]:
        return self.rows

    def _read(self, name: str) -> Record:
        row = self.rows[name]
        signals = read_signals(self.folder / f"{row.path}.hea")
        expect(signals, (float(self.rate),), gain=1000.0, baseline=0, samples=10 * self.rate, leads=STANDARD_LEADS)
        hidden = ("older than 89 years",) if row.age == HIDDEN_AGE else ()
        return Record(
            name=name,
            signal=signals.millivolts,
            leads=signals.leads,
            rate=signals.header.rate,
            patient=row.patient,
            source=NAME,
            licence=LICENCE,
            statements=tuple(row.codes),
            age=None if hidden else row.age,
            sex=row.sex,
            remarks=signals.remarks + hidden,
        )

    def group(self, name: str) -> tuple[str, ...]:
        """Codes of the ``diagnostic`` (44), ``form`` (19) or ``rhythm`` (12) statements, in the file's order."""
        if name not in GROUPS:
            raise unknown("group of statements", name, GROUPS)
        return STATEMENT_CODES[name]

    def superclasses(self, codes: Mapping[str, float]) -> frozenset[str]:
        """The diagnostic superclasses of a record's statements, whatever their likelihood (0 means "not stated")."""
        diagnostic = set(self.group("diagnostic"))
        return frozenset(self.statements[code]["diagnostic_class"] for code in codes if code in diagnostic)

    def _present(self) -> frozenset[str]:
        """Paths (without suffix, as in the table) of the waveforms in the folder."""
        root = self.folder / f"records{self.rate}"
        if not root.is_dir():
            raise DataError(f"{root}: missing", f"PTB-XL at {self.rate} Hz has its waveforms there")
        return frozenset(
            path.relative_to(self.folder).with_suffix("").as_posix()
            for path in root.glob("*/*.hea")
            if not path.name.startswith(".")
        )


def _is_one(text: str | None) -> bool:
    return bool(text) and text in ("1", "1.0")


def _row(number: int, raw: dict[str, str], column: str) -> Row:
    try:
        codes = ast.literal_eval(raw["scp_codes"])
        if not isinstance(codes, dict):
            raise ValueError("scp_codes is no dictionary")
        ecg_id, fold = int(float(raw["ecg_id"])), int(float(raw["strat_fold"]))
        if not 1 <= fold <= 10:
            raise ValueError(f"fold {fold}")
        patient = raw.get("patient_id") or ""
        return Row(
            ecg_id=ecg_id,
            patient=f"ptbxl-{int(float(patient))}" if patient else f"ptbxl-record-{ecg_id}",
            age=float(raw["age"]) if raw.get("age") else None,
            sex={"0": "male", "1": "female"}.get((raw.get("sex") or "").partition(".")[0]),
            codes={str(code): float(likelihood) for code, likelihood in codes.items()},
            fold=fold,
            path=raw[column],
        )
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise DataError(f"{TABLE}: line {number}: {str(error)[:80]}", "copy it again from its source") from None
