"""``ecgdeploy tflm``: obtain TFLM's sources, and look whether a tree can be built with."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.group()
def tflm() -> None:
    """TensorFlow Lite Micro as a dependency: get its repository, check a library."""


@tflm.command()
@click.option("--commit", help="Commit id, all 40 digits [the one the documentation's figures are from].")
@click.option("--output", type=click.Path(path_type=Path), help="Folder [a cache].")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def get(commit: str | None, output: Path | None, as_json: bool) -> None:
    """Obtain TFLM's repository at a pinned commit, cached and verified."""
    from ecgdeploy.toolchains import tflm_source

    source = tflm_source.get(commit or tflm_source.COMMIT, output)
    if as_json:
        click.echo(json.dumps({**asdict(source), "folder": str(source.folder)}, indent=2))
        return
    click.echo(
        f"{'unchanged' if source.cached else 'obtained'}: TFLM {source.commit[:12]}, files {source.sha256}", err=True
    )
    click.echo("next: TFLM's own target 'microlite' for the board's core; docs/howto/nano33ble.md, 'TFLM'", err=True)
    click.echo(str(source.folder))


@tflm.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--board", default="nano33ble", show_default=True, help="Board whose core the library must be for.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def check(folder: Path, board: str, as_json: bool) -> None:
    """Look whether FOLDER has headers and a library for the board's core."""
    from ecgdeploy.boards import load_board
    from ecgdeploy.projects.tflm_library import find_library

    found = find_library(folder, load_board(board).core)
    answer = {"archive": str(found.archive), "sha256": found.sha256, "cmsis_nn": found.cmsis_nn}
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        kernels = "CMSIS-NN" if found.cmsis_nn else "reference kernels only"
        click.echo(f"usable for {board}: {found.archive} ({kernels})")
