"""``ecgdeploy verify``: is the static engine TFLM, bit for bit, and where does it first differ?"""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--inputs", type=click.Path(path_type=Path), help=".npz of quantized inputs (array 'inputs').")
@click.option(
    "--count", default=32, type=click.IntRange(min=1), show_default=True, help="Random inputs without a file."
)
@click.option("--seed", default=1, show_default=True, help="Of the random inputs.")
@click.option("--layers", is_flag=True, help="Compare every operator's output.")
@click.option("--emulate", is_flag=True, help="Run on the emulated Cortex-M4F too.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def verify(model: Path, inputs: Path | None, count: int, seed: int, layers: bool, emulate: bool, as_json: bool) -> None:
    """Hold the static engine's C against TensorFlow Lite Micro on MODEL."""
    from ecgdeploy.errors import GateError
    from ecgdeploy.measure.verify import verify as run

    result = run(model, inputs=inputs, count=count, seed=seed, layers=layers, emulate=emulate)
    if as_json:
        click.echo(json.dumps(result.as_json(), indent=2))
    else:
        for row in result.layers:
            state = "identical" if row["compared"] == row["identical"] else f"{row['identical']} identical"
            click.echo(f"{row['operator']:>4} {row['kind']:<28} {row['way']:<6} {row['compared']:>9} compared, {state}")
        for way, total in result.compared.items():
            same = f"{result.identical[way]} of {total} outputs are {result.reference}'s"
            click.echo(f"{result.model}: {way}: {same} ({result.inputs} inputs)")
        if result.first:
            click.echo(f"first difference: {result.first}")
    if not result.exact:
        raise GateError(f"{result.model}: not TFLM bit for bit", str(result.first))
