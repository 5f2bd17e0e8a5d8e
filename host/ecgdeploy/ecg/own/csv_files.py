"""One CSV file a record: a column a lead, a row a sample, and a table of labels beside them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgdeploy.ecg.own.adapters import MILLIVOLTS, OWN, by_record, chosen
from ecgdeploy.ecg.own.labels import Labelled, delimiter, read_labels
from ecgdeploy.ecg.own.schema import DataPart, TaskPart
from ecgdeploy.ecg.record import Annotations, Record, canonical_lead
from ecgdeploy.errors import DataError, UsageError
from ecgdeploy.provenance import sha256_file


@dataclass(frozen=True, eq=False)
class CsvFiles:
    """CSV recordings of a folder."""

    folder: Path
    data: DataPart
    rate: float
    found: tuple[str, ...]
    table: dict[str, Labelled]

    @classmethod
    def open(cls, data: DataPart, task: TaskPart, folder: Path) -> CsvFiles:
        """Find the files, and read the labels' table."""
        if data.labels is None:
            raise UsageError("[data] has no labels", "add labels = {file = \"labels.csv\"}")
        if (data.labels.sample is None) == (task.kind == "beats"):
            raise UsageError(
                f"labels.sample and kind = \"{task.kind}\" do not fit",
                "beats need the column with each beat's sample; records and windows have none",
            )
        if data.rate is None:
            raise UsageError("[data] has no rate", "CSV files do not say it: rate = samples a second")
        labels = folder / data.labels.file
        files = sorted(path for path in folder.rglob("*.csv") if path != labels)
        names = chosen([path.relative_to(folder).with_suffix("").as_posix() for path in files], data, folder)
        table = by_record(read_labels(labels, data.labels), names, data.labels, folder)
        return cls(folder, data, data.rate, names, table)

    @property
    def source(self) -> str:
        """The data set's name."""
        return self.data.name or f"{OWN} (CSV)"

    @property
    def synthetic(self) -> bool:
        """As the project file says."""
        return self.data.synthetic

    def names(self) -> tuple[str, ...]:
        """Names of the records: the files', without their ending."""
        return self.found

    def labels(self, name: str) -> tuple[str, ...]:
        """The table's labels."""
        return tuple(self._entry(name).labels)

    def patient(self, name: str) -> str | None:
        """The table's person."""
        return self._entry(name).patient

    def part(self, name: str) -> str | None:
        """The table's part."""
        return self._entry(name).part

    def signal_sha256(self, name: str) -> str:
        """Hash of the file."""
        return sha256_file(self._path(name))

    def pieces(self, name: str) -> Iterator[Record]:
        """The record, whole."""
        path, entry = self._path(name), self._entry(name)
        columns, values = read_signal(path, self.data.columns)
        if self.data.leads and len(self.data.leads) != len(columns):
            raise DataError(
                f"{path.name}: {len(columns)} columns ({', '.join(columns)}) for {len(self.data.leads)} data.leads",
                "name each column that is a lead in data.columns",
            )
        beats = self.data.labels is not None and self.data.labels.sample is not None
        yield Record(
            name=name,
            signal=(values * MILLIVOLTS[self.data.unit]).astype(np.float32),
            leads=tuple(map(canonical_lead, self.data.leads or columns)),
            rate=self.rate,
            patient=entry.patient or name,
            source=self.source,
            licence="",
            annotations=Annotations.at(entry.samples, entry.labels) if beats else None,
            statements=() if beats else tuple(entry.labels),
            synthetic=self.synthetic,
        )

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.csv"

    def _entry(self, name: str) -> Labelled:
        return self.table.get(name, Labelled())


def read_signal(path: Path, columns: tuple[str, ...]) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and samples, float64 [samples, columns], of a CSV recording; an empty cell is NaN.

    Raises
    ------
    DataError
        A column is missing, a cell is no number, a row is too short, there is no row.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            rows = csv.reader(handle, delimiter=delimiter(handle))
            names = [name.strip() for name in next(rows, [])]
            wanted = columns or tuple(names)
            for column in wanted:
                if column not in names:
                    raise DataError(f"{path.name}: no column '{column}'", f"it has {', '.join(names) or 'none'}")
            places = [names.index(column) for column in wanted]
            values = [numbers(row, places, f"{path.name}, line {rows.line_num}") for row in rows if row]
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise DataError(f"{path.name}: not a table: {' '.join(str(error).split())[:80]}", "save it as CSV") from None
    if not values:
        raise DataError(f"{path.name}: no samples", "the first row names the columns, each other one is a sample")
    return wanted, np.array(values, np.float64)


def numbers(row: list[str], places: list[int], where: str) -> list[float]:
    """The cells of a row as numbers; an empty one is NaN."""
    try:
        return [float(row[place]) if row[place].strip() else float("nan") for place in places]
    except IndexError:
        raise DataError(f"{where}: {len(row)} cells, too few", "one cell a column") from None
    except ValueError:
        bad = next(row[place] for place in places if not _is_number(row[place]))
        comma = _is_number(bad.replace(",", "."))
        hint = "write decimals with a point" if comma else "data.columns names those that are leads"
        raise DataError(f"{where}: '{bad[:40]}' is no number", hint) from None


def _is_number(cell: str) -> bool:
    try:
        return bool(not cell.strip() or float(cell) is not None)
    except ValueError:
        return False
