"""A project's folder on disk: written incrementally, locked while it is built, described by its manifest."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ecgdeploy.errors import UsageError
from ecgdeploy.projects.types import Project
from ecgdeploy.provenance import MANIFEST, PARTIAL, read_manifest, sha256_bytes, write_atomic, write_manifest

KIND = "ecgdeploy-project"
LOCK = ".lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` for one writer; another process that wants it waits."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def manifest_of(folder: Path) -> dict[str, Any] | None:
    """The manifest of a project that we made in `folder`; None where there is none.

    Raises
    ------
    UsageError
        The folder holds something else.
    """
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", "give another --output")
    others = [
        path.name
        for path in folder.iterdir()
        if path.name != LOCK and not (path.name.startswith(MANIFEST) and path.name.endswith(PARTIAL))
    ]
    # asked for after the list: another builder may be at work here, and its manifest precedes its other files
    if (folder / MANIFEST).exists():
        try:
            found = read_manifest(folder)
        except (json.JSONDecodeError, UnicodeDecodeError):
            found = {}
        if found.get("kind") == KIND:
            return found
    elif not others:
        return None
    raise UsageError(f"{folder} holds something that ecgdeploy build did not make", "give an empty --output folder")


def write_project(folder: Path, project: Project, manifest: dict[str, Any], previous: dict[str, Any] | None) -> None:
    """Write what differs, so that the build compiles only that; remove what an earlier project left."""
    write_manifest(folder, manifest)  # first: an interrupted folder is known as ours
    for name in (previous or {}).get("files", {}):
        if name not in project.files:
            (folder / name).unlink(missing_ok=True)
    for name, data in project.files.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != data:
            write_atomic(path, data)
        if name in project.executable:
            path.chmod(0o755)


def intact(folder: Path, project: Project) -> bool:
    """Whether every file in `folder` is still what `project` says."""
    return all(
        (folder / name).is_file() and (folder / name).read_bytes() == data for name, data in project.files.items()
    )


def file_hashes(project: Project) -> dict[str, str]:
    """SHA-256 of every file of a project."""
    return {name: sha256_bytes(data) for name, data in sorted(project.files.items())}
