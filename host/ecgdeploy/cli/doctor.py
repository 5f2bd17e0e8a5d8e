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
    from ecgdeploy.toolchains.checkup import checkup

    found = checkup()
    if as_json:
        click.echo(
            json.dumps(
                {"ok": all(c.found or not c.required for c in found), "checks": [c.json() for c in found]}, indent=2
            )
        )
    else:
        width = max(len(check.name) for check in found)
        for check in found:
            mark = "ok     " if check.found else "MISSING" if check.required else "absent "
            click.echo(f"{mark}  {check.name:<{width}}  {check.version or '-':<10}  {check.needed_for}")
            if not check.found:
                click.echo(f"{'':<9}{'':<{width}}  install: {check.install}")
    if any(check.required and not check.found for check in found):
        ctx.exit(4)
