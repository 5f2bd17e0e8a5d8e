"""SHA-256 sums files, PhysioNet's and a folder's own manifest."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ecgdeploy.ecg.checks.report import Fault
from ecgdeploy.provenance import sha256_file

SUMS = "SHA256SUMS.txt"
MANIFEST = "MANIFEST.sha256"
_LINE = re.compile(r"([0-9a-fA-F]{64})[ \t]+\*?(\S.*)")


@dataclass(frozen=True)
class SumsResult:
    """What a sums file says about a folder.

    Attributes
    ----------
    hashes : dict of str to str
        SHA-256 of each file that is here and named, by its path.
    absent : tuple of str
        Named but not here.
    faults : tuple of Fault
        Different content, unreadable lines.
    """

    hashes: dict[str, str]
    absent: tuple[str, ...]
    faults: tuple[Fault, ...]


def parse_sums(path: Path) -> tuple[dict[str, str], tuple[Fault, ...]]:
    """Sum of each path in a sums file; lines that are none, or that lead out of the folder, are faults."""
    sums: dict[str, str] = {}
    faults = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        name = match[2].strip() if match else ""
        if match is None or not is_plain(name):
            faults.append(Fault(path.name, f"line {number} is no sum: '{line[:60]}'"))
            continue
        sums[name.removeprefix("./")] = match[1].lower()
    return sums, tuple(faults)


def is_plain(name: str) -> bool:
    """Whether a path stays inside the folder that it is relative to."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith(("/", "\\")) and ".." not in parts and "\\" not in name


def verify(folder: Path, sums: dict[str, str], progress: Callable[[int, int], None]) -> SumsResult:
    """Compare the files of `folder` with their sums."""
    hashes, absent, faults = {}, [], []
    for done, (name, expected) in enumerate(sums.items(), 1):
        path = folder / name
        if not path.is_file():
            absent.append(name)
        else:
            hashes[name] = sha256_file(path)
            if hashes[name] != expected:
                faults.append(Fault(name, "its content is not that of its SHA-256 sum"))
        progress(done, len(sums))
    return SumsResult(hashes, tuple(absent), tuple(faults))
