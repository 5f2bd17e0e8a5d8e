"""``ecgdeploy train``: one configuration in, one run folder out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecgdeploy.errors import UsageError

if TYPE_CHECKING:
    from ecgdeploy.training.run import Run


def _assignments(pairs: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {pair}: no '='", "write --set key=value, e.g. --set epochs=3")
        try:
            found[key] = json.loads(text)
        except ValueError:
            found[key] = text
    return found


@click.command()
@click.option("--preset", help="A preset of the zoo (ecgdeploy zoo list).")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="A run's TOML file.")
@click.option("--output", type=click.Path(path_type=Path), help="Run folder [runs/NAME]; an unfinished run resumes.")
@click.option("--data", type=click.Path(path_type=Path), help="The data set's folder [$ECGDEPLOY_DATA].")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Replace one key, e.g. --set epochs=3.")
@click.option("--start", type=click.Path(path_type=Path), help="A pre-training run whose encoder it starts from.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads of TensorFlow.")
@click.option("--show-schema", is_flag=True, help="Print the configuration's keys as JSON schema and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print the run's manifest as JSON.")
def train(
    preset: str | None,
    config_file: Path | None,
    output: Path | None,
    data: Path | None,
    pairs: tuple[str, ...],
    start: Path | None,
    threads: int | None,
    show_schema: bool,
    as_json: bool,
) -> None:
    """Train a model; run again on the same folder, it resumes where it was killed."""
    from ecgdeploy import zoo
    from ecgdeploy.cli.common import progress_bar, require_target
    from ecgdeploy.training import config, run
    from ecgdeploy.workspace import here

    if show_schema:
        click.echo(json.dumps(config.RunConfig.model_json_schema(), indent=2))
        return
    if preset is None and config_file is None and start is None and (project := here()):
        from ecgdeploy.workspace import steps

        with progress_bar() as bar:
            done = steps.train(project, data=data, changes=_assignments(pairs), threads=threads, report=bar)
        _show(done, as_json, "ecgdeploy quantize")
        return
    if (preset is None) == (config_file is None):
        raise UsageError(
            "give --preset or --config, one of them", "ecgdeploy zoo list names the presets; ecgdeploy init, a project"
        )
    settings = config.read(zoo.config_path(preset) if preset else config_file or Path())
    settings = config.override(settings, _assignments(pairs)) if pairs else settings
    require_target(settings)
    folder = output or Path("runs") / settings.name
    with progress_bar() as report:
        if start:
            from ecgdeploy.training import pretrain

            done = pretrain.finetune(
                settings, folder, start=run.open_run(start), data=data, threads=threads, report=report
            )
        else:
            done = run.train(settings, folder, data=data, threads=threads, report=report)
    _show(done, as_json, f"ecgdeploy quantize {folder}")


def _show(done: Run, as_json: bool, following: str) -> None:
    if as_json:
        click.echo(json.dumps(done.manifest, indent=2, sort_keys=True))
        return
    facts = done.manifest
    figures = ", ".join(f"{k} {v:.4f}" for k, v in facts["validation"].items())
    epochs = facts["epochs_run"]
    trained = f"best epoch {facts['best_epoch']} of {epochs}" if epochs else "trained elsewhere"
    click.echo(f"{done.folder}: {facts['parameters']} parameters, {trained}")
    click.echo(f"data: {facts['source']}; validation: {figures}")
    click.echo(f"next: {following}")
