"""``ecgdeploy ports``: what is attached."""

from __future__ import annotations

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the ports as JSON.")
def ports(as_json: bool) -> None:
    """List the serial ports, with the boards recognised by their USB identity and the processes that hold them."""
    from ecgdeploy.flash.listing import recognise
    from ecgdeploy.provenance import canonical_json

    found = recognise()
    if as_json:
        rows = [
            {
                "port": item.port.device,
                "vid_pid": item.port.vid_pid,
                "serial": item.port.serial,
                "boards": list(item.boards),
                "bootloader": item.bootloader,
                "holders": list(item.holders),
            }
            for item in found
        ]
        click.echo(canonical_json({"ports": rows}))
        return
    for item in found:
        what = " or ".join(item.boards) + (" (boot loader)" if item.bootloader else "")
        held = f", in use by {', '.join(item.holders)}" if item.holders else ""
        what = what or item.port.description or "unknown"
        click.echo(f"{item.port.device}  {item.port.vid_pid or '-'}  {what}{held}")
    if not found:
        click.echo("no serial port; plug a board in with a data cable", err=True)
