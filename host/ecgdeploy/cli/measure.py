"""``ecgdeploy measure``: stream test ECGs through a board, and print how well, how fast, in how much memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

#: option -> what a project file says of it that no longer holds
BESIDE = {
    "emulate": ("port", "project"),
    "port": ("emulate",),
    "model": ("float_model", "project", "gates"),
    "board": ("engine", "project"),
    "task": ("gates",),
}


@click.command()
@click.option("--board", default="nano33ble", show_default=True, help="Board name; see 'ecgdeploy boards'.")
@click.option("--model", default="beat-cnn", show_default=True, help="A preset of the zoo, or a .tflite file.")
@click.option("--float-model", type=click.Path(path_type=Path), help="Its float32 .tflite, for the host's column.")
@click.option("--engine", help="static, tflm or litert; default: the board's.")
@click.option("--task", help="Test set; see 'ecgdeploy data list' [default: the preset's, else mitbih-beats].")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the recordings [default: $ECGDEPLOY_DATA].")
@click.option("--limit", type=click.IntRange(1), help="At most this many windows a record, spread evenly.")
@click.option("--emulate", is_flag=True, help="Run on the board's emulated twin.")
@click.option("--transport", type=click.Choice(["semihosting", "uart"]), default="semihosting", show_default=True,
              help="With --emulate: what carries the link's bytes; uart is slow.")
@click.option("--port", help="Serial device or pyserial URL of a real board.")
@click.option("--project", type=click.Path(path_type=Path), help="Folder of the build that was flashed.")
@click.option("--output", type=click.Path(path_type=Path), help="Run folder [default: runs/BOARD-MODEL-ENGINE].")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run in the same folder.")
@click.option("--gates", type=click.Path(path_type=Path), help="Declare what the run has to reach; see 'gate'.")
@click.option("--operators", is_flag=True, help="Also count instructions per operator (static, Cortex-M4; emulated).")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--html", type=click.Path(path_type=Path), help="Write the page here too [always in the run folder].")
@click.pass_context
def measure(context: click.Context, transport: str, as_json: bool, html: Path | None, **chosen: Any) -> None:
    """Measure a model on a board over a whole test set."""
    from ecgdeploy.cli.progress import progress
    from ecgdeploy.cli.project import settled
    from ecgdeploy.measure.session import Choice, run

    chosen = settled(context, chosen, BESIDE)
    choice = Choice(uart=transport == "uart", **chosen)
    with progress() as report:
        outcome = run(choice, report)
    show(outcome.result, outcome.folder, as_json, html)


def show(result: dict, folder: Path, as_json: bool, html: Path | None) -> None:
    """Print a result to stdout and write its page; the files' places go to stderr."""
    from ecgdeploy.provenance import canonical_json, write_atomic
    from ecgdeploy.reports.page import render_page
    from ecgdeploy.reports.table import print_result

    page = render_page(result)
    for path in {folder / "report.html", *([html] if html else [])}:
        write_atomic(path, page)
    if as_json:
        click.echo(canonical_json(result))
    else:
        print_result(result)
    click.echo(f"result: {folder / 'result.json'}\npage:   {folder / 'report.html'}", err=True)
