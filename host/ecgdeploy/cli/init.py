"""``ecgdeploy init``: begin a project with a model and recordings of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from ecgdeploy.cli.complete import board_completion


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.option("--model", help="A .keras or .tflite file [model.keras].")
@click.option("--source", type=click.Choice(["wfdb", "csv", "csv-rows", "numpy", "python"]), default="wfdb",
              show_default=True, help="What the recordings are.")
@click.option("--data", help="Their folder [data].")
@click.option("--task", "kind", type=click.Choice(["beats", "records", "windows"]),
              help="What gets a class [wfdb: beats; csv, python: records; csv-rows, numpy: windows].")
@click.option("--classes", help="In the order of the model's outputs, e.g. N,S,V.")
@click.option("--leads", help="Of the model's input, e.g. I,II.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Samples a second of the model's input.")
@click.option("--samples", type=click.IntRange(1), help="Samples of a window.")
@click.option("--board", default="nano33ble", show_default=True, help="See 'ecgdeploy boards'.",
              shell_complete=board_completion)
@click.option("--force", is_flag=True, help="Replace a project file that is there.")
def init(
    folder: Path,
    model: str | None,
    source: str,
    data: str | None,
    kind: str | None,
    classes: str | None,
    leads: str | None,
    rate: float | None,
    samples: int | None,
    board: str,
    force: bool,
) -> None:
    """Write FOLDER/ecgdeploy.toml and gates.toml, filled in from what is there."""
    from ecgdeploy.workspace.begin import Wish, begin

    wish = Wish(
        model=model,
        source=source,
        data=data,
        kind=kind,
        classes=_names(classes),
        leads=_names(leads),
        rate=rate,
        samples=samples,
        board=board,
    )
    begun = begin(folder, wish, force)
    for path in begun.written:
        click.echo(path)
    for remark in begun.remarks:
        click.echo(remark, err=True)
    click.echo(f"next: {begun.following}", err=True)


def _names(text: str | None) -> tuple[str, ...] | None:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else None
