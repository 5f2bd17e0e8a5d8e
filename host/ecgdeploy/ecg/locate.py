"""Where a data set is: an explicit path, ``$ECGDEPLOY_DATA``, or the download cache. Never the clone."""

from __future__ import annotations

import logging
import os
from functools import cache
from pathlib import Path

from ecgdeploy.errors import DataError

_LOG = logging.getLogger(__name__)
VARIABLE = "ECGDEPLOY_DATA"
# in the place of a path: look nowhere
SYNTHETIC = Path("/dev/null/synthetic")


def cache_folder() -> Path:
    """Where `ecgdeploy data fetch` puts data sets unless told otherwise."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ecgdeploy" / "data"


def data_roots() -> list[Path]:
    """Folders that may hold data sets, best first."""
    given = os.environ.get(VARIABLE)
    if given and not Path(given).expanduser().is_dir():
        _warn_once(given)
    return [*([Path(given).expanduser()] if given else []), cache_folder()]


@cache
def _warn_once(given: str) -> None:
    _LOG.warning("%s is %s, where there is no folder", VARIABLE, given)


def find(folder: str, marks: str | tuple[str, ...], data: Path | str | None = None) -> Path | None:
    """The folder of a data set, or None where it is not on this machine.

    Parameters
    ----------
    folder : str
        The data set's folder name, such as ``mitdb``.
    marks : str or tuple of str
        Files (or glob patterns) of which a folder of this data set has at least one.
    data : Path or str, optional
        Where to look instead of ``$ECGDEPLOY_DATA`` and the cache: the data set itself or the folder above it.

    Raises
    ------
    DataError
        `data` is given but is not, and does not hold, this data set.
    """
    patterns = (marks,) if isinstance(marks, str) else marks

    def holds(candidate: Path) -> bool:
        return candidate.is_dir() and any(any(candidate.glob(pattern)) for pattern in patterns)

    if data == SYNTHETIC:
        return None
    if data is not None:
        explicit = Path(data).expanduser()
        for candidate in (explicit / folder, explicit):
            if holds(candidate):
                return candidate
        raise DataError(
            f"{explicit}: no {folder} data set here (no {' or '.join(patterns)})", "give the folder that holds it"
        )
    for root in data_roots():
        candidate = root / folder
        if holds(candidate):
            return candidate
    return None
