"""``ecgdeploy quantize``: a training run becomes ``.tflite`` files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ecgdeploy.errors import UsageError


@click.command()
@click.argument("run_folder", metavar="[RUN]", required=False, type=click.Path(path_type=Path))
@click.option("--precision", "precisions", multiple=True,
              help="float32, float16, dynamic, int8, int16x8, mixed, mixed-bits.")
@click.option("--bits", default="auto", show_default=True,
              help="With mixed-bits: 1 to 8 for every layer, or auto (LAQ).")
@click.option("--max-flash", type=click.IntRange(1),
              help="With mixed-bits auto: bits with which the weights take at most so many bytes.")
@click.option("--margin", type=float, default=1e-4, show_default=True, help="LAQ: what an important layer may cost.")
@click.option("--qat", "qat_epochs", type=click.IntRange(1),
              help="Also train on, rounding (to --bits, if a number), for so many epochs.")
@click.option("--distil", is_flag=True, help="With --qat: learn the float model's answers instead of the labels.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True),
              help="With --qat: learning rate [3e-5 with --distil, else 1e-4].")
@click.option("--calibration", type=click.IntRange(1), help="Training windows that set the ranges.")
@click.option("--seed", type=int, default=0, show_default=True, help="Which windows are drawn.")
@click.option("--board", help="Refuse what this board cannot run.")
@click.option("--engine", default="static", show_default=True, help="The engine on that board.")
@click.option("--output", type=click.Path(path_type=Path), help="Folder for the files [RUN/tflite].")
@click.option("--data", type=click.Path(path_type=Path), help="The data set's folder [$ECGDEPLOY_DATA].")
@click.option("--threads", type=click.IntRange(1), help="CPU threads of TensorFlow.")
@click.option("--no-test", is_flag=True, help="Do not score the files on the test set.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
def quantize(
    run_folder: Path | None,
    precisions: tuple[str, ...],
    bits: str,
    max_flash: int | None,
    margin: float,
    qat_epochs: int | None,
    distil: bool,
    rate: float | None,
    calibration: int | None,
    seed: int,
    board: str | None,
    engine: str,
    output: Path | None,
    data: Path | None,
    threads: int | None,
    no_test: bool,
    as_json: bool,
) -> None:
    """Convert RUN's best model; calibration comes from its training records only.

    In a project's folder RUN is the project's own training run.
    """
    from ecgdeploy.cli.common import engines_of, progress_bar
    from ecgdeploy.ecg.tasks import load_task
    from ecgdeploy.quantization import deployability
    from ecgdeploy.quantization import quantize as steps
    from ecgdeploy.training import config, run
    from ecgdeploy.workspace import here
    from ecgdeploy.workspace import steps as workspace

    def say(line: str) -> None:
        click.echo(line, err=True)

    task: Any = None
    project = here()
    if project is not None:
        project.use_code()
    if run_folder is not None:
        project = None
        trained = run.open_run(run_folder)
    else:
        if project is None:
            raise UsageError("quantize needs a run", "ecgdeploy quantize RUN; ecgdeploy init makes a project")
        task = workspace.load_task(project, data)
        trained = workspace.trained(project, task)
        run_folder, output = trained.folder, output or project.models
        if project.content.quantize.precision.endswith("-qat"):
            qat_epochs = qat_epochs or 3
    settings = config.parse(trained.manifest["config"], "config.json")
    chosen = precisions or (project.precisions if project else settings.quantization.precisions)
    drawn = calibration or (project.content.quantize.calibration if project else settings.quantization.calibration)
    for precision in chosen:
        deployability.known(precision)
    fixed = None
    if "mixed-bits" in chosen:
        from ecgdeploy.compression.mixed_bits import asked

        fixed = asked(bits, max_flash)
    if board:
        from ecgdeploy.boards import load_board

        facts = load_board(board)
        for precision in chosen:
            deployability.require(precision, board, engine, engines_of(facts))
    task = task or load_task(settings.task, data)
    tuned = None
    if qat_epochs:
        from ecgdeploy.quantization import qat

        with progress_bar() as bar:
            asked_for = {
                "": qat_epochs, "distilled": distil, "rate-": rate, "bits-": fixed, "windows-": calibration,
            }  # fmt: skip
            parts = [f"{word}{'' if value is True else value}" for word, value in asked_for.items() if value]
            tuned = qat.finetune(
                trained, task, run_folder / "-".join(["qat", *parts]), epochs=qat_epochs, learning_rate=rate,
                calibration=calibration or 512, distil=distil, weight_bits=fixed or 8, threads=threads, report=bar,
            )  # fmt: skip
    ranges = task.calibration(drawn, seed)

    def fewer_bits(int8: bytes, float32: bytes) -> tuple[bytes, dict]:
        from ecgdeploy.compression.mixed_bits import mixed_bits

        done = mixed_bits(
            int8, ranges, bits, float32=float32, choosing=task.validation(), max_bytes=max_flash, gamma=margin,
            report=say,
        )  # fmt: skip
        return done.content, done.notes

    made = steps.quantize(
        trained.model,
        output or run_folder / "tflite",
        chosen,
        ranges,
        None if no_test else task.test(),
        qat_model=tuned.model if tuned else None,
        made_from={"run": trained.manifest["config_sha256"], "weights": trained.manifest["weights_sha256"]}
        | ({"task": settings.task_sha256} if settings.task_sha256 else {})
        | ({"project": project.made_of} if project else {})
        | ({"qat": tuned.folder.name} if tuned else {}),
        derived={"mixed-bits": fewer_bits} if "mixed-bits" in chosen else {},
        report=say,
    )
    if as_json:
        click.echo(json.dumps(made.manifest, indent=2, sort_keys=True, default=str))
        return
    from rich.console import Console

    from ecgdeploy.cli.tables import bits_lines, quantization_table

    Console().print(quantization_table(made.manifest))
    if few := made.manifest["precisions"].get("mixed-bits"):
        click.echo("\n".join(bits_lines(few)))
    click.echo(f"files: {made.folder}")
