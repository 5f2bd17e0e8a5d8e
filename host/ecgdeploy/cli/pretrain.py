"""``ecgdeploy pretrain``: an encoder learns from long recordings what a small data set cannot teach."""

from __future__ import annotations

import json
from pathlib import Path

import click

TASKS = ("beat", "rhythm", "heart-rate", "future")


@click.command()
@click.option("--task", type=click.Choice(TASKS), required=True, help="What is learned of each frame.")
@click.option("--depth", type=click.Choice(["18", "34", "50"]), default="18", show_default=True, help="The ResNet.")
@click.option("--width", type=float, default=1.0, show_default=True, help="Filters, times the paper's.")
@click.option("--upstream", type=click.Path(path_type=Path), help="WFDB records [Icentia11k, else MIT-BIH].")
@click.option("--output", type=click.Path(path_type=Path), help="Run folder [runs/pretrain-TASK]; resumes.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Replace one key, e.g. --set epochs=3.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads of TensorFlow.")
@click.option("--json", "as_json", is_flag=True, help="Print the run's manifest as JSON.")
def pretrain(
    task: str,
    depth: str,
    width: float,
    upstream: Path | None,
    output: Path | None,
    pairs: tuple[str, ...],
    threads: int | None,
    as_json: bool,
) -> None:
    """Pre-train an encoder; ``train --start`` then fine-tunes it. A damaged record is skipped, named and counted."""
    from ecgdeploy.cli.common import progress_bar
    from ecgdeploy.cli.train import _assignments
    from ecgdeploy.ecg import upstream as collections
    from ecgdeploy.training import config
    from ecgdeploy.training import pretrain as steps

    content = {
        "schema": 1,
        "name": f"pretrain-{task}",
        "task": "upstream",
        "epochs": 1,
        "batch": 64,
        "monitor": "loss",
        "checkpoint_steps": 200,
        "model": {"name": "weimann-resnet", "options": {"depth": int(depth), "width": width}},
        "loss": {"kind": "crossentropy"},
        "pretrain": {"task": task, "samples": 512 if task in ("heart-rate", "future") else 2048},
    }
    settings = config.override(config.parse(content, "--task"), _assignments(pairs))
    source = collections.wfdb_folder(upstream) if upstream else collections.find()
    with progress_bar() as report:
        done = steps.pretrain(
            settings, output or Path("runs") / settings.name, upstream=source, threads=threads, report=report
        )
    facts = done.manifest
    if as_json:
        click.echo(json.dumps(facts, indent=2, sort_keys=True))
        return
    frames = facts["windows"]["training"]
    click.echo(f"{done.folder}: {facts['source']}, {facts['records']} records, {frames:,} frames")
    click.echo("validation: " + ", ".join(f"{k} {v:.4f}" for k, v in facts["validation"].items()))
    for record, why in facts["skipped"].items():
        click.echo(f"skipped {record}: {why}")
    click.echo(f"skipped: {len(facts['skipped'])} of {facts['records'] + len(facts['skipped'])} records")
    click.echo(f"next: ecgdeploy train --config RUN.toml --start {done.folder}")
