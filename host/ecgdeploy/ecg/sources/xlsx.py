"""The first sheet of an ``.xlsx`` file as rows of text: enough for the tables of data sets, without a dependency."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

from ecgdeploy.errors import DataError

_SPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
MAX_BYTES = 256 << 20


def read_sheet(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Rows below the heading row of the first sheet, which must have `columns`.

    Raises
    ------
    DataError
        No ``.xlsx`` file, or a column is absent.
    """
    try:
        with zipfile.ZipFile(path) as book:
            strings = []
            if "xl/sharedStrings.xml" in book.namelist():
                for item in ElementTree.fromstring(_part(book, "xl/sharedStrings.xml")):
                    strings.append("".join(text.text or "" for text in item.iter(f"{_SPACE}t")))
            sheet = ElementTree.fromstring(_part(book, "xl/worksheets/sheet1.xml"))
            table = [_cells(row, strings) for row in sheet.iter(f"{_SPACE}row")]
    except (zipfile.BadZipFile, KeyError, ValueError, IndexError, ElementTree.ParseError, RuntimeError) as error:
        raise DataError(f"{path.name}: not a readable spreadsheet: {str(error)[:80]}", "save it as .csv") from None
    heading = table[0] if table else {}
    absent = [name for name in columns if name not in heading.values()]
    if absent:
        raise DataError(f"{path.name}: no column {absent[0]}", "copy it again from the data set's page")
    return [{title: row.get(place, "") for place, title in heading.items()} for row in table[1:] if row]


def _part(book: zipfile.ZipFile, name: str) -> bytes:
    if book.getinfo(name).file_size > MAX_BYTES:
        raise ValueError(f"{name} is larger than {MAX_BYTES} bytes")
    data = book.read(name)
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:  # entities could expand without bound
        raise ValueError(f"{name} declares entities")
    return data


def _cells(row: ElementTree.Element, strings: list[str]) -> dict[str, str]:
    """Text of each cell by its column letters."""
    cells = {}
    for cell in row.iter(f"{_SPACE}c"):
        place = re.match(r"[A-Z]+", cell.get("r", ""))
        value = cell.find(f"{_SPACE}v")
        inline = cell.find(f"{_SPACE}is")
        if place is None:
            raise ValueError("a cell without a place")
        if inline is not None:
            text = "".join(part.text or "" for part in inline.iter(f"{_SPACE}t"))
        else:
            text = (value.text or "") if value is not None else ""
            text = strings[int(text)] if cell.get("t") == "s" else text
        cells[place.group()] = text
    return cells
