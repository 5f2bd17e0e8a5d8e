"""``ecgdeploy zoo``: the trained presets that come with the package."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click


@click.group()
def zoo() -> None:
    """Trained presets: list, show, make and verify their cards."""


@zoo.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the cards as JSON.")
def list_(as_json: bool) -> None:
    """List the presets."""
    from ecgdeploy import zoo as models

    cards = {name: models.preset(name).card for name in models.names()}
    if as_json:
        click.echo(json.dumps(cards, indent=2, sort_keys=True))
        return
    for name, card in cards.items():
        click.echo(f"{name}: {card['summary']}")


@zoo.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the card and the files' paths as JSON.")
def show(name: str, as_json: bool) -> None:
    """Show a preset's model card and where its files are."""
    from ecgdeploy import zoo as models

    preset = models.preset(name)
    if as_json:
        paths = {"float32": str(preset.float32), "int8": str(preset.int8), "config": str(preset.config)}
        click.echo(json.dumps({"card": preset.card, "paths": paths}, indent=2, sort_keys=True))
        return
    click.echo(f"{name}: {preset.card['summary']}")
    for label in ("intended_use", "not_for", "data", "split", "made_by"):
        click.echo(f"{label.replace('_', ' ')}: {preset.card[label]}")
    for precision, facts in preset.card["files"].items():
        figures = ", ".join(f"{k} {v:.4f}" for k, v in facts["test"].items())
        click.echo(f"{precision}: {facts['bytes']} bytes, {figures}")
        click.echo(f"  {getattr(preset, precision)}")
    from ecgdeploy.measure.card import NAME, read

    found = read(preset.config.parent / NAME)
    figures = ", ".join(f"{k} {v:.4f}" for k, v in found["scores"].items())
    windows = f"{found['windows']:,}"
    click.echo(f"on {found['board']} (emulated), {windows} windows of {found['records']} records: {figures}")
    click.echo(f"  {found['instructions_median']:,} instructions, flash {found['flash']:,} B, RAM {found['ram']:,} B, "
               f"{found['identical']:,} of {windows} identical to TFLM")


@zoo.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--summary", required=True, help="One line: what the model does.")
@click.option("--intended-use", required=True, help="One line: what it is for.")
@click.option("--not-for", required=True, help="One line: what it must not be used for.")
def pack(run: Path, folder: Path, summary: str, intended_use: str, not_for: str) -> None:
    """Make a preset's files and model card from the trained and quantized RUN."""
    from ecgdeploy.zoo.pack import pack as make

    card = make(run, folder, summary=summary, intended_use=intended_use, not_for=not_for)
    click.echo(f"{folder}: {card['name']}, {', '.join(card['files'])}, card.json")


def _measured(name: str, board: str, limit: int | None, first: int | None = None) -> dict[str, Any]:
    from ecgdeploy.cli.progress import progress
    from ecgdeploy.measure.card import figures
    from ecgdeploy.measure.session import Choice, run

    with tempfile.TemporaryDirectory() as folder, progress() as report:
        choice = Choice(board=board, model=name, limit=limit, first=first, emulate=True, output=Path(folder) / "run")
        return figures(run(choice, report).result, limit)


@zoo.command()
@click.argument("name")
@click.option("--board", default="nano33ble", show_default=True, help="Board whose emulated twin is measured.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Windows a record at most.")
def card(name: str, board: str, limit: int) -> None:
    """Measure a preset on the emulated board and write its card's figures (device.json)."""
    from ecgdeploy import zoo as models
    from ecgdeploy.measure.card import NAME, QUICK, QUICK_WINDOWS, write

    path = models.preset(name).config.parent / NAME
    found = _measured(name, board, limit)
    write(path, found | {QUICK: _measured(name, board, limit, QUICK_WINDOWS)})
    click.echo(path)


@zoo.command()
@click.argument("wanted", nargs=-1, metavar="[NAME]...")
@click.option("--quick", is_flag=True, help="Only the card's quick figures, of its first windows (for CI).")
@click.option("--json", "as_json", is_flag=True, help="Print what no longer holds as JSON.")
def verify(wanted: tuple[str, ...], quick: bool, as_json: bool) -> None:
    """Measure presets again [default: all] and hold every figure of their cards, exactly; exit 1 when one differs."""
    from ecgdeploy import zoo as models
    from ecgdeploy.errors import GateError
    from ecgdeploy.measure.card import NAME, QUICK, QUICK_WINDOWS, differences, read

    found = {}
    for name in wanted or models.names():
        kept = read(models.preset(name).config.parent / NAME)
        if quick:
            kept = kept[QUICK]
        now = _measured(name, kept["board"], kept["limit"], QUICK_WINDOWS if quick else None)
        found[name] = differences(kept, now)
        if not as_json:
            held = f"every {'quick ' * quick}figure holds ({now['windows']:,} windows of {now['records']} records)"
            click.echo(f"{name}: " + ("; ".join(found[name]) or held))
    if as_json:
        click.echo(json.dumps(found, indent=2, sort_keys=True))
    if missed := [name for name, lines in found.items() if lines]:
        raise GateError(f"figures no longer hold: {', '.join(missed)}", "meant? ecgdeploy zoo card NAME")
