"""Drawing a record as on paper: 25 mm/s, 10 mm/mV, three rows of four leads and a rhythm strip, annotations."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.ecg.aami import is_beat
from ecgdeploy.ecg.record import STANDARD_LEADS, Record
from ecgdeploy.errors import DataError, UsageError
from ecgdeploy.provenance import write_atomic

MM_PER_SECOND = 25.0
MM_PER_MILLIVOLT = 10.0
# the usual arrangement of twelve leads: four columns of 2.5 s
PAPER = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
STRIP_SECONDS = 10.0
_ROW_MM = 34.0
_MARGIN_MM = 8.0
_MM_PER_INCH = 25.4
_FORMATS = (".png", ".svg", ".pdf", ".html")
_BEAT_COLOURS = {"N": "#1a5276", "V": "#b03a2e", "A": "#af601a", "S": "#af601a"}


@dataclass(frozen=True)
class Trace:
    """One piece of one lead on the sheet."""

    row: int
    left_s: float  # where it starts on the sheet
    first: int  # the samples it shows
    end: int
    lead: str


def layout(record: Record, start: float = 0.0, seconds: float | None = None) -> tuple[list[Trace], float]:
    """Which piece of which lead goes where; the pieces and the sheet's width in seconds.

    Twelve standard leads make the paper layout of 10 s; anything else one row a lead, `seconds` long (10 by default).

    Raises
    ------
    UsageError
        The record has no such stretch.
    """
    length = STRIP_SECONDS if seconds is None else seconds
    first = round(start * record.rate)
    if start < 0 or length <= 0 or first >= record.samples:
        stretch = f"{length:g} s from {start:g} s"
        raise UsageError(f"record {record.name}: {stretch}", f"it has {record.seconds:g} s; choose a part of them")
    end = min(record.samples, first + round(length * record.rate))
    if set(STANDARD_LEADS) <= set(record.leads) and seconds in (None, STRIP_SECONDS):
        column = (end - first) // 4
        pieces = [
            Trace(row, place * STRIP_SECONDS / 4, first + place * column, first + (place + 1) * column, lead)
            for row, leads in enumerate(PAPER)
            for place, lead in enumerate(leads)
        ]
        return [*pieces, Trace(len(PAPER), 0.0, first, end, "II")], STRIP_SECONDS
    return [Trace(row, 0.0, first, end, lead) for row, lead in enumerate(record.leads)], length


def figure(record: Record, start: float = 0.0, seconds: float | None = None) -> Any:
    """The record on grid paper, to scale when printed at 100 %.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    pieces, width_s = layout(record, start, seconds)
    rows = pieces[-1].row + 1
    width, height = width_s * MM_PER_SECOND + 2 * _MARGIN_MM, rows * _ROW_MM + 3 * _MARGIN_MM
    sheet = Figure(figsize=(width / _MM_PER_INCH, height / _MM_PER_INCH))
    axes = sheet.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.axis("off")
    _grid(axes, width, height)
    for piece in pieces:
        middle = height - 2.5 * _MARGIN_MM - (piece.row + 0.5) * _ROW_MM
        _trace(axes, record, piece, middle)
    last = pieces[-1]
    _beats(axes, record, last, _MARGIN_MM * 0.9)
    title = f"{record.source}, record {record.name}: {start:g} s to {start + width_s:g} s"
    facts = [f"{record.age:g} years" if record.age is not None else "", record.sex or "", *record.statements[:8]]
    axes.text(_MARGIN_MM, height - _MARGIN_MM * 0.9, title, fontsize=9, weight="bold")
    axes.text(_MARGIN_MM, height - _MARGIN_MM * 1.5, "  ".join(fact for fact in facts if fact), fontsize=7)
    axes.text(width - _MARGIN_MM, 2, "25 mm/s  10 mm/mV", fontsize=7, ha="right")
    return sheet


def save(record: Record, path: Path, start: float = 0.0, seconds: float | None = None) -> None:
    """Draw a record into a file: ``.png``, ``.svg``, ``.pdf``, or ``.html`` that needs nothing else.

    Raises
    ------
    UsageError
        Another suffix, or a stretch that the record does not have.
    """
    kind = path.suffix.lower()
    if kind not in _FORMATS:
        raise UsageError(f"{path.name}: cannot draw into a '{kind}' file", f"one of {', '.join(_FORMATS)}")
    sheet = figure(record, start, seconds)
    buffer = io.BytesIO()
    sheet.savefig(buffer, format="svg" if kind == ".html" else kind[1:], dpi=160)
    if kind != ".html":
        write_atomic(path, buffer.getvalue())
        return
    picture = base64.b64encode(buffer.getvalue()).decode()
    title = html.escape(f"{record.source}, record {record.name}")
    faults = "".join(f"<li>{html.escape(f'{f.lead}: {f.kind}, {f.detail}')}</li>" for f in record.faults())
    remarks = "".join(f"<li>{html.escape(remark)}</li>" for remark in record.remarks)
    body = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<h1>{title}</h1><p>{html.escape(_facts(record))}</p>"
        f'<img alt="{title}" src="data:image/svg+xml;base64,{picture}" style="max-width:100%">'
        f"<ul>{faults}{remarks}</ul></html>\n"
    )
    write_atomic(path, body)


def _facts(record: Record) -> str:
    statements = f"; {', '.join(record.statements)}" if record.statements else ""
    kind = "synthetic; " if record.synthetic else ""
    return f"{kind}{len(record.leads)} leads at {record.rate:g} Hz, {record.seconds:g} s; {record.licence}{statements}"


def _grid(axes: Any, width: float, height: float) -> None:
    for step, colour, line in ((1, "#fbe3e3", 0.3), (5, "#f2b8b8", 0.6)):
        axes.vlines(np.arange(0, width, step), 0, height, colors=colour, linewidth=line, zorder=0)
        axes.hlines(np.arange(0, height, step), 0, width, colors=colour, linewidth=line, zorder=0)


def _trace(axes: Any, record: Record, piece: Trace, middle: float) -> None:
    millivolts = record.lead(piece.lead)[piece.first : piece.end].astype(np.float64)
    good = np.isfinite(millivolts)
    offset = float(np.median(millivolts[good])) if good.any() else 0.0
    left = _MARGIN_MM + piece.left_s * MM_PER_SECOND
    along = left + np.arange(len(millivolts)) / record.rate * MM_PER_SECOND
    height = np.clip((millivolts - offset) * MM_PER_MILLIVOLT, -_ROW_MM, _ROW_MM)
    axes.plot(along, middle + height, color="black", linewidth=0.6)
    axes.text(left + 1, middle + 0.32 * _ROW_MM, piece.lead, fontsize=8, weight="bold")
    if not good.any():
        axes.text(left + 10, middle, "no signal", fontsize=8)


def _beats(axes: Any, record: Record, piece: Trace, height: float) -> None:
    """Symbols of the annotations below the last row; rhythm texts above them."""
    if record.annotations is None:
        return
    marks = record.annotations
    inside = marks.select((marks.samples >= piece.first) & (marks.samples < piece.end))
    for sample, symbol, note in zip(inside.samples, inside.symbols, inside.notes, strict=True):
        x = _MARGIN_MM + (sample - piece.first) / record.rate * MM_PER_SECOND
        colour = _BEAT_COLOURS.get(symbol, "#333333")
        weight = "bold" if is_beat(symbol) else "normal"
        axes.text(x, height, symbol, fontsize=8, ha="center", color=colour, weight=weight)
        if note:
            axes.text(x, height + 3, note, fontsize=6, ha="left", color="#555555")


def facts(record: Record) -> dict[str, Any]:
    """What is known about a record, as plain data."""
    counts: dict[str, int] = {}
    for symbol in record.annotations.symbols if record.annotations is not None else ():
        counts[symbol] = counts.get(symbol, 0) + 1
    return {
        "record": record.name,
        "source": record.source,
        "synthetic": record.synthetic,
        "licence": record.licence,
        "leads": list(record.leads),
        "rate_hz": record.rate,
        "seconds": round(record.seconds, 3),
        "patient": record.patient,
        "age": record.age,
        "sex": record.sex,
        "statements": list(record.statements),
        "annotations": [f"{symbol} {count}" for symbol, count in sorted(counts.items())],
        "faults": [f"{fault.lead} {fault.kind}: {fault.detail}" for fault in record.faults()],
        "remarks": list(record.remarks),
    }


def read_record(dataset: str, name: str, data: Path | None = None) -> Record:
    """A record of a data set that is on this machine, or of the synthetic source.

    Raises
    ------
    UsageError
        Unknown data set or record.
    DataError
        The data set is not here, or the record is damaged.
    """
    from ecgdeploy.ecg.datasets import DATASETS
    from ecgdeploy.ecg.locate import find
    from ecgdeploy.ecg.sources.synthetic import Synthetic
    from ecgdeploy.errors import unknown

    if dataset == "synthetic":
        return Synthetic(leads=STANDARD_LEADS, seconds=30.0).record(name)
    if dataset not in DATASETS:
        raise unknown("data set", dataset, (*DATASETS, "synthetic"))
    entry = DATASETS[dataset]
    folder = find(entry.folder, entry.marks, data)
    if folder is None:
        hint = f"`ecgdeploy data fetch {dataset}`, or set ECGDEPLOY_DATA"
        raise DataError(f"{entry.title} is not on this machine", hint)
    return entry.open(folder).record(name)
