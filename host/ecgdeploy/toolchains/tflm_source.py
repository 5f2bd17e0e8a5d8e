"""TFLM's own repository at a pinned commit, cached and verified: git's commit id is a hash of every file in it.

Only obtained here, and not changed or compiled: TFLM's Makefile makes the library (target ``microlite``), and
`ecgdeploy.projects.tflm_library` looks for what it made.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ecgdeploy.errors import BuildError, UsageError
from ecgdeploy.provenance import write_atomic
from ecgdeploy.toolchains.online import reachable
from ecgdeploy.toolchains.tools import require

URL = "https://github.com/tensorflow/tflite-micro"
# 2026-08-20: the one that every figure in the documentation was measured with
COMMIT = "90b983c2b3f1480642e040bbd2ddb37b998f3424"
ENTRY = "tensorflow/lite/micro/micro_interpreter.h"
SECONDS = 900
HASHES = "ecgdeploy-files.sha256"


@dataclass(frozen=True)
class Source:
    """A verified tree.

    Attributes
    ----------
    folder : Path
    commit : str
    sha256 : str
        Over the path and the content of every file of the commit.
    cached : bool
        It was there already, and still is what was obtained.
    """

    folder: Path
    commit: str
    sha256: str
    cached: bool


def default_folder(commit: str) -> Path:
    """Where a commit is kept."""
    root = Path(os.environ.get("ECGDEPLOY_CACHE_DIR") or Path.home() / ".cache" / "ecgdeploy")
    return root / "tflm" / commit[:12]


def get(commit: str = COMMIT, folder: Path | None = None, url: str = URL) -> Source:
    """Obtain TFLM at `commit`.

    Raises
    ------
    UsageError
        `commit` is no full commit id, or `folder` holds something else.
    BuildError
        No git, no network, no such commit, or a cached tree that is no longer what was obtained.
    """
    if len(commit) != 40 or any(digit not in "0123456789abcdef" for digit in commit):
        raise UsageError(
            f"'{commit}' is no full commit id", "give all 40 hexadecimal digits: a short id or a branch can change"
        )
    require("git")
    folder = folder or default_folder(commit)
    if (folder / HASHES).is_file():
        return _cached(folder, commit)
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} holds something that 'tflm get' did not make", "give an empty --output folder")
    if url.startswith("http") and not reachable(url):
        raise BuildError(
            f"TFLM's repository cannot be reached ({url})",
            "run this once with internet; or give a tree: --tflm-dir PATH",
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", suffix=".partial", dir=folder.parent) as temporary:
        made = Path(temporary) / "tree"
        made.mkdir()
        _git(made, "init", "-q")
        _git(made, "fetch", "-q", "--depth", "1", url, commit)
        _git(made, "checkout", "-q", "--detach", "FETCH_HEAD")
        found = _git(made, "rev-parse", "HEAD").strip()
        if found != commit:
            raise BuildError(f"{url} gave commit {found}, not {commit}", "try again, or give another --commit")
        if not (made / ENTRY).is_file():
            raise BuildError(f"commit {commit} of {url} has no {ENTRY}", "is it TFLM's repository?")
        digest = tree_sha256(made)
        write_atomic(made / HASHES, f"{commit} {digest}\n")
        try:
            made.replace(folder)
        except OSError:
            if not (folder / HASHES).is_file():
                raise
            return _cached(folder, commit)  # another program was faster
    return Source(folder, commit, digest, False)


def _cached(folder: Path, commit: str) -> Source:
    words = (folder / HASHES).read_text().split()
    if len(words) != 2 or words[0] != commit:
        raise UsageError(f"{folder} holds another commit", "give another --output folder")
    digest = tree_sha256(folder)
    if digest != words[1]:
        raise BuildError(
            f"the files in {folder} are not those of commit {commit[:12]}", "remove the folder and get it again"
        )
    return Source(folder, commit, digest, True)


def tree_sha256(folder: Path) -> str:
    """SHA-256 over every file that the commit tracks; what a build adds does not count."""
    total = hashlib.sha256()
    names = _git(folder, "ls-files", "-z").split("\0")
    for name in sorted(filter(None, names)):
        path = folder / name
        data = (
            path.readlink().as_posix().encode()
            if path.is_symlink()
            else path.read_bytes()
            if path.is_file()
            else b"(gone)"
        )
        total.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
    return total.hexdigest()


def _git(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    words = ["git", "-C", str(folder), "-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=20", *arguments]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, env=environment)
    except subprocess.TimeoutExpired:
        raise BuildError(
            f"git {arguments[0]} did not end within {SECONDS} s", "try again with a better connection"
        ) from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise BuildError(
            f"git {arguments[0]} failed: {(lines or ['no output'])[-1].strip()[:200]}", "is the commit id right?"
        )
    return done.stdout
