"""PlatformIO: found, its packages looked for before it starts, run on a project folder.

PlatformIO without the internet waits a minute for a missing package and then prints a bare HTTP error. What it would
miss is a matter of a few folders, so it is looked up first.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ecgdeploy.errors import BuildError, UsageError
from ecgdeploy.toolchains.online import REACH_SECONDS, reachable

if TYPE_CHECKING:
    from ecgdeploy.projects.types import Request

LOG = "build.log"
# packages that a family's Arduino framework needs to compile
PACKAGES = {
    "arduino_mbed": ("framework-arduino-mbed", "toolchain-gccarmnoneeabi", "tool-scons"),
    "arduino_nrf52": ("framework-arduinoadafruitnrf52", "framework-cmsis", "toolchain-gccarmnoneeabi", "tool-scons"),
    "arduino_stm32": ("framework-arduinoststm32", "framework-cmsis", "toolchain-gccarmnoneeabi", "tool-scons"),
}


def home() -> Path:
    """Folder in which PlatformIO keeps its platforms and packages."""
    return Path(os.environ.get("PLATFORMIO_CORE_DIR") or Path.home() / ".platformio")


def command() -> list[str]:
    """Words that start PlatformIO: this Python's module where installed, else ``pio``; empty where there is none."""
    if importlib.util.find_spec("platformio"):
        return [sys.executable, "-m", "platformio"]
    found = shutil.which("pio") or shutil.which("platformio")
    return [found] if found else []


def missing_packages(platform: str, family: str) -> list[str]:
    """What PlatformIO would have to download to compile for `platform` (with or without a version pin)."""
    name = platform.split("@")[0].split("/")[-1]
    found = [] if list((home() / "platforms").glob(f"{name}*")) else [f"platform {name}"]
    for package in PACKAGES.get(family, ()):
        if not list((home() / "packages").glob(f"{package}*")):
            found.append(package)
    return found


def registry_reachable(seconds: float = REACH_SECONDS) -> bool:
    """Whether PlatformIO's registry answers; never takes longer than `seconds`."""
    try:
        from platformio import __registry_mirror_hosts__ as hosts
    except ImportError:
        return True  # a PlatformIO of its own installation: let it try
    return reachable(f"https://{hosts[0]}/", seconds)


def check_ready(request: Request) -> None:
    """Refuse in seconds what PlatformIO would refuse in minutes.

    Raises
    ------
    BuildError
        PlatformIO or its packages are missing, and cannot be downloaded now.
    """
    board = request.board
    if board.platformio is None:
        raise UsageError(f"{board.name} is not built with PlatformIO", "--emulate builds for its emulated twin")
    if not command():
        raise BuildError(
            "PlatformIO is not installed", "pip install platformio, then once with internet: ecgdeploy build"
        )
    missing = missing_packages(board.platformio.platform, board.family)
    if missing and not registry_reachable():
        raise BuildError(
            f"PlatformIO lacks {', '.join(missing)} for {board.name}, and its registry cannot be reached",
            f"once with internet: pio pkg install -g -p {board.platformio.platform.split('@')[0]}; "
            "or --emulate, or --render-only to build elsewhere",
        )


def build(folder: Path, environment: str) -> Path:
    """Run PlatformIO on the project in `folder`.

    Returns
    -------
    Path
        Folder of the environment's build, which holds ``firmware.elf``.

    Raises
    ------
    BuildError
        The compile failed: the first error is in the message, all of it in ``build.log``.
    """
    words = [*command(), "run", "-d", str(folder), "-e", environment]
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", stdin=subprocess.DEVNULL
    )
    (folder / LOG).write_text(done.stdout)
    if done.returncode:
        raise BuildError(f"PlatformIO could not build the firmware: {_first_error(done.stdout)}", f"see {folder / LOG}")
    return folder / ".pio" / "build" / environment


def _first_error(log: str) -> str:
    for line in log.splitlines():
        if re.search(r"\berror\b|Error|undefined reference|overflowed", line):
            return line.strip()[:300]
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no output"
