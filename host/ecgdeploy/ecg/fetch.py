"""`ecgdeploy data fetch`: a data set from PhysioNet, resumed where it stopped, every file against its published sum."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import secrets
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import IO
from urllib.parse import quote

from ecgdeploy.ecg.checks.sums import SUMS, parse_sums
from ecgdeploy.ecg.datasets import Dataset
from ecgdeploy.errors import DataError
from ecgdeploy.provenance import sha256_file

PHYSIONET = "https://physionet.org/files"
OFFLINE = "ECGDEPLOY_OFFLINE"
CHUNK_BYTES = 1 << 16
MAX_SUMS_BYTES = 64 << 20
TIMEOUT_S = 30.0
ATTEMPTS = 4

# what has been received of the file, its size (0: unknown), files done, all files, the file's name
Progress = Callable[[int, int, int, int, str], None]


class Unreachable(DataError):
    """The server did not answer at all: no internet, or it is down."""


@dataclass(frozen=True)
class Fetched:
    """What a fetch did.

    Attributes
    ----------
    folder : Path
    received, kept : tuple of str
        Files that were downloaded, and files that were already there with the right content.
    """

    folder: Path
    received: tuple[str, ...]
    kept: tuple[str, ...]


def fetch(
    entry: Dataset,
    folder: Path,
    *,
    only: tuple[str, ...] = (),
    base_url: str | None = None,
    progress: Progress = lambda *_: None,
    timeout_s: float = TIMEOUT_S,
) -> Fetched:
    """Download a data set, or complete a part of it.

    A file appears under its name only when it is whole and its SHA-256 is the published one; until then it is
    ``NAME.part``, which the next run continues.

    Parameters
    ----------
    entry : Dataset
    folder : Path
        Where its files go.
    only : tuple of str
        Glob patterns of the files wanted (``100.*``, ``*``); those that the reader needs when empty.
    base_url : str, optional
        A mirror's address of this data set, instead of PhysioNet's.
    progress : callable
    timeout_s : float
        For each wait on the network.

    Raises
    ------
    DataError
        Not on PhysioNet; unreachable (`Unreachable`); a sum that stays wrong; a pattern that names no file.
    """
    if base_url is None:
        if not entry.physionet:
            raise DataError(f"{entry.key} is not on PhysioNet", f"get it by its DOI, {entry.doi}, and check the copy")
        base_url = f"{PHYSIONET}/{entry.physionet}"
    base_url = base_url.rstrip("/")
    if os.environ.get(OFFLINE):
        raise Unreachable(f"{entry.key} was not fetched: {OFFLINE} is set", "unset it to use the network")
    folder.mkdir(parents=True, exist_ok=True)
    sums = _sums(base_url, folder, timeout_s)
    patterns = only or entry.needed or ("*",)
    wanted = [name for name in sums if any(fnmatch(name, pattern) for pattern in patterns)]
    if not wanted:
        raise DataError(f"{entry.key} has no file {' or '.join(patterns)}", f"its files are named in {folder / SUMS}")
    received, kept = [], []
    for done, name in enumerate(wanted):
        target = folder / name
        if target.is_file() and sha256_file(target) == sums[name]:
            kept.append(name)
            progress(0, 0, done + 1, len(wanted), name)
            continue
        _file(f"{base_url}/{quote(name)}", target, sums[name], _reporter(progress, done, len(wanted), name), timeout_s)
        received.append(name)
    return Fetched(folder, tuple(received), tuple(kept))


def _reporter(progress: Progress, done: int, total: int, name: str) -> Callable[[int, int], None]:
    return lambda got, size: progress(got, size, done, total, name)


def _sums(base_url: str, folder: Path, timeout_s: float) -> dict[str, str]:
    """The published sums; kept beside the data, so that `check` can use them."""
    try:
        text = b"".join(_stream(f"{base_url}/{SUMS}", 0, timeout_s, MAX_SUMS_BYTES)[1])
    except _Interrupted:
        raise Unreachable(f"{base_url}/{SUMS}: the connection broke", "run the same command again") from None
    path = folder / SUMS
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    partial.write_bytes(text)
    sums, faults = parse_sums(partial)
    if faults or not sums:
        partial.unlink()
        problem = faults[0].text if faults else "it is empty"
        raise DataError(f"{base_url}/{SUMS} is no sums file: {problem}", "check the address")
    partial.replace(path)
    return sums


def _file(url: str, target: Path, expected: str, report: Callable[[int, int], None], timeout_s: float) -> None:
    """One file: continue, verify, and start again once if what was there was wrong."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".part")
    found = ""
    with _alone(partial) as handle:
        if target.is_file() and sha256_file(target) == expected:  # another program was fetching it too
            return
        for _ in range(ATTEMPTS):
            try:
                offset, blocks = _stream(url, handle.seek(0, os.SEEK_END), timeout_s)
                handle.truncate(offset)
                got = offset
                for block in blocks:
                    handle.write(block)
                    got += len(block)
                    report(got, 0)
            except _Interrupted:
                continue  # what came is kept; the next attempt asks for the rest
            handle.flush()
            found = sha256_file(partial)
            if found == expected:
                partial.replace(target)
                return
            handle.truncate(0)
    if found:
        raise DataError(
            f"{target.name}: SHA-256 {found[:16]}..., published is {expected[:16]}...", "the server's copy is damaged"
        )
    raise Unreachable(f"{url}: the connection broke {ATTEMPTS} times", "run the same command again: it continues")


@contextlib.contextmanager
def _alone(partial: Path) -> Iterator[IO[bytes]]:
    """The file, open to be appended to by this program only: another one that fetches it waits; none stays empty."""
    while True:
        handle = partial.open("ab")
        fcntl.flock(handle, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle.fileno()), partial.stat()):
                break
        handle.close()  # whoever held it has finished or given up
    with handle:
        try:
            yield handle
        finally:
            handle.flush()
            if not os.fstat(handle.fileno()).st_size:
                partial.unlink(missing_ok=True)


class _Interrupted(Exception):
    """The connection broke in mid-file."""


def _stream(url: str, start: int, timeout_s: float, limit: int | None = None) -> tuple[int, Iterable[bytes]]:
    """Open `url` from byte `start`; where the answer really starts, and its blocks."""
    request = urllib.request.Request(url, headers={"User-Agent": "ecgdeploy"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response = urllib.request.urlopen(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        if error.code == 416 and start:  # the part is longer than the file: begin again
            return _stream(url, 0, timeout_s, limit)
        raise DataError(f"{url}: the server answers {error.code} {error.reason}", "check the address") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise Unreachable(f"{url}: not reachable: {reason}", "check the network, or give a local copy") from None
    partial = response.status == 206
    if partial and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        response.close()
        return _stream(url, 0, timeout_s, limit)
    return (start if partial else 0), _blocks(response, limit, url)


def _blocks(response: http.client.HTTPResponse, limit: int | None, url: str) -> Iterable[bytes]:
    length = response.headers.get("Content-Length")
    got = 0
    with response:
        while True:
            try:
                block = response.read(CHUNK_BYTES)
            except (OSError, http.client.HTTPException):
                raise _Interrupted from None
            if not block:
                break
            got += len(block)
            if limit is not None and got > limit:
                raise DataError(f"{url}: more than {limit} bytes", "check the address")
            yield block
    if length is not None and length.isdigit() and got < int(length):
        raise _Interrupted

