"""``ecgdeploy plan``: schedule and memory of the static engine, as text, page or JSON."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ecgdeploy.cli.common import STORAGES, WEIGHTS


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--weights", type=click.Choice(WEIGHTS), default="auto", show_default=True, help="Pack them or not.")
@click.option("--storage", type=click.Choice(STORAGES), default="auto", show_default=True, help="Of int8 values.")
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write a page with the drawing.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def plan(model: Path, weights: str, storage: str, page: Path | None, as_json: bool) -> None:
    """Show how the static engine would run MODEL: what is kept of every value, where, and when."""
    from ecgdeploy.codegen import generate
    from ecgdeploy.codegen.drawing import as_dict, as_html, as_text
    from ecgdeploy.graph import read_tflite
    from ecgdeploy.provenance import write_atomic

    engine = generate(read_tflite(model), "cortex-m4", weights, storage)
    if page:
        write_atomic(page, as_html(engine, model.name))
    click.echo(json.dumps(as_dict(engine), indent=2) if as_json else as_text(engine))
