"""``ecgdeploy bench``: instructions, memory and correctness of models on the emulated Cortex-M4F."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ecgdeploy.cli.common import WEIGHTS


@click.command()
@click.option("--models", "folder", type=click.Path(path_type=Path), required=True, help="Folder of .tflite files.")
@click.option("--model", "names", multiple=True, help="Only this model (may be repeated).")
@click.option("--operators", is_flag=True, help="Count instructions per operator too.")
@click.option("--layers", is_flag=True, help="List the weights of every layer: bits, bytes by the linker's map.")
@click.option("--weights", type=click.Choice(WEIGHTS), default="auto", show_default=True, help="Pack them or not.")
@click.option("--inputs", "limit", type=click.IntRange(min=1), help="Inferences at most.")
@click.option("--against", type=click.Path(path_type=Path), help="Baseline JSON; figures 1 % above it fail.")
@click.option("--write-baseline", type=click.Path(path_type=Path), help="Write the figures as a baseline.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def bench(
    folder: Path,
    names: tuple[str, ...],
    operators: bool,
    layers: bool,
    weights: str,
    limit: int | None,
    against: Path | None,
    write_baseline: Path | None,
    as_json: bool,
) -> None:
    """Run every model of a folder on the emulated board: cost, and bit-exactness against golden outputs."""
    from ecgdeploy.errors import GateError
    from ecgdeploy.measure.bench import bench_folder, compare_with_baseline
    from ecgdeploy.measure.bench.compare import baseline_of

    results = bench_folder(folder, names=names, operators=operators, limit=limit, weights=weights)
    if as_json:
        click.echo(json.dumps([r.as_json() for r in results], indent=2))
    else:
        header = ("model", "instructions", "per MAC", "TFLM x", "RAM B", "TFLM x", "flash B", "TFLM x", "identical")
        rows = [header]
        for r in results:
            ratio = r.ratios or {}
            times = [f"{ratio[k]:.2f}" if k in ratio else "-" for k in ("instructions", "ram", "flash")]
            rows.append(
                (r.model, f"{r.instructions:,}", f"{r.instructions_per_mac:.3f}", times[0],
                 f"{r.ram_bytes:,}", times[1],
                 f"{r.flash_bytes:,}", times[2], f"{r.identical}/{r.compared}")
            )  # fmt: skip
        widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
        for row in rows:
            cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
            click.echo("  ".join(cells))
        for r in results:
            for stage in r.operators:
                per_mac = "" if stage["instructions_per_mac"] is None else f"{stage['instructions_per_mac']:.2f}/MAC"
                click.echo(f"{r.model} {stage['stage']:>4} {stage['kind']:<20} {stage['instructions']:>12,} {per_mac}")
            for layer in r.weights if layers else []:
                place = f"{r.model} {layer['stage']:>4} {layer['kind']:<20}"
                click.echo(f"{place} {layer['count']:>10,} weights, {layer['bits']:>2} bits, {layer['bytes']:,} bytes")
    if write_baseline:
        from ecgdeploy.provenance import write_atomic

        write_atomic(write_baseline, baseline_of(results))
    wrong = [r for r in results if r.identical != r.compared]
    if wrong:
        raise GateError(
            f"{wrong[0].model}: {wrong[0].compared - wrong[0].identical} outputs differ", "ecgdeploy verify"
        )
    if against and (worse := compare_with_baseline(results, against)):
        raise GateError(f"{len(worse)} figures grew: " + "; ".join(map(str, worse)), "or write a new baseline")
