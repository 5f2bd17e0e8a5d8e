"""``ecgdeploy flash``: write a built project to its board, and prove that the board runs it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.command()
@click.argument("project", type=click.Path(path_type=Path), default=".")
@click.option("--board", "board_name", help="Board; the project's own by default.")
@click.option("--port", help="Serial port, where several boards are attached.")
@click.option("--method", help="Upload method; the board's first by default (see: ecgdeploy boards NAME).")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def flash(project: Path, board_name: str | None, port: str | None, method: str | None, as_json: bool) -> None:
    """Write the image built in PROJECT to its board; succeed only when the board answers with its build id."""
    from ecgdeploy.boards import load_board
    from ecgdeploy.flash import flash as write
    from ecgdeploy.flash import load_image, project_board

    board = load_board(board_name or project_board(project))
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
