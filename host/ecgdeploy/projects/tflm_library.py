"""A TFLM library on this computer: headers and the archive that TFLM's own build makes, found and checked.

ecgdeploy does not compile TFLM: TFLM's Makefile knows which of its files, flags and third-party parts belong together,
and its archive (``libtensorflow-microlite.a``) is trimmed by the linker to the kernels a model uses. What is checked
here is what goes wrong otherwise: no archive, one for another core or float ABI, one without CMSIS-NN.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ecgdeploy.boards import Core
from ecgdeploy.errors import BuildError
from ecgdeploy.provenance import sha256_bytes
from ecgdeploy.toolchains.armabi import archive_abi, archive_is_aarch64

ARCHIVE = "libtensorflow-microlite.a"
ARCHIVES = (ARCHIVE, f"lib/{ARCHIVE}", f"gen/*/lib/{ARCHIVE}")
ENTRY = "tensorflow/lite/micro/micro_interpreter.h"
# where TFLM's project generator puts third-party headers, and where its Makefile downloads them
INCLUDES = (
    "",
    "third_party/flatbuffers/include",
    "third_party/gemmlowp",
    "third_party/ruy",
    "tensorflow/lite/micro/tools/make/downloads/flatbuffers/include",
    "tensorflow/lite/micro/tools/make/downloads/gemmlowp",
    "tensorflow/lite/micro/tools/make/downloads/ruy",
)
HELP = "docs/howto/nano33ble.md, 'TFLM', says how to get one"
# the architecture names that compilers write into objects for a core
CPU_NAMES = {
    "cortex-m0plus": ("6s-m", "6-m"),
    "cortex-m3": ("7-m",),
    "cortex-m4": ("7e-m",),
    "cortex-m7": ("7e-m",),
    "cortex-m33": ("8-m.main",),
}
MAKEFILE = "tensorflow/lite/micro/tools/make/Makefile"  # in the repository, not in a tree that create_tflm_tree.py made
VARIABLE = "ECGDEPLOY_TFLM_DIR"


@dataclass(frozen=True)
class TflmLibrary:
    """A usable TFLM.

    Attributes
    ----------
    root : Path
        The tree.
    includes : tuple of Path
        Header folders, in search order.
    archive : Path
        The static library.
    sha256 : str
        Of the archive.
    cmsis_nn : bool
        Its kernels are CMSIS-NN's.
    """

    root: Path
    includes: tuple[Path, ...]
    archive: Path
    sha256: str
    cmsis_nn: bool


def tflm_folder(asked: str | Path | None) -> Path | None:
    """The tree to use: the one asked for, else ``$ECGDEPLOY_TFLM_DIR``, else none."""
    found = asked or os.environ.get(VARIABLE)
    return Path(found) if found else None


@dataclass(frozen=True)
class PackagedLibrary:
    """TFLM as a PlatformIO or Arduino library, which PlatformIO builds by the library's own metadata.

    Attributes
    ----------
    root : Path
    flags : tuple of str
        Definitions and language standard of the library's own sources, which its headers must be read with too.
    int8_registrations : bool
        Its headers declare int8-only kernels.
    sha256 : str
        Of its metadata.
    """

    root: Path
    flags: tuple[str, ...]
    int8_registrations: bool
    sha256: str


def packaged_library(root: Path) -> PackagedLibrary | None:
    """The library in `root` if it has PlatformIO's or Arduino's metadata; None otherwise.

    Raises
    ------
    BuildError
        The metadata cannot be read, or there is no TFLM in the library.
    """
    metadata = next((path for name in ("library.json", "library.properties") if (path := root / name).is_file()), None)
    if metadata is None:
        return None
    entries = [folder / ENTRY for folder in (root / "src", root) if (folder / ENTRY).is_file()]
    if not entries:
        raise BuildError(f"{root} is a library, but not TFLM: it has no {ENTRY}", HELP)
    data = metadata.read_bytes()
    flags: tuple[str, ...] = ()
    if metadata.suffix == ".json":
        try:
            said = json.loads(data).get("build", {}).get("flags", [])
        except (ValueError, AttributeError):
            raise BuildError(
                f"{metadata} is not PlatformIO's JSON", "mend it, or remove it to use the archive"
            ) from None
        words = said.split() if isinstance(said, str) else [str(word) for item in said for word in str(item).split()]
        flags = tuple(word for word in words if word.startswith(("-D", "-std=")))
    header = entries[0].parent / "kernels" / "conv.h"
    int8 = header.is_file() and b"Register_CONV_2D_INT8" in header.read_bytes()
    return PackagedLibrary(root.resolve(), flags, int8, sha256_bytes(data))


def find_library(root: Path, core: Core) -> TflmLibrary:
    """Find headers and the archive for `core` in `root`.

    Raises
    ------
    BuildError
        Not a TFLM tree, no archive in it, or only archives for other cores; the message names what was found.
    """
    if not (root / ENTRY).is_file():
        raise BuildError(f"{root} is no TFLM tree: it has no {ENTRY}", HELP)
    includes = tuple(path for name in INCLUDES if (path := root / name).is_dir())
    if not any((path / "flatbuffers/flatbuffers.h").is_file() for path in includes):
        raise BuildError(f"{root} has no flatbuffers headers", f"make the tree with TFLM's create_tflm_tree.py; {HELP}")
    archives = sorted({path.resolve() for place in ARCHIVES for path in root.glob(place)})
    if not archives:
        floats = f" with {core.float_abi} floats" if core.float_abi else ""
        if (root / MAKEFILE).is_file():
            how = f"run its own Makefile here, target 'microlite', for {core.cpu}{floats}"
        else:
            how = (
                f"run TFLM's Makefile, target 'microlite', for {core.cpu}{floats} in TFLM's repository "
                f"('ecgdeploy tflm get'), and copy its archive to {root / 'lib' / ARCHIVE}"
            )
            if core.arch == "arm":
                how += "; or, for a board's project, write the tree a library.json, and PlatformIO compiles it"
        raise BuildError(f"{root} holds TFLM's sources but no {ARCHIVE}", f"{how}; {HELP}")
    rejected = []
    for archive in archives:
        wrong = _mismatch(archive, core)
        if wrong is None:
            data = archive.read_bytes()
            return TflmLibrary(root, includes, archive, sha256_bytes(data), b"arm_convolve" in data)
        rejected.append(f"{archive.name} in {archive.parent.name}: {wrong}")
    floats = f", {core.float_abi} floats" if core.float_abi else ""
    raise BuildError(f"no TFLM archive fits {core.cpu}{floats}: {'; '.join(rejected)}", HELP)


def _mismatch(archive: Path, core: Core) -> str | None:
    """Why this archive cannot be linked for `core`; None when it can."""
    if core.arch == "aarch64":
        return None if archive_is_aarch64(archive) else "not for 64-bit Arm"
    abi = archive_abi(archive)
    if abi is None:
        return "not Arm objects"
    if abi.hard_float_arguments != (core.float_abi == "hard"):
        return f"made for {'hard' if abi.hard_float_arguments else 'soft or softfp'} floats"
    if abi.cpu and abi.cpu.lower() not in (core.cpu, *CPU_NAMES.get(core.cpu, ())):
        return f"made for {abi.cpu}"
    return None


_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)


def header_closure(library: TflmLibrary, sources: Iterable[bytes]) -> dict[str, bytes]:
    """All headers of the tree that `sources` need, directly or not: what a project must carry to build alone.

    Returns
    -------
    dict of str to bytes
        Path below an include folder to content.
    """
    found: dict[str, bytes] = {}
    pending = [name for source in sources for name in _includes_of(source)]
    while pending:
        name = pending.pop()
        if name in found:
            continue
        path = next((folder / name for folder in library.includes if (folder / name).is_file()), None)
        if path is None:  # ours, the compiler's, or behind an #if for another platform
            continue
        found[name] = path.read_bytes()
        near = Path(name).parent
        for included in _includes_of(found[name]):
            beside = (near / included).as_posix()
            relative = any((folder / beside).is_file() for folder in library.includes)
            pending.append(os.path.normpath(beside) if relative else included)
    return dict(sorted(found.items()))


@cache
def _includes_of(text: bytes) -> tuple[str, ...]:
    return tuple(name.decode(errors="replace") for name in _INCLUDE.findall(text))
