"""The project file of the folder one is in: what it says stands in for options that are not given."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from ecgdeploy.workspace import Project


def defaults_of(command: str) -> dict[str, dict[str, Callable[[], Any]]]:
    """Click's ``default_map``: nothing is read, and no error raised, before an option's value is asked for."""
    from ecgdeploy.workspace import OPTIONS, here

    @cache
    def project() -> Project | None:
        return here()

    def value(name: str) -> Any:
        found = project()
        return None if found is None else OPTIONS[command][name](found)

    def later(name: str) -> Callable[[], Any]:
        return lambda: value(name)

    return {command: {name: later(name) for name in OPTIONS.get(command, {})}}


def settled(context: click.Context, chosen: dict[str, Any], groups: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """`chosen` without what the project file says beside an option that was given.

    Parameters
    ----------
    groups : mapping
        Option -> options of the project file that do not hold any more when it is given.
    """
    source = context.get_parameter_source
    given = [name for name in groups if source(name) is ParameterSource.COMMANDLINE]
    dropped = {other for name in given for other in groups[name]}
    return {
        name: (False if value is True else None)
        if name in dropped and source(name) is ParameterSource.DEFAULT_MAP
        else value
        for name, value in chosen.items()
    }
