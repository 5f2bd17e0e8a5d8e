"""Tasks: a data set, its classes, its preprocessing and its split under one name.

``load_task("mitbih-beats").test()`` is what a model is scored on.
"""

from __future__ import annotations

from pathlib import Path

from ecgdeploy.ecg.tasks.base import Task
from ecgdeploy.errors import unknown

__all__ = ["TASKS", "Task", "load_task"]

# name -> (module of this package, function)
TASKS = {
    "mitbih-beats": ("beats", "load_mitbih"),
    "mitbih-beats-synthetic": ("beats", "load_synthetic"),
}


def load_task(name: str, data: Path | str | None = None) -> Task:
    """A task by its name.

    Parameters
    ----------
    name : str
        One of `TASKS`.
    data : Path or str, optional
        The data set's folder or the folder above it. Without it: ``$ECGDEPLOY_DATA``, then the download cache, then a
        download from PhysioNet, then (beats) the synthetic source, which then is in the task's name and source.

    Raises
    ------
    UsageError
        Unknown task.
    DataError
        `data` does not hold the data set, or a file of it is damaged.
    """
    import importlib

    if name not in TASKS:
        raise unknown("task", name, TASKS)
    module, function = TASKS[name]
    return getattr(importlib.import_module(f"ecgdeploy.ecg.tasks.{module}"), function)(data)
