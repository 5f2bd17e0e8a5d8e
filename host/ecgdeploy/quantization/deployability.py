"""The deployability matrix: which precision runs on which engine, as data (``deployability.toml``)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ecgdeploy.errors import ModelError, unknown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PRECISIONS = ("float32", "float16", "dynamic", "int8", "int16x8", "mixed", "mixed-bits")


@dataclass(frozen=True)
class Matrix:
    """What runs where.

    Attributes
    ----------
    runs : dict
        Engine -> precisions that it runs.
    refuses : dict
        (engine, precision) -> why not.
    nearest : dict
        Precision -> what to offer instead, nearest first.
    """

    runs: dict[str, tuple[str, ...]]
    refuses: dict[tuple[str, str], str]
    nearest: dict[str, tuple[str, ...]]

    def reason(self, precision: str, engine: str) -> str | None:
        """Why `engine` does not run `precision`; None where it does."""
        return None if precision in self.runs[engine] else self.refuses[engine, precision]

    def instead(self, precision: str, engine: str) -> str:
        """The precision nearest to `precision` that `engine` runs."""
        return next(name for name in self.nearest[precision] if name in self.runs[engine])


@cache
def matrix() -> Matrix:
    """The matrix of this package."""
    content = tomllib.loads((Path(__file__).parent / "deployability.toml").read_text())
    engines = content["engine"]
    return Matrix(
        {name: tuple(part["runs"]) for name, part in engines.items()},
        {(name, p): why for name, part in engines.items() for p, why in part["refuses"].items()},
        {name: tuple(others) for name, others in content["nearest"].items()},
    )


def require(precision: str, board: str, engine: str, engines: Sequence[str] | None = None) -> None:
    """Refuse a precision that `engine` on `board` does not run.

    Parameters
    ----------
    board : str
        Named in the message.
    engines : sequence of str, optional
        The board's engines, where the caller knows the board's facts.

    Raises
    ------
    ModelError
        With the reason and the nearest precision that runs.
    UsageError
        Unknown precision or engine.
    """
    table = matrix()
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)
    if engine not in table.runs:
        raise unknown("engine", engine, table.runs)
    if engines is not None and engine not in engines:
        raise ModelError(f"board {board} has no engine {engine}", f"it has {', '.join(engines)}")
    why = table.reason(precision, engine)
    if why:
        raise ModelError(
            f"precision {precision} does not run on {board} with engine {engine}: {why}",
            f"the nearest that does is {table.instead(precision, engine)}",
        )


def known(precision: str) -> str:
    """`precision`, if there is such a one.

    Raises
    ------
    UsageError
        Unknown; the nearest is named.
    """
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)
    return precision
