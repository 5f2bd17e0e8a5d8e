"""Several boards at once: a file that names them, and one lock a port, so that programs take turns."""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import os
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgdeploy.errors import DataError, DeviceError

POLL_S = 0.05
WAIT_S = 600.0


@dataclass(frozen=True)
class Target:
    """A board to test on; without a port its emulated twin."""

    board: str
    port: str | None = None
    baud: int = 115200

    @property
    def emulated(self) -> bool:
        """Whether this is the twin."""
        return self.port is None

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{self.board} at {self.port}" if self.port else f"{self.board} (emulated)"


def read_inventory(path: Path) -> list[Target]:
    """Boards of an inventory file.

    The file is YAML: a key ``boards`` with a list of ``{board: NAME, port: PORT, baud: RATE}``; an entry without a port
    is an emulated twin.

    Raises
    ------
    DataError
        The file is missing, is not YAML, or holds an unknown key.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})", "check --ecg-inventory") from error
    except yaml.YAMLError as error:
        raise DataError(f"{path}: is not YAML ({' '.join(str(error).split())})", "see docs/hil.md") from error
    entries = content.get("boards") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise DataError(f"{path}: has no list 'boards'", "see docs/hil.md for an example")
    return [_target(path, number, entry) for number, entry in enumerate(entries, 1)]


def _target(path: Path, number: int, entry: Any) -> Target:
    known = {"board": str, "port": str, "baud": int}
    if not isinstance(entry, dict) or "board" not in entry:
        raise DataError(f"{path}: entry {number} names no board", "write 'board: nano33ble'")
    for key, value in entry.items():
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1, 0.4)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
            raise DataError(f"{path}: entry {number} has an unknown key '{key}'", hint)
        if not isinstance(value, known[key]):
            raise DataError(f"{path}: entry {number}: '{key}' must be a {known[key].__name__}", "see docs/hil.md")
    return Target(**entry)


@contextlib.contextmanager
def lease(targets: Sequence[Target], wait_s: float = WAIT_S) -> Iterator[Target]:
    """The first of `targets` that nobody uses, ours until the end of the ``with`` block.

    Locks are files in the system's temporary directory, one a port; twins need none.

    Raises
    ------
    DeviceError
        All stay in use for `wait_s` seconds.
    """
    until = time.monotonic() + wait_s
    while True:
        for target in targets:
            if target.port is None:
                yield target
                return
            lock = _try_lock(target.port)
            if lock is not None:
                try:
                    yield target
                finally:
                    os.close(lock)
                return
        if time.monotonic() > until:
            names = ", ".join(target.name for target in targets)
            raise DeviceError(f"in use by other programs for {wait_s:g} s: {names}", "end them, or add boards")
        time.sleep(POLL_S)


def _try_lock(port: str) -> int | None:
    real = port if "://" in port else os.path.realpath(port)
    folder = Path(tempfile.gettempdir()) / "ecgdeploy-ports"
    path = folder / (re.sub(r"[^A-Za-z0-9.-]", "_", real) + ".lock")
    try:
        # for every user of this computer, whatever the mask of who comes first
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            folder.chmod(0o1777)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o644)
            os.fchmod(descriptor, 0o644)
            os.close(descriptor)
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise DeviceError(f"{path}: {error.strerror}", "its owner may delete it; or set TMPDIR") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
