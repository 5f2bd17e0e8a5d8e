"""``ecgdeploy prune``: a training run becomes smaller ones, step by step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ecgdeploy.errors import UsageError


@click.command()
@click.argument("run_folder", metavar="[RUN]", required=False, type=click.Path(path_type=Path))
@click.option("--method", default="structured", show_default=True,
              help="structured (whole channels), l1, energy, energy-printed (single weights).")
@click.option("--target", type=float, default=0.8, show_default=True,
              help="Share that goes: of the multiply-accumulates (structured), of the weights (others).")
@click.option("--steps", type=click.IntRange(1), default=4, show_default=True, help="Prune-and-train steps.")
@click.option("--epochs", type=click.IntRange(1), default=2, show_default=True, help="Epochs after each step.")
@click.option("--learning-rate", type=float, default=1e-3, show_default=True, help="Of these epochs.")
@click.option("--importance", default="class-aware", show_default=True,
              help="Of channels: magnitude, taylor, class-aware.")
@click.option("--alpha", type=float, default=0.5, show_default=True, help="Weight of importance beside energy, 0 to 1.")
@click.option("--schedule", default="linear", show_default=True, help="Of single weights: linear, dynamic.")
@click.option("--distil", nargs=2, type=float, default=(0.9, 2.0), show_default=True, metavar="ALPHA T",
              help="Learn from the dense network too; alpha 0: from the labels alone.")
@click.option("--protect", type=float, help="End before a step that costs the rarest class more recall than this.")
@click.option("--masks", type=click.Path(path_type=Path), help="Prune what this masks.npz prunes, in one step.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="Folder of the steps [RUN/METHOD]; resumes.")
@click.option("--data", type=click.Path(path_type=Path), help="The data set's folder [$ECGDEPLOY_DATA].")
@click.option("--threads", type=click.IntRange(1), help="CPU threads of TensorFlow.")
@click.option("--json", "as_json", is_flag=True, help="Print the steps as JSON.")
def prune(
    run_folder: Path | None,
    method: str,
    distil: tuple[float, float],
    masks: Path | None,
    output: Path | None,
    data: Path | None,
    threads: int | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Prune RUN; each step is a training run that can be quantized, built and measured.

    In a project's folder RUN is the project's own training run.
    """
    from ecgdeploy.cli.common import progress_bar
    from ecgdeploy.compression import iterative, pruning
    from ecgdeploy.ecg.tasks import load_task
    from ecgdeploy.training import config, run
    from ecgdeploy.workspace import here
    from ecgdeploy.workspace import steps as workspace

    plan = iterative.Plan(method=method, distil=distil if distil[0] else None, **chosen)
    given = pruning.read_masks(masks) if masks else None
    if project := here():
        project.use_code()
    if run_folder is not None:
        trained = run.open_run(run_folder)
        task = load_task(config.parse(trained.manifest["config"], "config.json").task, data)
    elif project is not None:
        task = workspace.load_task(project, data)
        trained = workspace.trained(project, task, threads)
    else:
        raise UsageError("prune needs a run", "ecgdeploy prune RUN; ecgdeploy init makes a project")
    folder = output or trained.folder / method
    with progress_bar() as bar:
        steps = iterative.prune(
            trained, task, folder, plan, threads=threads, report=bar, said=lambda line: click.echo(line, err=True),
            given=given,
        )
    if as_json:
        click.echo(json.dumps([step.facts | {"run": str(step.run.folder)} for step in steps], indent=2, sort_keys=True))
        return
    for step in steps:
        facts = step.facts
        recall = ", ".join(f"{name} {value:.3f}" for name, value in facts["recall"].items() if value is not None)
        click.echo(
            f"{step.run.folder}: {facts['parameters']:,} of {facts['parameters_dense']:,} parameters, "
            f"{facts['macs']:,} of {facts['macs_dense']:,} MACs, "
            f"validation macro F1 {step.run.manifest['validation']['macro_f1']:.4f}, recall {recall}"
        )
    click.echo(f"next: ecgdeploy quantize {steps[-1].run.folder}")
