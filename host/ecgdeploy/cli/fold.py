"""``ecgdeploy fold``: Conv1D without its ballast."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), help="File to write [MODEL with -folded].")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def fold(model: Path, output: Path | None, as_json: bool) -> None:
    """Fold EXPAND_DIMS and RESHAPE out of MODEL, compare with TFLM, and say what it saved."""
    from ecgdeploy.errors import ModelError
    from ecgdeploy.graph.fold import checked_fold
    from ecgdeploy.measure.layers import golden_runner
    from ecgdeploy.provenance import write_atomic

    if not model.is_file():
        raise ModelError(f"no model file {model}", "give a .tflite file")
    try:
        folded = checked_fold(model.read_bytes(), golden_runner)
    except ModelError as error:
        raise ModelError(f"{model.name}: {error.message}: nothing is written", error.hint) from None
    path = output or model.with_name(f"{model.stem}-folded.tflite")
    write_atomic(path, folded.model)
    if as_json:
        answer = {
            "output": str(path),
            "operators": [folded.operators_before, folded.operators_after],
            "bytes": [folded.bytes_before, folded.bytes_after],
            "kinds_dropped": list(folded.kinds_dropped),
        }
        click.echo(json.dumps(answer, indent=2))
        return
    click.echo(f"{path}: {folded.line()}; identical outputs in TFLM" if folded.saved else f"{path}: nothing to fold")
