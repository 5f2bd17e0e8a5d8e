"""What a study is: units of work, each giving the rows of one or more cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.studies.tables import Report


@dataclass(frozen=True)
class Unit:
    """Work that is done in one go (a training and what is made of it), and the cells it fills.

    Attributes
    ----------
    id : str
    params : dict
        JSON values; with the study's name and ``quick`` they decide the result.
    cells : tuple of str
        Names of the cells, ``UNIT/CELL``.
    """

    id: str
    params: dict[str, Any]
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Context:
    """Where a unit runs.

    Attributes
    ----------
    folder : Path
        The study's folder; a unit may keep its training under ``work/UNIT``.
    data : Path or None
        The data set's folder.
    todo : tuple of str
        Cells without a row; the others need not be computed.
    """

    folder: Path
    quick: bool
    data: Path | None = None
    threads: int | None = None
    todo: tuple[str, ...] = ()

    def work(self, unit: Unit) -> Path:
        """Folder for the unit's own files."""
        path = self.folder / "work" / unit.id
        path.mkdir(parents=True, exist_ok=True)
        return path


@dataclass(frozen=True)
class Done:
    """One cell's result.

    Attributes
    ----------
    result : dict
        JSON values.
    provenance : dict
        Data hash, split, seed, configuration, versions.
    arrays : dict
        Kept beside the row in ``.npz``, for statistics.
    """

    cell: str
    result: dict[str, Any]
    provenance: dict[str, Any]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """A named experiment.

    Attributes
    ----------
    paper : str
        The paper whose tables it stands beside.
    units : callable
        (quick, ablate) -> units.
    work : callable
        (unit, context) -> iterator of `Done`; may raise for the cells it did not reach.
    report : callable
        (rows, folder) -> `tables.Report`.
    rehearse : callable, optional
        A few steps of the full form: what it would need.
    """

    name: str
    title: str
    paper: str
    units: Callable[[bool, bool], tuple[Unit, ...]]
    work: Callable[[Unit, Context], Iterator[Done]]
    report: Callable[[list[dict[str, Any]], Path], Report]
    rehearse: Callable[[Context], dict[str, Any]] | None = None
