"""Where ``boards/``, ``templates/`` and ``firmware/`` are: in the clone, or inside the installed wheel."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ecgdeploy.errors import BuildError


@cache
def assets() -> Path:
    """Folder that holds ``boards``, ``templates`` and ``firmware``."""
    package = Path(__file__).resolve().parent
    for root in (package / "_assets", package.parent.parent):
        if (root / "boards").is_dir() and (root / "firmware").is_dir():
            return root
    raise BuildError("the package's boards/ and firmware/ folders are missing", "reinstall ecgdeploy")
