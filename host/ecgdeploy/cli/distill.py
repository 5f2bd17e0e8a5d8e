"""``ecgdeploy distill``: trained runs teach another network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("teachers", metavar="TEACHER...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--student", "config_file", required=True, type=click.Path(path_type=Path),
              help="The student's TOML file.")
@click.option("--alpha", type=click.FloatRange(0, 1), default=0.5, show_default=True,
              help="Weight of the teachers' answers beside the labels.")
@click.option("--temperature", type=click.FloatRange(0, min_open=True), default=4.0, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="Run folder [runs/NAME-distilled]; resumes.")
@click.option("--data", type=click.Path(path_type=Path), help="The data set's folder [$ECGDEPLOY_DATA].")
@click.option("--threads", type=click.IntRange(1), help="CPU threads of TensorFlow.")
@click.option("--json", "as_json", is_flag=True, help="Print the run's manifest as JSON.")
def distill(
    teachers: tuple[Path, ...],
    config_file: Path,
    output: Path | None,
    data: Path | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Train a student on its labels and on the answers of one or more TEACHER run folders (their mean)."""
    from ecgdeploy.cli.common import progress_bar
    from ecgdeploy.compression import distillation
    from ecgdeploy.training import config, run
    from ecgdeploy.workspace import here

    if project := here():
        project.use_code()
    student = config.read(config_file)
    opened = [run.open_run(folder) for folder in teachers]
    folder = output or Path("runs") / f"{student.name}-distilled"
    with progress_bar() as bar:
        done = distillation.distil(student, opened, folder, data=data, report=bar, **chosen)
    if as_json:
        click.echo(json.dumps(done.manifest, indent=2, sort_keys=True))
        return
    figures = ", ".join(f"{name} {value:.4f}" for name, value in done.manifest["validation"].items())
    click.echo(f"{folder}: {done.manifest['parameters']} parameters; validation: {figures}")
    click.echo(f"next: ecgdeploy quantize {folder}")
