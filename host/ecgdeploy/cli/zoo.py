"""``ecgdeploy zoo``: the trained presets that come with the package."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.group()
def zoo() -> None:
    """List the trained presets, or show one's model card."""


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
