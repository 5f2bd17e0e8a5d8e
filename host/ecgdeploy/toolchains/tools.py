"""Every outside program: what it is needed for, how to find it, and the one command that installs it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from ecgdeploy.errors import BuildError


@dataclass(frozen=True)
class Tool:
    """An outside program.

    Attributes
    ----------
    program : str
        Name on the PATH.
    needed_for : str
        What does not work without it.
    package : str
        Debian package that holds it.
    required : bool
        The demo (build and measure on an emulated Cortex-M board) does not run without it.
    version_args : tuple of str
        Arguments that make it print its version.
    """

    program: str
    needed_for: str
    package: str
    required: bool = False
    version_args: tuple[str, ...] = ("--version",)

    @property
    def install(self) -> str:
        """The one command that installs it."""
        return f"sudo apt-get install -y {self.package}"


TOOLS: tuple[Tool, ...] = (
    Tool("cmake", "building emulated and Linux firmware", "cmake", required=True),
    Tool("ninja", "building emulated and Linux firmware", "ninja-build", required=True),
    Tool(
        "arm-none-eabi-gcc", "compiling for Cortex-M boards", "gcc-arm-none-eabi libnewlib-arm-none-eabi", required=True
    ),
    Tool("qemu-system-arm", "running an emulated Cortex-M board", "qemu-system-arm", required=True),
    Tool("gcc", "running the generated engine on this computer", "gcc libc6-dev"),
    Tool("clang", "fuzzing the link (make test)", "clang libclang-rt-14-dev"),
    Tool("aarch64-linux-gnu-gcc", "static engine for Linux boards", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"),
    Tool("aarch64-linux-gnu-g++", "engine tflm on Linux boards", "g++-aarch64-linux-gnu"),
    Tool("qemu-aarch64-static", "running an emulated Linux board", "qemu-user-static"),
)
BY_PROGRAM = {tool.program: tool for tool in TOOLS}


def require(*programs: str) -> None:
    """Check that all of `programs` are on the PATH.

    Raises
    ------
    BuildError
        Names every missing one and the one command that installs them all.
    """
    missing = [name for name in programs if shutil.which(name) is None]
    if not missing:
        return
    packages = [BY_PROGRAM[name].package if name in BY_PROGRAM else name for name in missing]
    verb = "is" if len(missing) == 1 else "are"
    raise BuildError(f"{', '.join(missing)} {verb} not installed", f"sudo apt-get install -y {' '.join(packages)}")


def version(program: str, arguments: Sequence[str] = ("--version",)) -> str | None:
    """First version number that `program` prints, None where it is absent or prints none."""
    path = shutil.which(program)
    if path is None:
        return None
    try:
        done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    first = (done.stdout or done.stderr).strip().splitlines()
    # the last number of the first line: "(15:12.2.rel1-1) 12.2.1 20221205" gives 12.2.1
    found = re.findall(r"(?<![\w.:-])\d+\.\d+(?:\.\d+)?(?![\w])", first[0]) if first else []
    return found[0] if found else None


@cache
def compiler_identity(program: str) -> str:
    """The compiler's whole version line: part of a build's identity.

    Raises
    ------
    BuildError
        The compiler is missing or does not run.
    """
    require(program)
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout:
        raise BuildError(
            f"{program} does not run", done.stderr.strip().splitlines()[0] if done.stderr else "reinstall it"
        )
    return done.stdout.splitlines()[0]


def require_newlib() -> None:
    """Check that the Arm compiler has its C library, which Debian packs apart.

    Raises
    ------
    BuildError
        ``libc_nano.a`` is absent.
    """
    require("arm-none-eabi-gcc")
    done = subprocess.run(
        ["arm-none-eabi-gcc", "-print-file-name=libc_nano.a"], capture_output=True, text=True, check=False
    )
    if "/" not in done.stdout:  # GCC echoes the bare name of a file that it does not find
        raise BuildError(
            "arm-none-eabi-gcc has no C library (newlib)", "sudo apt-get install -y libnewlib-arm-none-eabi"
        )


def require_libstdcxx() -> None:
    """Check that the Arm compiler has its C++ library, which Debian packs apart too; only engine ``tflm`` needs it.

    Raises
    ------
    BuildError
        ``libstdc++.a`` is absent.
    """
    require("arm-none-eabi-gcc")
    done = subprocess.run(
        ["arm-none-eabi-gcc", "-print-file-name=libstdc++.a"], capture_output=True, text=True, check=False
    )
    if "/" not in done.stdout:
        raise BuildError(
            "arm-none-eabi-g++ has no C++ library", "sudo apt-get install -y libstdc++-arm-none-eabi-newlib"
        )
