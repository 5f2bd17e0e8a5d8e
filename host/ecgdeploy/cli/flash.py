"""``ecgdeploy flash``: write a built project to its board, and prove that the board runs it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ecgdeploy.flash.linux import Deployed
    from ecgdeploy.flash.tensorrt import TensorRt


@click.command()
@click.argument("project", type=click.Path(path_type=Path), default=".")
@click.option("--board", "board_name", help="Board; the project's own by default.")
@click.option("--port", help="Serial port, where several boards are attached.")
@click.option("--method", help="Upload method; the board's first by default (see: ecgdeploy boards NAME).")
@click.option("--host", help="A Linux board: user@host or user@host:port; its host key must be known.")
@click.option("--known-hosts", type=click.Path(path_type=Path), help="Known hosts file, instead of your own.")
@click.option("--key", type=click.Path(path_type=Path), help="Private key, instead of your own.")
@click.option("--service/--no-service", default=True, show_default=True,
              help="With --host: serve the release as a systemd service (needs root), or only while connected.")
@click.option("--stability", type=click.FloatRange(min=0), default=20.0, show_default=True,
              help="With --host: seconds for which the new release is watched before it is kept.")
@click.option("--tensorrt", is_flag=True,
              help="With --host, on a Jetson: build, check and time a TensorRT engine on the board.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def flash(
    project: Path,
    board_name: str | None,
    port: str | None,
    method: str | None,
    host: str | None,
    known_hosts: Path | None,
    key: Path | None,
    service: bool,
    stability: float,
    tensorrt: bool,
    as_json: bool,
) -> None:
    """Write the image built in PROJECT to its board; succeed only when the board answers with its build id.

    A Linux board gets a release over SSH: verified there, switched atomically, and rolled back when it fails.
    """
    from ecgdeploy.boards import load_board
    from ecgdeploy.flash import flash as write
    from ecgdeploy.flash import load_image, project_board

    board = load_board(board_name or project_board(project))
    if host is not None:
        deployed, engine = _deploy(project, host, known_hosts, key, service, stability, tensorrt)
        if as_json:
            click.echo(json.dumps(asdict(deployed) | ({"tensorrt": asdict(engine)} if engine else {}), indent=2))
            return
        click.echo(f"{board.title} at {deployed.host} serves release {deployed.release}")
        if engine:
            click.echo(
                f"TensorRT engine {engine.key}: golden vectors within {engine.largest:.2g}, {engine.median_ms} ms"
                if engine.used
                else f"TensorRT is not used: {engine.reason}"
            )
        return
    done = write(
        board,
        load_image(board, project, method),
        port=port,
        method=method,
        progress=lambda line: click.echo(line, err=True),
    )
    if as_json:
        click.echo(json.dumps(asdict(done), indent=2))
    else:
        click.echo(f"{board.title} on {done.port} runs build {done.build_id}")


def _deploy(
    project: Path,
    host: str,
    known_hosts: Path | None,
    key: Path | None,
    service: bool,
    stability_s: float,
    tensorrt: bool,
) -> tuple[Deployed, TensorRt | None]:
    from ecgdeploy.devices.ssh import own_remote
    from ecgdeploy.flash.linux import base_of, deploy, read_bundle
    from ecgdeploy.flash.tensorrt import prepare

    bundle = read_bundle(project / "bundle")
    with own_remote(host, known_hosts, key) as remote:
        done = deploy(
            bundle, remote, lambda line: click.echo(line, err=True), service=service, stability_s=stability_s
        )
        return done, prepare(bundle, remote, base_of(service)) if tensorrt else None
