"""The ``.csv`` tables of data sets, read so that a damaged one ends in one clear line."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from ecgdeploy.errors import DataError

_HINT = "copy it again from the data set's page"


def read_table(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Rows of a ``.csv`` file that must have `columns`; a cell that is not there is empty.

    Raises
    ------
    DataError
        The file is missing, is not text, or lacks a column.
    """
    if not path.is_file():
        raise DataError(f"{path.name}: missing from {path.parent}", "copy it from the data set's page")
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle, restkey="", restval="")
            names = list(reader.fieldnames or ())
            absent = [name for name in columns if name not in names]
            if absent:
                raise DataError(f"{path.name}: no column {absent[0]}", _HINT)
            return [{name: row[name] for name in names} for row in reader]
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise DataError(f"{path.name}: not a table: {_one_line(error)}", _HINT) from None


def read_pairs(path: Path) -> list[tuple[int, list[str]]]:
    """Lines of a ``.csv`` file without headings, each with its number."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            return list(enumerate(csv.reader(handle), 1))
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise DataError(f"{path.name}: not a table: {_one_line(error)}", _HINT) from None


def age(text: str) -> float | None:
    """Years, None where the cell holds none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value < 130 else None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:80]
