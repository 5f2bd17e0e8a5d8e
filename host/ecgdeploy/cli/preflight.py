"""``ecgdeploy preflight``: can this engine run this model on this board, and does it fit, before any compile."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from ecgdeploy.cli.complete import board_completion


@click.command()
@click.argument("file", metavar="[MODEL]", required=False)
@click.option("--board", required=True, help="Board (see `ecgdeploy boards`).", shell_complete=board_completion)
@click.option("--model", default="beat-cnn", show_default=True, help="A .tflite file, or the name of a preset.")
@click.option("--engine", help="tflm or static; the board's default otherwise.")
@click.option("--emulate", is_flag=True, help="For the board's emulated twin.")
@click.option("--tflm-dir", type=click.Path(path_type=Path), help="TFLM tree: measure the arena with its kernels.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_context
def preflight(
    ctx: click.Context,
    file: str | None,
    board: str,
    model: str,
    engine: str | None,
    emulate: bool,
    tflm_dir: Path | None,
    as_json: bool,
) -> None:
    """Check MODEL's operators, precision, flash and RAM. Exit code 0: fits; 1: not, and the first reason is named."""
    from ecgdeploy.boards import load_board
    from ecgdeploy.preflight import preflight as check

    report = check(file or model, load_board(board), engine, emulate=emulate, tflm_dir=tflm_dir)
    if as_json:
        click.echo(json.dumps({"fits": report.fits, "line": report.line(), **asdict(report)}, indent=2))
    else:
        for finding in report.findings:
            click.echo(f"{'ok ' if finding.ok else 'NO '} {finding.what:<10} {finding.detail}", err=True)
        click.echo(report.line())
        failed = report.first_failure
        if failed is not None and failed.hint:
            click.echo(f"  hint: {failed.hint}", err=True)
    if not report.fits:
        ctx.exit(1)
