"""``ecgdeploy gate``: does a run reach what was asked of it?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--gates", "path", type=click.Path(path_type=Path), help="Gates file [default: the run's own].")
@click.option("--json", "as_json", is_flag=True, help="Print the verdicts as JSON.")
def gate(run: Path, path: Path | None, as_json: bool) -> None:
    """Hold the run in folder RUN against its gates; exit code 1 when one is missed."""
    from ecgdeploy.errors import GateError
    from ecgdeploy.measure.compare import read_result
    from ecgdeploy.measure.gates import declared, judge
    from ecgdeploy.provenance import canonical_json

    result = read_result(run)
    gates = of_run(result, path)
    verdicts, when = judge(gates, result), declared(gates, result)
    if as_json:
        content = {"declared": when, "gates_sha256": gates.sha256, "verdicts": [v.as_dict() for v in verdicts]}
        click.echo(canonical_json(content))
    else:
        _print(verdicts, when)
    missed = [v.gate for v in verdicts if not v.passed]
    if missed:
        raise GateError(f"{run}: {len(missed)} of {len(verdicts)} gates missed: {'; '.join(missed)}", "see the table")


def of_run(result: dict[str, Any], path: Path | None) -> Any:
    """The gates of a file, or those that the run was declared with."""
    from ecgdeploy.errors import UsageError
    from ecgdeploy.measure.gates import Gates, read_gates

    if path is not None:
        return read_gates(path)
    known = result["provenance"].get("gates")
    if known is None:
        raise UsageError("this run declares no gates", "give --gates FILE, and measure with --gates FILE next time")
    return Gates.model_validate(known["declared"])


def _print(verdicts: list[Any], when: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("gate", "wanted", "found", "")
    for v in verdicts:
        table.add_row(v.gate, _text(v.wanted), _text(v.found), "passed" if v.passed else "[bold]MISSED[/bold]")
    console = Console()
    console.print(table)
    console.print("gates declared before the run, " + when if when == "changed since" else f"gates declared {when}")


def _text(value: Any) -> str:
    if value is None:
        return "not measured"
    if isinstance(value, float):
        return f"{value:,.4f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
