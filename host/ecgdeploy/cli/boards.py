"""``ecgdeploy boards``: the boards, or one board's facts with their sources."""

from __future__ import annotations

import json

import click

from ecgdeploy.cli.complete import board_completion


@click.command()
@click.argument("name", required=False, shell_complete=board_completion)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def boards(name: str | None, as_json: bool) -> None:
    """List the boards, or show the facts of board NAME and where each was looked up."""
    from dataclasses import asdict

    from ecgdeploy.boards import board_names, crosscheck, load_board

    chosen = [load_board(item) for item in ([name] if name else board_names())]
    if as_json:
        shown = [board.model_dump(mode="json", by_alias=True, exclude_none=True) for board in chosen]
        for facts, board in zip(shown, chosen, strict=True):
            compared = crosscheck(board)
            facts["crosscheck"] = None if compared is None else [asdict(row) for row in compared]
        click.echo(json.dumps(shown[0] if name else shown, indent=2))
        return
    if name:
        _one(chosen[0].model_dump(mode="python", by_alias=True, exclude_none=True))
        compared = crosscheck(chosen[0])
        if compared is None:
            click.echo("cross-check: PlatformIO's platform for this board is not installed here")
        for row in compared or []:
            click.echo(f"cross-check {row.fact}: {row.verdict} (PlatformIO: {row.theirs})")
        return
    width = max(len(board.name) for board in chosen)
    click.echo(f"{'board':<{width}}  {'core':<13} {'MHz':>5} {'flash':>10} {'RAM':>10} {'usable RAM':>10}  title")
    for board in chosen:
        memory = board.memory
        sizes = (memory.flash.bytes, memory.ram.bytes, memory.ram.usable) if memory else ("-", "-", "-")
        flash, ram, usable = (f"{size:,}" if isinstance(size, int) else size for size in sizes)
        mhz = board.core.clock_hz // 1_000_000
        click.echo(
            f"{board.name:<{width}}  {board.core.cpu:<13} {mhz:>5} {flash:>10} {ram:>10} {usable:>10}  {board.title}"
        )


def _one(facts: dict) -> None:
    """Dotted facts, then sources."""
    sources = facts.pop("sources")
    for key, value in _flat(facts):
        click.echo(f"{key} = {value}")
    click.echo("sources:")
    for key, value in sources.items():
        click.echo(f"  {key}: {value}")


def _flat(table: dict, prefix: str = "") -> list[tuple[str, str]]:
    """Nested tables as (dotted key, text) rows."""
    rows: list[tuple[str, str]] = []
    for key, value in table.items():
        dotted = prefix + key
        if isinstance(value, dict):
            rows += _flat(value, dotted + ".")
        elif key == "reserved":
            rows += [(f"{dotted} ({item['what']})", f"{item['bytes']:,}") for item in value]
        elif "origin" in key:
            rows.append((dotted, f"0x{value:08x}"))
        elif isinstance(value, tuple | list):
            rows.append((dotted, ", ".join(value) or "-"))
        elif isinstance(value, int) and not isinstance(value, bool):
            rows.append((dotted, f"{value:,}"))
        else:
            rows.append((dotted, str(value)))
    return rows
