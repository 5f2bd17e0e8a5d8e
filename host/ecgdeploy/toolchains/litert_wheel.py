"""LiteRT's shared library for aarch64, out of the pinned wheel: fetched with pip once, verified, cached.

Only ``libLiteRt.so`` and the licence are taken. The wheel's WebGPU plug-in stays behind: it is compiled for Armv8.1 and
dies with SIGILL on the Armv8.0 cores of a Raspberry Pi 4 or Zero 2 W.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from ecgdeploy.errors import BuildError
from ecgdeploy.provenance import sha256_bytes, write_atomic

VERSION = "2.3.0"
LIBRARY = "ai_edge_litert/libLiteRt.so"
LICENCE = f"ai_edge_litert-{VERSION}.dist-info/licenses/LICENSE"
LIBRARY_SHA256 = "b57687dc234d2b8b0598aef5a9c961ed24263df8f8b3f56adbee1cff618e544b"
LEAST_GLIBC = "2.34"  # whatever the wheel's manylinux tag says
PLATFORMS = ("manylinux_2_27_aarch64", "manylinux_2_28_aarch64", "manylinux2014_aarch64")
WHEEL_VARIABLE = "ECGDEPLOY_LITERT_WHEEL"
TIMEOUT_S = 600


@dataclass(frozen=True)
class LiteRtLibrary:
    """The library and its licence, as bytes."""

    library: bytes
    licence: bytes


def litert_library() -> LiteRtLibrary:
    """The pinned library, from ``$ECGDEPLOY_LITERT_WHEEL``, the cache, or the package index.

    Raises
    ------
    BuildError
        It cannot be had, or is another one than pinned.
    """
    folder = _cache()
    try:
        found = LiteRtLibrary((folder / "libLiteRt.so").read_bytes(), (folder / "LICENSE").read_bytes())
        if sha256_bytes(found.library) == LIBRARY_SHA256:
            return found
    except OSError:
        pass  # not cached yet
    given = os.environ.get(WHEEL_VARIABLE)
    if given:
        found = _unpack(Path(given))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            found = _unpack(_download(Path(temporary)))
    try:
        for name, data in (("LICENSE", found.licence), ("libLiteRt.so", found.library)):
            write_atomic(folder / name, data)
    except OSError as error:
        raise BuildError(f"{folder}: {error.strerror}", "set ECGDEPLOY_CACHE to another folder") from error
    return found


def _cache() -> Path:
    root = os.environ.get("ECGDEPLOY_CACHE") or os.environ.get("XDG_CACHE_HOME")
    return Path(root or Path.home() / ".cache") / "ecgdeploy" / f"litert-{VERSION}-aarch64"


def _download(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += [part for platform in PLATFORMS for part in ("--platform", platform)]
    command += ["--python-version", "311", "--dest", str(folder), f"ai-edge-litert=={VERSION}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"pip could not fetch LiteRT for aarch64: {error}", _hint()) from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        said = (done.stderr.strip().splitlines() or ["no wheel"])[-1]
        raise BuildError(f"pip could not fetch LiteRT {VERSION} for aarch64: {said}", _hint())
    return wheels[0]


def _hint() -> str:
    return f"fetch ai-edge-litert=={VERSION} for {PLATFORMS[0]} elsewhere and name the wheel in ${WHEEL_VARIABLE}"


def _unpack(wheel: Path) -> LiteRtLibrary:
    try:
        with zipfile.ZipFile(wheel) as archive:
            found = LiteRtLibrary(archive.read(LIBRARY), archive.read(LICENCE))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise BuildError(f"{wheel} is not LiteRT's wheel {VERSION} for aarch64: {error}", _hint()) from error
    if sha256_bytes(found.library) != LIBRARY_SHA256:
        raise BuildError(f"{wheel}: libLiteRt.so is not the pinned one", _hint())
    return found
