"""Recordings of one's own: a project file says where they are and what is to be told of them; it becomes a task.

`load` reads the tables ``[data]``, ``[task]``, ``[preprocessing]`` and ``[split]`` of an ``ecgdeploy.toml``; the other
tables of that file (model, training, board) belong to `ecgdeploy.workspace`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecgdeploy.ecg.own.task import OwnTask

FILE = "ecgdeploy.toml"


def load(path: Path, data: Path | str | None = None) -> OwnTask:
    """The task that a project file describes.

    Parameters
    ----------
    path : Path
        The project file.
    data : Path or str, optional
        The recordings' folder, instead of the file's own.

    Raises
    ------
    UsageError
        The file is missing or wrong: the key is named.
    DataError
        Recordings, labels or split: the file or record is named.
    """
    from ecgdeploy.ecg.own.adapters import open_adapter
    from ecgdeploy.ecg.own.schema import read_task_file
    from ecgdeploy.ecg.own.task import make_task

    described = read_task_file(path)
    folder = Path(data) if data is not None else path.parent / described.data.folder
    return make_task(described, open_adapter(described.data, described.task, folder, path.parent))
