"""What ``doctor`` looks at: outside tools and optional Python packages, each with the command that installs it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib import metadata

from ecgdeploy.errors import BuildError
from ecgdeploy.toolchains.tools import TOOLS, require_newlib, version

# distribution -> (what it is needed for, command, required for the demo)
PACKAGES: dict[str, tuple[str, str, bool]] = {
    "ai-edge-litert": ("the host's LiteRT column of every measurement", "pip install ai-edge-litert", True),
    "wfdb": ("reading ECG records", "pip install wfdb", True),
    "tflite-micro": ("the golden reference of bit-exactness", "pip install 'ecgdeploy[golden]'", False),
    "tensorflow": ("training and quantizing models", "pip install 'ecgdeploy[train]'", False),
    "platformio": ("building and flashing real boards", "pip install 'ecgdeploy[flash]'", False),
    "paramiko": ("deploying to Linux boards over SSH", "pip install 'ecgdeploy[flash]'", False),
}


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Attributes
    ----------
    name, kind : str
        What, and whether it is a ``tool``, a ``library`` or a Python ``package``.
    found : bool
    version : str or None
    needed_for : str
    install : str
        The one command that installs it.
    required : bool
        The demo does not run without it.
    """

    name: str
    kind: str
    found: bool
    version: str | None
    needed_for: str
    install: str
    required: bool


def checkup() -> list[Check]:
    """Look at everything; nothing is imported and nothing is changed."""
    checks = []
    for tool in TOOLS:
        found = shutil.which(tool.program) is not None
        seen = version(tool.program, tool.version_args) if found else None
        checks.append(Check(tool.program, "tool", found, seen, tool.needed_for, tool.install, tool.required))
    checks.insert(3, _newlib())
    for name, (needed_for, install, required) in PACKAGES.items():
        try:
            seen = metadata.version(name)
        except metadata.PackageNotFoundError:
            seen = None
        checks.append(Check(name, "package", seen is not None, seen, needed_for, install, required))
    return checks


def _newlib() -> Check:
    """The Arm compiler's C library, a Debian package of its own."""
    try:
        require_newlib()
        found = True
    except BuildError:
        found = False
    install = "sudo apt-get install -y libnewlib-arm-none-eabi"
    return Check("newlib (arm)", "library", found, None, "linking for Cortex-M boards", install, True)
