"""Adapters: what each kind of source needs to become records with labels.

Each is a class with the same few methods (`Adapter`); `open_adapter` chooses. A *piece* is a stretch of signal: a whole
recording, or (tables and arrays of windows) one window of a record.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from ecgdeploy.ecg.own.schema import DataPart, LabelFile, TaskPart
from ecgdeploy.ecg.record import Record
from ecgdeploy.errors import DataError

OWN = "own recordings"
MILLIVOLTS = {"mV": 1.0, "uV": 1e-3, "V": 1e3, "none": 1.0}


class Adapter(Protocol):
    """Records of one source.

    Attributes
    ----------
    source : str
        Named in reports.
    synthetic : bool
    """

    @property
    def source(self) -> str: ...

    @property
    def synthetic(self) -> bool: ...

    def names(self) -> tuple[str, ...]:
        """Names of the records."""
        ...

    def labels(self, name: str) -> tuple[str, ...]:
        """The data's labels of a record, or of its beats or windows, one each; read without the signals."""
        ...

    def patient(self, name: str) -> str | None:
        """Who a record is of; None where nothing says so."""
        ...

    def part(self, name: str) -> str | None:
        """Part of the split that the data put a record into; None where it does not."""
        ...

    def signal_sha256(self, name: str) -> str:
        """Hash of the samples: equal for copies under another name."""
        ...

    def pieces(self, name: str) -> Iterator[Record]:
        """The record's signal: whole, with annotations or statements, or window by window."""
        ...


def open_adapter(data: DataPart, task: TaskPart, folder: Path, beside: Path) -> Adapter:
    """The adapter of a ``[data]`` table.

    Parameters
    ----------
    folder : Path
        Where the recordings are.
    beside : Path
        The project file's folder, where a Python adapter is looked for.

    Raises
    ------
    UsageError, DataError
        A key that this source needs is missing; a file is missing or damaged.
    """
    if not folder.is_dir():
        raise DataError(f"no folder {folder}", "put the recordings there, or set data.folder")
    if data.labels is not None and not (folder / data.labels.file).is_file() and (beside / data.labels.file).is_file():
        # a table of one's own beside the project file, for recordings that are not to be touched
        labels = data.labels.model_copy(update={"file": str((beside / data.labels.file).resolve())})
        data = data.model_copy(update={"labels": labels})
    if data.source == "wfdb":
        from ecgdeploy.ecg.own.wfdb_folder import WfdbFolder

        return WfdbFolder.open(data, task, folder)
    if data.source == "csv":
        from ecgdeploy.ecg.own.csv_files import CsvFiles

        return CsvFiles.open(data, task, folder)
    if data.source == "csv-rows":
        from ecgdeploy.ecg.own.arrays import read_rows

        return read_rows(data, task, folder)
    if data.source == "numpy":
        from ecgdeploy.ecg.own.arrays import read_arrays

        return read_arrays(data, task, folder)
    from ecgdeploy.ecg.own.python_file import read_python

    return read_python(data, task, folder, beside / data.adapter)


def chosen(names: Sequence[str], data: DataPart, folder: Path) -> tuple[str, ...]:
    """The names that ``data.records`` asks for; a record goes by its path in the folder or its last part."""
    if not names:
        raise DataError(f"{folder}: no recordings of source {data.source}", "check data.folder and data.source")
    if isinstance(data.records, str):
        kept = tuple(n for n in names if fnmatch.fnmatch(n, data.records) or fnmatch.fnmatch(last(n), data.records))
        if not kept:
            raise DataError(f"{folder}: no record is called {data.records}", f"the first is {names[0]}")
        return kept
    full = match(names)
    for name in data.records:
        if name not in full:
            raise DataError(f"{folder}: no record {name}", "data.records lists it")
    return tuple(dict.fromkeys(full[name] for name in data.records))


def last(name: str) -> str:
    """The last part of a record's path."""
    return name.rpartition("/")[2]


def match(names: Sequence[str]) -> dict[str, str]:
    """Every way to call a record (its path, and its last part where that is one record's) -> its name."""
    ends: dict[str, list[str]] = {}
    for name in names:
        ends.setdefault(last(name), []).append(name)
    return {end: found[0] for end, found in ends.items() if len(found) == 1} | {name: name for name in names}


def by_record(found: dict, names: Sequence[str], described: LabelFile, folder: Path) -> dict:
    """Entries of a label table by the records' own names; every record must have one.

    Raises
    ------
    DataError
        A record without a line; a line without a record.
    """
    places = match(names)
    entries = {}
    for name, entry in found.items():
        known = places.get(name) or places.get(name.removesuffix(".csv").removesuffix(".hea"))
        if known is not None:
            if known in entries:
                raise DataError(f"{described.file}: record {known} is there twice", "one line a record")
            entries[known] = entry
    absent = [name for name in names if name not in entries]
    if absent and not described.sample:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise DataError(
            f"{described.file}: no line for record {absent[0]}{more} of {folder.name}",
            "add it, or leave the record out of data.records",
        )
    return entries
