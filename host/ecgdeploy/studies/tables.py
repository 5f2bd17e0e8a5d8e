"""A study's report as values: tables with the paper's figure, ours and the difference; remarks; plots."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ecgdeploy.provenance import write_atomic


@dataclass(frozen=True)
class Table:
    """One table; cells are text, number or None (no figure)."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Bars:
    """One plot: groups of bars, ours beside the paper's; None leaves a gap."""

    title: str
    unit: str
    groups: tuple[str, ...]
    series: dict[str, tuple[float | None, ...]]


@dataclass(frozen=True)
class Scatter:
    """One plot: points (x, y) by name, one colour a series; x is logarithmic."""

    title: str
    x: str
    y: str
    series: dict[str, dict[str, tuple[float, float]]]


@dataclass(frozen=True)
class Report:
    """Everything a reader sees of a study."""

    title: str
    paper: str
    tables: tuple[Table, ...]
    remarks: tuple[str, ...]
    plots: tuple[Bars | Scatter, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """JSON value."""
        return asdict(self)


def text(value: Any) -> str:
    """A cell as text: floats with four significant places, None as a dash."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return "-" if value != value else f"{value:.4f}" if abs(value) < 10 else f"{value:,.1f}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)


def terminal(table: Table) -> Any:
    """The table for a terminal."""
    from rich.table import Table as Rich

    out = Rich(title=table.title, title_justify="left")
    for index, column in enumerate(table.columns):
        out.add_column(column, justify="left" if index == 0 else "right")
    for row in table.rows:
        out.add_row(*(text(value) for value in row))
    return out


def with_notes(
    name: str, title: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]], notes: Sequence[str]
) -> Table:
    """A table with a last column of one note a row, such as why there is no figure; without it if nothing is noted."""
    if any(notes):
        columns, rows = (*columns, "note"), [(*row, note) for row, note in zip(rows, notes, strict=True)]
    return Table(name, title, columns, tuple(rows))


def reasons(rows: Sequence[dict[str, Any]]) -> Callable[[str], str]:
    """Why a cell ("unit/cell") has no figure: what its row says, or that it has none; "" for one that is done."""
    known = {row["cell"]: row["reason"] or "" for row in rows}

    def why(cell: str) -> str:
        return known.get(cell, "not run: this form of the study lacks it, or it goes on when run again")

    return why


def markdown(table: Table) -> str:
    """The table for a document."""

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"

    rows = [line(table.columns), line(["---"] * len(table.columns))]
    rows += [line([text(value) for value in row]) for row in table.rows]
    return "\n".join([f"**{table.title}**", "", *rows])


def document(report: Report, command: str) -> str:
    """All tables and remarks as a Markdown document; `command` is what printed it."""
    remarks = "\n".join(f"- {line}" for line in report.remarks)
    head = f"# {report.title}\n\nPrinted by `{command}`. {report.paper}."
    return "\n\n".join([head, *map(markdown, report.tables), remarks])


def write_csv(report: Report, folder: Path) -> list[Path]:
    """One CSV file a table, full precision."""
    paths = []
    for table in report.tables:
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows(table.rows)
        path = folder / f"{table.name}.csv"
        write_atomic(path, buffer.getvalue())
        paths.append(path)
    return paths
