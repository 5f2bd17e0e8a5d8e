"""Content hashes and manifests: what a result was made from, so that it can be trusted and repeated."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import secrets
from importlib import metadata
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
PARTIAL = ".partial"


def sha256_bytes(data: bytes) -> str:
    """SHA-256 of `data` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else sha256_bytes(
            handle.read()
        )


def sha256_json(value: Any) -> str:
    """SHA-256 of a JSON value in canonical form (sorted keys, no spaces)."""
    return sha256_bytes(canonical_json(value).encode())


def canonical_json(value: Any) -> str:
    """One-line JSON with sorted keys: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def versions(*packages: str) -> dict[str, str | None]:
    """Installed versions of `packages` (None where absent), beside Python's own and ecgdeploy's."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in ("ecgdeploy", *packages):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write a whole file or nothing: a reader never sees half of it, and of several writers the last one's file stays.

    Until it is whole, the file is ``NAME.xxxxxxxx.partial`` beside it, a name that no other writer has.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}{PARTIAL}")
    try:
        partial.write_bytes(data.encode() if isinstance(data, str) else data)
        os.replace(partial, path)  # noqa: PTH105
    except OSError as error:
        partial.unlink(missing_ok=True)
        # of a full disk the system does not say which file it was
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_manifest(folder: Path, content: dict[str, Any]) -> None:
    """Write ``manifest.json`` (sorted, indented) into an artifact's folder."""
    write_atomic(folder / MANIFEST, json.dumps(content, sort_keys=True, indent=2) + "\n")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the ``manifest.json`` of an artifact's folder."""
    return json.loads((folder / MANIFEST).read_text())
