"""What the wheel's tests share: the wheel of this clone, installed where nothing of the clone can be seen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]


def build_wheel(out: Path) -> Path:
    """The wheel of this clone, made without the network."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=CLONE,
        check=True,
        capture_output=True,
    )
    return next(out.glob("*.whl"))


def install(wheel: Path, home: Path) -> Path:
    """An environment with the wheel in it, in ``home/venv``; its dependencies are this environment's."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home / "venv")], check=True)
    python = home / "venv" / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "-q", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)],
        check=True,
        capture_output=True,
    )
    site = next((home / "venv" / "lib").glob("python*/site-packages"))
    # a .pth adds folders without reading the .pth files in them, so no editable install of the clone comes along
    shared = [path for path in sys.path if path.endswith("site-packages")]
    (site / "dependencies.pth").write_text("\n".join(shared) + "\n")
    return home


def environment(home: Path, **more: str) -> dict[str, str]:
    """The environment's variables: its programs first, nothing of Python's, no data unless `more` has it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ECGDEPLOY_"))}
    path = f"{home / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return kept | {"PATH": path, "XDG_CACHE_HOME": str(home / "cache")} | more
