"""CMake and Ninja on a project folder: configured once, built incrementally, failures as one line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from ecgdeploy.errors import BuildError
from ecgdeploy.toolchains.tools import require

LOG = "build.log"
#: copy of the toolchain file that the build folder was configured with
CONFIGURED_FOR = "configured-for.cmake"
UNUSABLE = ';$\\"\n'  # characters that mean something else to CMake or Ninja
# what a user's shell may set for other projects, and what would change this image or its flags
FOREIGN = frozenset(
    {"CFLAGS", "CXXFLAGS", "ASMFLAGS", "CPPFLAGS", "LDFLAGS", "CMAKE_BUILD_TYPE", "CMAKE_GENERATOR"}
    | {"CMAKE_TOOLCHAIN_FILE", "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "COMPILER_PATH"}
    | {"GCC_EXEC_PREFIX", "CC", "CXX", "DESTDIR"}
)


class CompileError(BuildError):
    """A compile or link failed; `output` is everything the tools said."""

    def __init__(self, message: str, hint: str, output: str) -> None:
        super().__init__(message, hint)
        self.output = output


def build(folder: Path, out: Path | None = None) -> Path:
    """Configure (where needed) and build the CMake project in `folder`.

    Parameters
    ----------
    folder : Path
        Holds ``CMakeLists.txt``.
    out : Path, optional
        Build folder; ``folder/build`` by default.

    Returns
    -------
    Path
        The build folder.

    Raises
    ------
    CompileError
        A step failed; the first error is in the message and all of it in ``build.log``.
    BuildError
        CMake or Ninja is missing.
    """
    require("cmake", "ninja")
    odd = sorted(set(UNUSABLE) & set(str(folder)))
    if odd:
        raise BuildError(
            f"{str(folder)!r}: CMake cannot build in a path with {' '.join(map(repr, odd))}", "choose another --output"
        )
    out = out or folder / "build"
    _forget_another_place(folder, out)
    _forget_another_compiler(folder, out)
    out.mkdir(parents=True, exist_ok=True)
    log = ""
    steps = [["cmake", "--build", str(out)]]
    if not (out / "build.ninja").exists():
        steps.insert(0, ["cmake", "-S", str(folder), "-B", str(out), "-G", "Ninja"])
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN} | {"LC_ALL": "C"}
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, errors="replace", env=environment, check=False)
        log += done.stdout + done.stderr
        (out / LOG).write_text(log)
        if done.returncode:
            raise CompileError(f"the firmware did not compile: {_first_error(log)}", f"see {out / LOG}", log)
    return out


def _forget_another_place(folder: Path, out: Path) -> None:
    """Remove a build folder that was configured elsewhere: CMake would build the project where it used to lie."""
    cache = out / "CMakeCache.txt"
    if not cache.is_file():
        return
    found = re.search(r"^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$", cache.read_text(errors="replace"), re.MULTILINE)
    if found is None or Path(found[1]) != folder.resolve():
        shutil.rmtree(out)


def _forget_another_compiler(folder: Path, out: Path) -> None:
    """Remove a build folder that was configured for another kind of board: CMake never changes its compiler."""
    toolchain, kept = folder / "toolchain.cmake", out / CONFIGURED_FOR
    wanted = toolchain.read_bytes() if toolchain.is_file() else b""
    if kept.is_file() and kept.read_bytes() == wanted:
        return
    if (out / "CMakeCache.txt").is_file():
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(wanted)


def _first_error(log: str) -> str:
    """The first line of a log that tells what is wrong; CMake's own errors have their text on the next lines."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if line.startswith("CMake Error"):
            return " ".join(lines[number + 1 : number + 4])
        if re.search(r"\berror\b(?!s occurred)|undefined reference|No such file|Error:|not found$", line):
            return line
    return lines[-1] if lines else "no output"
