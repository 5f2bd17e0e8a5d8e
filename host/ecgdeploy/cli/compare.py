"""``ecgdeploy compare``: two runs side by side."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click


@click.command()
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("--only", type=click.Choice(["answers", "time", "memory"]), multiple=True, help="Compare only this.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def compare(first: Path, second: Path, only: tuple[str, ...], as_json: bool) -> None:
    """Compare the runs in folders FIRST and SECOND; refuse what is not comparable and say why."""
    from ecgdeploy.measure.compare import ASPECTS, read_result
    from ecgdeploy.measure.compare import compare as compared
    from ecgdeploy.provenance import canonical_json

    rows = compared(read_result(first), read_result(second), only or ASPECTS)
    if as_json:
        figures = [{**asdict(row), "change": row.change} for row in rows]
        click.echo(canonical_json({"first": str(first), "second": str(second), "figures": figures}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("", "figure", str(first), str(second), "change")
    for row in rows:
        change = "" if row.change is None else f"{row.change:+.2%}"
        table.add_row(row.aspect, row.figure, _plain(row.first), _plain(row.second), change)
    Console().print(table)


def _plain(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}"
