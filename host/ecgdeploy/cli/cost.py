"""``ecgdeploy cost``: what models are said to cost, beside what they cost."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("models", metavar="MODEL...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--no-emulate", is_flag=True, help="Do not measure instructions on the emulated board.")
@click.option("--runs", type=click.IntRange(1), default=50, show_default=True,
              help="Timed invocations on this computer.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def cost(models: tuple[Path, ...], no_emulate: bool, runs: int, as_json: bool) -> None:
    """Compare .tflite files; the shares are of the first one."""
    from ecgdeploy.measure.cost import ratios, side_by_side

    found = [side_by_side(model, emulate=not no_emulate, runs=runs) for model in models]
    shares = ratios(found)
    if as_json:
        rows = [one.as_json() | {"shares": share} for one, share in zip(found, shares, strict=True)]
        click.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("model")
    for column in ("MACs", "non-zero", "parameters", "weights B", "host ms", "proxy", "instructions", "flash B"):
        table.add_column(column, justify="right")

    def with_share(value: str, share: float | None) -> str:
        return value if share is None or len(found) == 1 else f"{value}\n{share:.3f}"

    for path, one, share in zip(models, found, shares, strict=True):
        measured = [
            with_share(f"{value:,}", share[name]) if value is not None else "-"
            for name, value in (("instructions", one.instructions), ("flash", one.flash_bytes))
        ]
        table.add_row(
            str(path), with_share(f"{one.cost.macs:,}", share["macs"]), f"{one.cost.macs_nonzero:,}",
            f"{one.cost.parameters:,}", f"{one.cost.weight_bytes:,}", f"{one.host_ms:.3f}",
            with_share(f"{one.proxy:.3f}", share["proxy"]), *measured,
        )
    Console(width=max(Console().width, 120)).print(table)
    click.echo("proxy: MMAC x host ms (Kota); instructions, flash: emulated Cortex-M4F, static engine, no link")
    for path, one in zip(models, found, strict=True):
        if one.refused and not no_emulate:
            click.echo(f"{path}: not measured: {one.refused}", err=True)
