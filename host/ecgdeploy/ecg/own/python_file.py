"""The way out: a Python file with a function ``records(folder)`` that gives the recordings."""

from __future__ import annotations

import importlib.util
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.ecg.own.adapters import OWN
from ecgdeploy.ecg.own.schema import DataPart, TaskPart
from ecgdeploy.ecg.record import Annotations, Record, canonical_lead
from ecgdeploy.errors import DataError, EcgDeployError, UsageError, unknown
from ecgdeploy.provenance import sha256_bytes

FUNCTION = "records"
#: keys of a record given as a dict -> whether it must be there
KEYS = {
    "name": True, "signal": True, "leads": True, "rate": True, "labels": False, "beats": False, "patient": False,
    "part": False, "synthetic": False,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Given:
    """Records that a function gave, in memory."""

    source: str
    synthetic: bool
    by_name: dict[str, Record]
    parts: dict[str, str | None]
    patients: dict[str, str | None]

    def names(self) -> tuple[str, ...]:
        """Names of the records."""
        return tuple(self.by_name)

    def labels(self, name: str) -> tuple[str, ...]:
        """Symbols of the beats, or statements."""
        record = self.by_name[name]
        return record.statements or (record.annotations.symbols if record.annotations else ())

    def patient(self, name: str) -> str | None:
        """The record's person."""
        return self.patients[name]

    def part(self, name: str) -> str | None:
        """The record's part, where the function gave one."""
        return self.parts[name]

    def signal_sha256(self, name: str) -> str:
        """Hash of the samples."""
        return sha256_bytes(np.ascontiguousarray(self.by_name[name].signal).tobytes())

    def pieces(self, name: str) -> Iterator[Record]:
        """The record, whole."""
        yield self.by_name[name]


def read_python(data: DataPart, task: TaskPart, folder: Path, path: Path) -> Given:
    """Run the file's ``records(folder)`` and check what it gives."""
    if not path.is_file():
        raise UsageError(f"no adapter {path}", "data.adapter names a Python file beside the project file")
    source = data.name or f"{OWN} ({path.name})"
    by_name: dict[str, Record] = {}
    parts: dict[str, str | None] = {}
    patients: dict[str, str | None] = {}
    for item in _items(path, folder):
        record, part, patient = _record(item, len(by_name), path, source)
        if record.name in by_name:
            raise DataError(f"{path.name} gives record {record.name} twice", "a name is one record's")
        if task.kind == "beats" and record.annotations is None:
            raise DataError(f"{path.name}: record {record.name} has no beats", "kind = \"beats\" needs them")
        if task.kind != "beats" and not record.statements and not task.multilabel:
            raise DataError(f"{path.name}: record {record.name} has no labels", "give labels = [\"...\"]")
        by_name[record.name], parts[record.name], patients[record.name] = record, part, patient
    if not by_name:
        raise DataError(f"{path.name}: {FUNCTION}() gave no record", f"it was called with {folder}")
    synthetic = data.synthetic or any(record.synthetic for record in by_name.values())
    return Given(source, synthetic, by_name, parts, patients)


def _items(path: Path, folder: Path) -> list[Any]:
    spec = importlib.util.spec_from_file_location("ecgdeploy_own_adapter", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        function = getattr(module, FUNCTION, None)
        if not callable(function):
            raise UsageError(f"{path.name} has no function {FUNCTION}(folder)", "docs/howto/own-data.md shows one")
        return list(function(folder))
    except EcgDeployError:
        raise
    except Exception as error:  # whatever a person's own file does, it is one line
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        where = f"line {lines[-1]}: " if lines else ""
        text = f"{where}{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        raise DataError(f"{path.name}: {text}", "mend the adapter") from error


def _record(item: Any, number: int, path: Path, source: str) -> tuple[Record, str | None, str | None]:
    if isinstance(item, Record):
        return item, None, item.patient
    where = f"{path.name}: record {item.get('name', number) if isinstance(item, dict) else number}"
    if not isinstance(item, dict):
        raise DataError(f"{where} is a {type(item).__name__}", "give a dict or an ecgdeploy.ecg.Record")
    for key in item:
        if key not in KEYS:
            error = unknown("key", str(key), KEYS)
            raise DataError(f"{where}: {error.message}", error.hint)
    for key, needed in KEYS.items():
        if needed and key not in item:
            raise DataError(f"{where} has no {key}", "docs/howto/own-data.md lists the keys")
    try:
        signal = np.asarray(item["signal"], np.float32)
        leads = tuple(canonical_lead(str(lead)) for lead in item["leads"])
        beats = item.get("beats")
        record = Record(
            name=str(item["name"]),
            signal=signal[:, None] if signal.ndim == 1 else signal,
            leads=leads,
            rate=float(item["rate"]),
            patient=str(item.get("patient") or item["name"]),
            source=source,
            licence="",
            annotations=None
            if beats is None
            else Annotations.at([int(sample) for sample, _ in beats], [str(symbol) for _, symbol in beats]),
            statements=tuple(str(label) for label in item.get("labels", ())),
            synthetic=bool(item.get("synthetic", False)),
        )
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: {' '.join(str(error).split())[:120]}", "docs/howto/own-data.md shows one") from None
    part = item.get("part")
    if part not in (None, "train", "validation", "test"):
        raise DataError(f"{where}: part '{part}'", "train, validation or test")
    return record, part, str(item["patient"]) if item.get("patient") else None
