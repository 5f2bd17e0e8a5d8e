"""A study's report as one self-contained HTML page."""

from __future__ import annotations

from html import escape
from pathlib import Path

from ecgdeploy.provenance import write_atomic
from ecgdeploy.reports import plots
from ecgdeploy.studies.tables import Bars, Report, Scatter, Table, text

STYLE = (
    "body{font:15px system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
    "table{border-collapse:collapse;margin:1rem 0}th,td{padding:.2rem .7rem;text-align:right;"
    "border-bottom:1px solid #8884}th:first-child,td:first-child{text-align:left}caption{text-align:left;"
    "font-weight:600;padding:.3rem 0}.wide{overflow-x:auto}svg{max-width:100%;height:auto}"
)


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(text(value))}</td>" for value in row) + "</tr>" for row in table.rows
    )
    return f'<div class="wide"><table><caption>{escape(table.title)}</caption><tr>{head}</tr>{body}</table></div>'


def _plot(plot: Bars | Scatter) -> str:
    if isinstance(plot, Scatter):
        return plots.scatter(plot.title, plot.x, plot.y, plot.series)
    return plots.grouped_bars(plot.title, plot.unit, plot.groups, plot.series)


def render(report: Report) -> str:
    """HTML text of a report."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<title>{escape(report.title)}</title><style>{STYLE}</style>",
        f"<h1>{escape(report.title)}</h1><p>{escape(report.paper)}</p>",
        *(f"<p>{escape(line)}</p>" for line in report.remarks),
        *(_plot(plot) for plot in report.plots),
        *(_table(table) for table in report.tables),
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def write(report: Report, folder: Path) -> list[Path]:
    """Write ``report.html`` into the study's folder."""
    path = folder / "report.html"
    write_atomic(path, render(report))
    return [path]
