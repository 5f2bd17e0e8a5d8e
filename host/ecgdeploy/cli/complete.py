"""Completion of option values that several commands take."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click


def board_completion(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Board names that start as typed; from the file names alone, so that Tab is quick."""
    from ecgdeploy.resources import assets

    return sorted(path.stem for path in (assets() / "boards").glob("*.toml") if path.stem.startswith(incomplete))
