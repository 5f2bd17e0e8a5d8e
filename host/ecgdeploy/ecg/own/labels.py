"""Label tables: which class a record is, or a beat; read so that a wrong one ends in one clear line."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from ecgdeploy.ecg.own.schema import LabelFile
from ecgdeploy.errors import DataError, unknown

PARTS = {"train": "train", "validation": "validation", "val": "validation", "valid": "validation", "test": "test"}


@dataclass
class Labelled:
    """What a label table says of one record."""

    labels: list[str] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)
    patient: str | None = None
    part: str | None = None


def read_labels(path: Path, described: LabelFile) -> dict[str, Labelled]:
    """Record name -> what the table says of it.

    Raises
    ------
    DataError
        The file, a column or a cell is missing or wrong; a record is there twice without beats, in two parts or of two
        persons.
    """
    columns = [described.record, described.label]
    columns += [name for name in (described.sample, described.patient, described.part) if name]
    found: dict[str, Labelled] = {}
    for line, row in table(path, columns):
        name = row[described.record].strip()
        if not name:
            raise DataError(f"{path.name}, line {line}: no record's name", f"column {described.record} names it")
        entry = found.setdefault(name, Labelled())
        where = f"{path.name}, line {line}: record {name}"
        if described.sample:
            try:
                entry.samples.append(int(row[described.sample]))
            except ValueError:
                text = row[described.sample]
                raise DataError(f"{where}: sample '{text}' is no whole number", "count samples") from None
            entry.labels.append(row[described.label].strip())
        elif entry.labels:
            raise DataError(f"{where} is there twice", "one line a record; several labels need a separator")
        else:
            cell = row[described.label]
            parts = cell.split(described.separator) if described.separator else [cell]
            entry.labels.extend(part.strip() for part in parts if part.strip())
        if described.patient:
            entry.patient = _same(entry.patient, row[described.patient].strip(), f"{where}: person")
        if described.part:
            text = row[described.part].strip().lower()
            if text not in PARTS:
                raise DataError(f"{where}: {unknown('part', text, PARTS).message}", "train, validation or test")
            entry.part = _same(entry.part, PARTS[text], f"{where}: part")
    if not found:
        raise DataError(f"{path.name} has no rows", "one line a record")
    return found


def delimiter(handle: TextIO) -> str:
    """What separates the cells of a CSV file, by its first line: a comma, else a semicolon or a tab."""
    first = handle.readline()
    handle.seek(0)
    return max(",;\t", key=first.count)


def table(path: Path, columns: list[str]) -> list[tuple[int, dict[str, str]]]:
    """Line numbers and rows of a CSV file that must have `columns`."""
    if not path.is_file():
        raise DataError(f"no file {path}", "check data.folder and the file's name")
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle, restkey="", restval="", delimiter=delimiter(handle))
            names = [str(name) for name in reader.fieldnames or ()]
            for column in columns:
                if column not in names:
                    raise DataError(
                        f"{path.name}: no column '{column}'", f"it has {', '.join(names) or 'none'}; name it in [data]"
                    )
            return [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        text = " ".join(str(error).split())[:80]
        raise DataError(f"{path.name}: not a table: {text}", "save it as CSV, UTF-8") from None


def _same(before: str | None, now: str, what: str) -> str:
    if before is not None and before != now:
        raise DataError(f"{what} '{now}', above '{before}'", "one of them is wrong")
    return now
