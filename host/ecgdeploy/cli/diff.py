"""``ecgdeploy diff``: a device's answers against TFLM's, and the first operator that differs."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ecgdeploy.cli.complete import board_completion

if TYPE_CHECKING:
    from ecgdeploy.measure.layers import Difference, LayerReport


@click.command()
@click.option("--model", default="beat-cnn", show_default=True, help="A .tflite file, or the name of a preset.")
@click.option("--board", default="nano33ble", show_default=True, help="Board whose emulated twin runs the model.",
              shell_complete=board_completion)  # fmt: skip
@click.option("--engine", default="static", show_default=True, help="static or tflm.")
@click.option("--host", "on_host", is_flag=True, help="Run the static engine on this computer instead of the twin.")
@click.option("--port", help="The real board, flashed with this model; cut models run on its twin.")
@click.option("--layers", is_flag=True, help="Bisect to the first operator that differs.")
@click.option("--input", "inputs", type=click.Path(path_type=Path), help="Windows: .npy, or .npz with 'inputs'.")
@click.option(
    "--windows", type=click.IntRange(1), default=4, show_default=True, help="Random windows, without --input."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Which random windows.")
@click.option("--tflm-dir", type=click.Path(path_type=Path), help="TFLM tree with its library (engine tflm).")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_context
def diff(
    ctx: click.Context,
    model: str,
    board: str,
    engine: str,
    on_host: bool,
    port: str | None,
    layers: bool,
    inputs: Path | None,
    windows: int,
    seed: int,
    tflm_dir: Path | None,
    as_json: bool,
) -> None:
    """Compare with TFLM's reference kernels, bit for bit. Exit code 0: identical; 1: not."""
    from ecgdeploy.boards import load_board
    from ecgdeploy.graph.settle import settled_file
    from ecgdeploy.measure import layers as work
    from ecgdeploy.projects.sources import read_model

    data = read_model(model).data
    given = work.read_inputs(data, inputs) if inputs else work.random_inputs(data, windows, seed)
    with tempfile.TemporaryDirectory(prefix="ecgdeploy-diff-") as folder:
        device = (
            work.host_runner
            if on_host
            else work.twin_runner(load_board(board), engine, {"tflm_dir": tflm_dir}, Path(folder))
        )
        if port:
            device = work.board_runner(data, port, device)
        if layers:
            report = work.diff_layers(
                settled_file(data), given, device, work.golden_runner, progress=lambda line: click.echo(line, err=True)
            )
        else:
            one, other = device(data), work.golden_runner(data)
            whole = work.compare([one(window) for window in given], [other(window) for window in given])
            report = work.LayerReport(whole, None, "", None, ())
    if as_json:
        click.echo(json.dumps(asdict(report), indent=2))
    else:
        _show(report, len(given))
    if report.whole.different:
        ctx.exit(1)


def _show(report: LayerReport, windows: int) -> None:
    if not report.whole.different:
        click.echo(f"identical: {report.whole.total:,} values of {windows} windows")
        return
    click.echo(f"differs: {_words(report.whole)}")
    if report.place:
        click.echo(f"first: {report.place}")
    if report.at_operator is not None:
        click.echo(f"there: {_words(report.at_operator)}")
        for value, count in report.at_operator.histogram:
            click.echo(f"  {value:+8g} LSB  {count:>8,}")


def _words(difference: Difference) -> str:
    return f"{difference.different:,} of {difference.total:,} values, by at most {difference.largest:g} LSB"
