"""The journal of a measurement: what the device answered is on disk before it counts.

One line of JSON for each answer, appended, with the CRC-32 of its content; synced to disk in batches. A run that was
killed is opened again, a line torn by the kill is cut off, and only what is missing is measured again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any

from ecgdeploy.errors import DataError, UsageError
from ecgdeploy.provenance import canonical_json

SCHEMA = 1
# a crash of the whole computer loses at most this; a kill of the program loses nothing
SYNC_LINES = 64
SYNC_SECONDS = 2.0


class Journal:
    """Answers by index, append-only; a context manager. Made by `Journal.open`.

    Attributes
    ----------
    path : Path
        The file.
    damaged : int
        Lines whose CRC did not match and which therefore count as missing.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.damaged = 0
        self._descriptor = descriptor
        self._entries: dict[int, dict[str, Any]] = {}
        self._notes: list[dict[str, Any]] = []
        self._unsynced = 0
        self._synced_at = time.monotonic()

    @classmethod
    def open(cls, path: Path, run: dict[str, Any], *, resume: bool = False) -> Journal:
        """Begin a journal, or go on with one.

        Parameters
        ----------
        path : Path
            The file; its folder is made. An older one is kept beside it as ``….previous`` when `resume` is False.
        run : dict
            What makes two journals the same run: firmware, model, inputs. Plain JSON values.
        resume : bool
            Go on with the journal that is there; begin one when there is none.

        Raises
        ------
        UsageError
            Another program is writing it, or it is of another run.
        DataError
            It is not a journal.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _locked(path)
        try:
            if not resume and os.fstat(descriptor).st_size:
                os.replace(path, path.with_name(path.name + ".previous"))  # noqa: PTH105
                older, descriptor = descriptor, _locked(path)
                os.close(older)
            journal = cls(path, descriptor)
            journal._load(json.loads(canonical_json(run)))
            return journal
        except BaseException:
            os.close(descriptor)
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __contains__(self, index: int) -> bool:
        return index in self._entries

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._entries[index]

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def notes(self) -> tuple[dict[str, Any], ...]:
        """What each sitting of the run said about itself."""
        return tuple(self._notes)

    def append(self, index: int, entry: dict[str, Any]) -> None:
        """Write one answer. Raises ValueError for an index that is there already: no answer counts twice."""
        if index in self._entries:
            raise ValueError(f"{self.path}: answer {index} is there already")
        content = self._write({"kind": "answer", "index": index, "entry": entry})
        self._entries[index] = content["entry"]

    def note(self, note: dict[str, Any]) -> None:
        """Write something about this sitting, e.g. what the link carried."""
        self._notes.append(self._write({"kind": "note", "note": note})["note"])

    def sync(self) -> None:
        """Wait until everything is on disk."""
        os.fsync(self._descriptor)
        self._unsynced = 0
        self._synced_at = time.monotonic()

    def close(self) -> None:
        """Sync and close; a second time does nothing."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                self.sync()
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, content: dict[str, Any]) -> dict[str, Any]:
        """Write a line; returns the content as a later reading will give it, so that a resumed run sees the same."""
        text = canonical_json(content)
        line = f'{{"crc":"{zlib.crc32(text.encode()):08x}","content":{text}}}\n'.encode()
        while line:
            line = line[os.write(self._descriptor, line) :]
        self._unsynced += 1
        if self._unsynced >= SYNC_LINES or time.monotonic() - self._synced_at > SYNC_SECONDS:
            self.sync()
        return json.loads(text)

    def _load(self, run: dict[str, Any]) -> None:
        data = self.path.read_bytes()
        if data and not data.startswith(b'{"crc":'[: len(data)]):
            raise DataError(f"{self.path}: is not a journal", "choose another output folder")
        whole = data[: data.rfind(b"\n") + 1]
        contents = [_checked(line) for line in whole.splitlines()]
        # what a kill tore is at the end: the unfinished line, and any behind the last good one
        while contents and contents[-1] is None:
            contents.pop()
            whole = whole[: whole.rfind(b"\n", 0, len(whole) - 1) + 1]
        if len(whole) < len(data):
            os.ftruncate(self._descriptor, len(whole))
        os.lseek(self._descriptor, 0, os.SEEK_END)
        if not contents:
            self._write({"kind": "run", "schema": SCHEMA, "run": run})
            self.sync()
            return
        head = contents[0]
        if head is None or head.get("kind") != "run" or head.get("schema") != SCHEMA:
            raise DataError(f"{self.path}: does not begin like a journal", "choose another output folder")
        if head["run"] != run:
            keys = sorted(key for key in {*head["run"], *run} if head["run"].get(key) != run.get(key))
            raise UsageError(
                f"{self.path}: is of another run (differs in {', '.join(keys)})",
                "run the same command as before, or leave --resume out to begin anew",
            )
        for content in contents[1:]:
            if content is None:
                self.damaged += 1
            elif content["kind"] == "answer":
                self._entries.setdefault(content["index"], content["entry"])
            elif content["kind"] == "note":
                self._notes.append(content["note"])


def build_of(path: Path) -> str | None:
    """The ``build_id`` of the firmware that a journal's answers are from; None where there is no such journal."""
    if not path.is_file():
        return None
    with path.open("rb") as lines:
        head = _checked(lines.readline().rstrip(b"\n"))
    return head["run"].get("build_id") if head and head.get("kind") == "run" else None


def _checked(line: bytes) -> dict[str, Any] | None:
    """A line's content; None when it does not match its CRC."""
    try:
        outer = json.loads(line)
        content = outer["content"]
        good = int(outer["crc"], 16) == zlib.crc32(canonical_json(content).encode())
    except (ValueError, KeyError, TypeError):
        return None
    return content if good and isinstance(content, dict) else None


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # whoever began anew between the two calls has put this file aside: it is not the journal any more
        if not os.path.samestat(os.fstat(descriptor), path.stat()):
            raise FileNotFoundError(path)
    except OSError as error:
        os.close(descriptor)
        raise UsageError(f"{path}: another program is writing it", "wait for it, or choose another output") from error
    return descriptor
