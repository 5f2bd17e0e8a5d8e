"""Windows that are cut already: rows of a CSV table, or NumPy arrays ``x``, ``y`` and ``record``."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.ecg.own.adapters import MILLIVOLTS, OWN
from ecgdeploy.ecg.own.csv_files import numbers
from ecgdeploy.ecg.own.labels import delimiter
from ecgdeploy.ecg.own.schema import DataPart, TaskPart
from ecgdeploy.ecg.record import Record, canonical_lead
from ecgdeploy.errors import DataError, UsageError
from ecgdeploy.provenance import sha256_bytes

_RECORD_HINT = "without it, windows of one recording could both train and test"


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows in memory, each with its record.

    Attributes
    ----------
    x : float32 [n, samples, leads]
        In mV.
    y : tuple of n tuples of str
        The labels of each.
    record, person : n str
    """

    source: str
    synthetic: bool
    x: np.ndarray
    y: tuple[tuple[str, ...], ...]
    record: tuple[str, ...]
    person: tuple[str, ...] | None
    leads: tuple[str, ...]
    rate: float

    @cached_property
    def _rows(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for i, name in enumerate(self.record):
            rows.setdefault(name, []).append(i)
        return rows

    def names(self) -> tuple[str, ...]:
        """Names of the records, in the order of their first windows."""
        return tuple(self._rows)

    def labels(self, name: str) -> tuple[str, ...]:
        """Labels of the record's windows."""
        return tuple(label for i in self._rows[name] for label in self.y[i])

    def patient(self, name: str) -> str | None:
        """The person of the record's windows."""
        if self.person is None:
            return None
        persons = {self.person[i] for i in self._rows[name]}
        if len(persons) > 1:
            raise DataError(f"record {name} is of {len(persons)} persons", "one person a record")
        return persons.pop()

    def part(self, name: str) -> str | None:  # noqa: ARG002 - arrays do not say
        """None: the project file splits."""
        return None

    def signal_sha256(self, name: str) -> str:
        """Hash of the record's windows."""
        return sha256_bytes(np.ascontiguousarray(self.x[self._rows[name]]).tobytes())

    def pieces(self, name: str) -> Iterator[Record]:
        """The record's windows, one after the other."""
        for i in self._rows[name]:
            yield Record(
                name=name,
                signal=self.x[i],
                leads=self.leads,
                rate=self.rate,
                patient=self.patient(name) or name,
                source=self.source,
                licence="",
                statements=self.y[i],
                synthetic=self.synthetic,
            )


def _windows(
    data: DataPart,
    task: TaskPart,
    x: np.ndarray,
    y: Sequence[tuple[str, ...]],
    record: Sequence[str],
    person: Sequence[str] | None,
    where: str,
) -> Windows:
    if task.kind == "beats":
        raise UsageError(f"source {data.source} gives windows, kind is \"beats\"", "set kind = \"windows\"")
    leads = tuple(map(canonical_lead, data.leads or task.leads))
    if x.shape[2] != len(leads):
        raise DataError(f"{where}: windows of {x.shape[2]} leads, {len(leads)} named", "name them in data.leads")
    return Windows(
        source=data.name or f"{OWN} ({data.source})",
        synthetic=data.synthetic,
        x=(x * np.float32(MILLIVOLTS[data.unit])).astype(np.float32, copy=False),
        y=tuple(y),
        record=tuple(record),
        person=None if person is None else tuple(person),
        leads=leads,
        rate=data.rate or task.rate,
    )


def read_rows(data: DataPart, task: TaskPart, folder: Path) -> Windows:
    """A table with one window a row, of one lead: columns of record and label, all others are samples."""
    if data.file is None:
        raise UsageError("[data] has no file", "source csv-rows: file = the table's name")
    path = folder / data.file
    if not path.is_file():
        raise DataError(f"no file {path}", "check data.folder and data.file")
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.reader(handle, delimiter=delimiter(handle))
            rows = [(reader.line_num, row) for row in reader if row]
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise DataError(f"{path.name}: not a table: {' '.join(str(error).split())[:80]}", "save it as CSV") from None
    names = [cell.strip() for cell in rows[0][1]] if rows and data.header else None
    if names is not None:
        rows = rows[1:]
    if not rows:
        raise DataError(f"{path.name}: no windows", "one row a window")
    width = len(names or rows[0][1])
    places = [_place(key, names, width, path) for key in (data.record, data.label, data.patient) if key is not None]
    samples = [place for place in range(width) if place not in places]
    values = []
    for line, row in rows:
        if len(row) != width:
            raise DataError(f"{path.name}, line {line}: {len(row)} cells, the first row has {width}", "one a column")
        values.append(numbers(row, samples, f"{path.name}, line {line}"))
    cells = [[row[place].strip() for place in places] for _, row in rows]
    return _windows(
        data,
        task,
        np.array(values, np.float32)[:, :, None],
        [(label_text(row[1]),) for row in cells],
        [row[0] for row in cells],
        [row[2] for row in cells] if data.patient is not None else None,
        path.name,
    )


def _place(key: str | int, names: list[str] | None, width: int, path: Path) -> int:
    if isinstance(key, int):
        if not -width <= key < width:
            raise DataError(f"{path.name}: no column number {key} of {width}", "count from 0, or from the end with -1")
        return key % width
    if names is None:
        raise UsageError(f"column '{key}' of {path.name}, which has no header", "give its number, e.g. label = -1")
    if key not in names:
        shown = ", ".join(names[:4] + ["..."] * (len(names) > 4))
        hint = _RECORD_HINT if key == "record" else f"name it in [data]: label = \"{names[-1]}\""
        raise DataError(f"{path.name}: no column '{key}' (it has {shown})", hint)
    return names.index(key)


def read_arrays(data: DataPart, task: TaskPart, folder: Path) -> Windows:
    """Arrays of an ``.npz`` file, or ``.npy`` files: x [n, samples(, leads)], y [n] or [n, classes], record [n]."""
    stored: Any = None
    if data.file is not None:
        stored = _load(folder / data.file)
        if not isinstance(stored, np.lib.npyio.NpzFile):
            raise DataError(f"{data.file} is one array", "source numpy: an .npz file, or x, y and record as .npy files")

    def array(key: str | int, what: str, hint: str) -> np.ndarray:
        name = str(key)
        if name.endswith(".npy"):
            found = _load(folder / name)
            if not isinstance(found, np.ndarray):
                raise DataError(f"{name} is no array", "save it with numpy.save")
            return found
        if stored is None:
            raise UsageError(f"[data] has no file for {what}", f"file = \"NAME.npz\", or {what} = \"{what}.npy\"")
        if name not in stored.files:
            raise DataError(f"{data.file}: no array '{name}' (it has {', '.join(stored.files)})", hint)
        try:
            return stored[name]
        except (ValueError, OSError) as error:
            raise DataError(f"{data.file}: array '{name}': {str(error)[:80]}", "save it without objects") from None

    x = array(data.x, "x", "data.x names the windows")
    y = array(data.y, "y", "data.y names the labels")
    record = array(data.record, "record", _RECORD_HINT)
    person = array(data.patient, "patient", "data.patient names it") if data.patient is not None else None
    where = data.file or data.x
    if x.ndim == 2:
        x = x[:, :, None]
    if x.ndim != 3 or not np.issubdtype(x.dtype, np.number) or np.iscomplexobj(x):
        raise DataError(f"{where}: x is {x.dtype} {x.shape}", "windows are numbers [n, samples] or [n, samples, leads]")
    for name, other in (("y", y), ("record", record), ("patient", person)):
        if other is not None and len(other) != len(x):
            raise DataError(f"{where}: {len(x)} windows, {len(other)} of {name}", "one of each a window")
    if y.ndim == 2 and y.shape[1] != len(task.classes):
        raise DataError(f"{where}: y has {y.shape[1]} columns for {len(task.classes)} classes", "one column a class")
    if y.ndim == 2:
        labels = [tuple(np.array(task.classes)[np.asarray(row) != 0].tolist()) for row in y]
    else:
        labels = [(label_text(value),) for value in y.tolist()]
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused as infinite
        single = np.ascontiguousarray(x, np.float32)
    return _windows(
        data, task, single, labels, [label_text(value) for value in record.tolist()],
        None if person is None else [label_text(value) for value in person.tolist()], where,
    )  # fmt: skip


def label_text(value: object) -> str:
    """A label as text: whole numbers without a point."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() and ("." in text or "e" in text.lower()) else text


def _load(path: Path) -> object:
    if not path.is_file():
        raise DataError(f"no file {path}", "check data.folder and the file's name")
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path.name}: not a NumPy file: {' '.join(str(error).split())[:80]}", "numpy.savez") from None
