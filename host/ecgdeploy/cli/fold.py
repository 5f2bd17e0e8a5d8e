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
    from ecgdeploy.graph.fold import fold_conv1d
    from ecgdeploy.measure.layers import compare, golden_runner, random_inputs
    from ecgdeploy.provenance import write_atomic

    if not model.is_file():
        raise ModelError(f"no model file {model}", "give a .tflite file")
    data = model.read_bytes()
    folded = fold_conv1d(data)
    windows = random_inputs(data, 4, 0)
    before, after = golden_runner(data), golden_runner(folded.model)
    found = compare([after(window) for window in windows], [before(window) for window in windows])
    if found.different:
        raise ModelError(
            f"{model.name}: the folded model's outputs differ by up to {found.largest:g} LSB: nothing is written",
            "deploy the model as it is, and report this",
        )
    path = output or model.with_name(f"{model.stem}-folded.tflite")
    write_atomic(path, folded.model)
    answer = {
        "output": str(path),
        "operators": [folded.operators_before, folded.operators_after],
        "bytes": [folded.bytes_before, folded.bytes_after],
        "kinds_dropped": list(folded.kinds_dropped),
        "values_compared": found.total,
    }
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    dropped = f"; no longer needs {', '.join(folded.kinds_dropped)}" if folded.kinds_dropped else ""
    click.echo(
        f"{path}: {folded.operators_before} operators are {folded.operators_after}, {folded.bytes_before:,} bytes are "
        f"{folded.bytes_after:,}{dropped}; identical outputs in TFLM ({found.total:,} values)"
    )
