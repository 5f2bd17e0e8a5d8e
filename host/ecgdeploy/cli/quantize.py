"""``ecgdeploy quantize``: a training run becomes ``.tflite`` files."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--precision", "precisions", multiple=True, help="float32, float16, dynamic, int8, int16x8, mixed.")
@click.option("--qat", "qat_epochs", type=click.IntRange(1), help="Also train on, rounding, for so many epochs.")
@click.option("--distil", is_flag=True, help="With --qat: learn the float model's answers instead of the labels.")
@click.option("--calibration", type=click.IntRange(1), help="Training windows that set the ranges.")
@click.option("--seed", type=int, default=0, show_default=True, help="Which windows are drawn.")
@click.option("--board", help="Refuse what this board cannot run.")
@click.option("--engine", default="static", show_default=True, help="The engine on that board.")
@click.option("--output", type=click.Path(path_type=Path), help="Folder for the files [RUN/tflite].")
@click.option("--data", type=click.Path(path_type=Path), help="The data set's folder [$ECGDEPLOY_DATA].")
@click.option("--no-test", is_flag=True, help="Do not score the files on the test set.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
def quantize(
    run_folder: Path,
    precisions: tuple[str, ...],
    qat_epochs: int | None,
    distil: bool,
    calibration: int | None,
    seed: int,
    board: str | None,
    engine: str,
    output: Path | None,
    data: Path | None,
    no_test: bool,
    as_json: bool,
) -> None:
    """Convert RUN's best model; calibration comes from its training records only."""
    from ecgdeploy.cli.common import engines_of, progress_bar
    from ecgdeploy.ecg.tasks import load_task
    from ecgdeploy.quantization import deployability
    from ecgdeploy.quantization import quantize as steps
    from ecgdeploy.training import config, run

    trained = run.open_run(run_folder)
    settings = config.parse(trained.manifest["config"], "config.json")
    chosen = precisions or settings.quantization.precisions
    for precision in chosen:
        deployability.known(precision)
    if board:
        from ecgdeploy.boards import load_board

        facts = load_board(board)
        for precision in chosen:
            deployability.require(precision, board, engine, engines_of(facts))
    task = load_task(settings.task, data)
    tuned = None
    if qat_epochs:
        from ecgdeploy.quantization import qat

        with progress_bar() as bar:
            tuned = qat.finetune(
                trained, task, run_folder / ("qat-distilled" if distil else "qat"), epochs=qat_epochs,
                calibration=calibration or 512, distil=distil, report=bar,
            )
    made = steps.quantize(
        trained.model,
        output or run_folder / "tflite",
        chosen,
        task.calibration(calibration or settings.quantization.calibration, seed),
        None if no_test else task.test(),
        qat_model=tuned.model if tuned else None,
        made_from={"run": trained.manifest["config_sha256"], "weights": trained.manifest["weights_sha256"]}
        | ({"qat": tuned.folder.name} if tuned else {}),
        report=lambda line: click.echo(line, err=True),
    )
    if as_json:
        click.echo(json.dumps(made.manifest, indent=2, sort_keys=True, default=str))
        return
    from rich.console import Console

    from ecgdeploy.cli.tables import quantization_table

    Console().print(quantization_table(made.manifest))
    click.echo(f"files: {made.folder}")
