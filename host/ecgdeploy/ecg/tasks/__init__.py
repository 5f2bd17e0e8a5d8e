"""Tasks: a data set, its classes, its preprocessing and its split under one name.

``load_task("mitbih-beats").test()`` is what a model is scored on.
"""

from __future__ import annotations

from pathlib import Path

from ecgdeploy.ecg.locate import SYNTHETIC
from ecgdeploy.ecg.sources.cinc2020 import SUBSETS, SUBSETS_2020
from ecgdeploy.ecg.tasks.base import Task
from ecgdeploy.errors import unknown

__all__ = ["TASKS", "Task", "load_task"]

# name -> (module of this package, function)
_LOADERS = {
    "mitbih-beats": ("beats", "load_mitbih"),
    "cinc2017": ("catalog", "load_cinc2017"),
    "ptbxl-superclasses": ("catalog", "load_ptbxl_superclasses"),
    "ptbxl-statements": ("catalog", "load_ptbxl_statements"),
    "ptbxl-superclasses-500hz": ("catalog", "load_ptbxl_superclasses_500"),
    "ptbxl-statements-500hz": ("catalog", "load_ptbxl_statements_500"),
    "chapman-rhythm": ("catalog", "load_chapman"),
    "cpsc2018": ("catalog", "load_cpsc2018"),
    "cinc2020-sph": ("ahmed", "load_cinc2020_sph"),
}
# each source of CinC 2020 or 2021 may be held out; every task has its synthetic stand-in, which may also be asked for
_HELD_OUT = {f"cinc2020-heldout-{subset}": (2020, subset) for subset in SUBSETS_2020} | {
    f"cinc2021-heldout-{subset}": (2021, subset) for subset in SUBSETS
}
_REAL = (*_LOADERS, *_HELD_OUT)
TASKS = (*_REAL, *(f"{name}-synthetic" for name in _REAL))


def load_task(name: str, data: Path | str | None = None) -> Task:
    """A task by its name.

    Parameters
    ----------
    name : str
        One of `TASKS`, or a project file (``ecgdeploy.toml``): recordings of one's own.
    data : Path or str, optional
        The data set's folder or the folder above it. Without it: ``$ECGDEPLOY_DATA``, then the download cache, then a
        download from PhysioNet where that is small, then the synthetic source, which then is in the task's name and
        source. Names that end in ``-synthetic`` are synthetic whatever is here.

    Raises
    ------
    UsageError
        Unknown task.
    DataError
        `data` does not hold the data set, or a file of it is damaged.
    """
    import importlib

    if name.endswith(".toml"):
        from ecgdeploy.ecg import own

        return own.load(Path(name), data)
    if name not in TASKS:
        raise unknown("task", name, TASKS)
    real = name.removesuffix("-synthetic")
    if real != name:
        data = SYNTHETIC
    if real in _HELD_OUT:
        from ecgdeploy.ecg.tasks.catalog import load_cinc_without

        return load_cinc_without(data, *_HELD_OUT[real])
    module, function = _LOADERS[real]
    return getattr(importlib.import_module(f"ecgdeploy.ecg.tasks.{module}"), function)(data)
