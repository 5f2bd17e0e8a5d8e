"""``ecgdeploy demo``: the whole journey in one command, on an emulated Nano 33 BLE."""

from __future__ import annotations

from pathlib import Path

import click

PER_RECORD = 120  # 22 records of DS2: 2,640 windows, evenly spread over each half hour


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("runs/demo"), show_default=True)
def demo(as_json: bool, output: Path) -> None:
    """Stream real ECG through an emulated Nano 33 BLE; ends in the table."""
    from ecgdeploy.cli.measure import show
    from ecgdeploy.cli.progress import progress
    from ecgdeploy.measure.session import Choice, run

    with progress() as report:
        outcome = run(Choice(limit=PER_RECORD, emulate=True, engine="static", output=output), report)
    show(outcome.result, outcome.folder, as_json, None)
