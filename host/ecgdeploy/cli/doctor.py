"""``ecgdeploy doctor``: each outside tool and Python package: found, version, what for, how to install."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check every tool: found, version, what it is needed for, the one command that installs it.

    Exit code 0 when all that the demo needs is there (optional tools may be missing), 4 when something it needs is not.
    """
    from dataclasses import asdict

    from ecgdeploy.boards import board_names, load_board
    from ecgdeploy.flash.checks import host_checks
    from ecgdeploy.toolchains.checkup import checkup

    found = checkup()
    host = host_checks(board for board in map(load_board, board_names()) if board.kind == "mcu")
    ok = all(check.found or not check.required for check in found)
    if as_json:
        shown = {"ok": ok, "checks": [asdict(check) for check in found], "real_boards": [asdict(item) for item in host]}
        click.echo(json.dumps(shown, indent=2))
    else:
        width = max(len(check.name) for check in found)
        for check in found:
            mark = "ok     " if check.found else "MISSING" if check.required else "absent "
            version = (check.version or "-")[:10]
            click.echo(f"{mark}  {check.name:<{width}}  {version:<10}  {check.needed_for}")
            if not check.found:
                click.echo(f"{'':<9}{'':<{width}}  install: {check.install}")
        click.echo("for real boards on a serial port:")
        for item in host:
            click.echo(f"{'ok     ' if item.ok else 'look   '}  {item.name:<{width}}  {item.detail}")
            if item.hint and not item.ok:
                click.echo(f"{'':<9}{'':<{width}}  {item.hint}")
    if not ok:
        ctx.exit(4)
