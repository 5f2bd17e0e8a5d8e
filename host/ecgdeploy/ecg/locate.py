"""Where a data set is: an explicit path, ``$ECGDEPLOY_DATA``, or the download cache. Never the clone."""

from __future__ import annotations

import os
from pathlib import Path

from ecgdeploy.errors import DataError

VARIABLE = "ECGDEPLOY_DATA"


def cache_folder() -> Path:
    """Where `ecgdeploy data fetch` puts data sets unless told otherwise."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ecgdeploy" / "data"


def data_roots() -> list[Path]:
    """Folders that may hold data sets, best first."""
    given = os.environ.get(VARIABLE)
    return [*([Path(given).expanduser()] if given else []), cache_folder()]


def find(folder: str, mark: str, data: Path | str | None = None) -> Path | None:
    """The folder of a data set, or None where it is not on this machine.

    Parameters
    ----------
    folder : str
        The data set's folder name, such as ``mitdb``.
    mark : str
        A file (or glob pattern) that a folder of this data set has.
    data : Path or str, optional
        Where to look instead of ``$ECGDEPLOY_DATA`` and the cache: the data set itself or the folder above it.

    Raises
    ------
    DataError
        `data` is given but is not, and does not hold, this data set.
    """
    if data is not None:
        explicit = Path(data).expanduser()
        for candidate in (explicit / folder, explicit):
            if candidate.is_dir() and any(candidate.glob(mark)):
                return candidate
        raise DataError(f"{explicit}: no {folder} data set here (no {mark})", "give the folder that holds its headers")
    for root in data_roots():
        candidate = root / folder
        if candidate.is_dir() and any(candidate.glob(mark)):
            return candidate
    return None
