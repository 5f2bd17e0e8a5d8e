"""A run's training windows on disk, so that its memory does not grow with its data: `ecg.shards` and the targets."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.ecg.shards import SHARD_BYTES, ShardedArray, write_shards
from ecgdeploy.errors import DataError
from ecgdeploy.provenance import sha256_file, write_atomic

INDEX = "index.json"
INPUTS = "inputs"
PERSON = "person.npy"
#: windows that are handled at once while they are written
BLOCK = 64


@dataclass(frozen=True)
class Shards:
    """A written set of windows.

    Attributes
    ----------
    folder : Path
        Holds ``index.json``, ``inputs/`` (float32 windows as `ecg.shards` writes them) and ``targets.npy``.
    sha256 : str
        Hash over all files' hashes.
    """

    folder: Path
    classes: tuple[str, ...]
    record_ids: np.ndarray
    targets: np.ndarray
    sha256: str
    person: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def inputs(self) -> ShardedArray:
        """The windows, one shard mapped at a time: [n, samples, leads] float32."""
        return ShardedArray(self.folder / INPUTS)


def write(view: Any, folder: Path, shard_bytes: int = SHARD_BYTES) -> Shards:
    """Write a view (anything with `inputs`, `targets`, `classes`, `record_ids`, `person`) as shards, the index last."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = (int(view.inputs.shape[1]), int(view.inputs.shape[2]))

    def blocks() -> Iterator[np.ndarray]:
        for start in range(0, len(view.inputs), BLOCK):
            yield np.asarray(view.inputs[start : start + BLOCK], np.float32)

    if (folder / INPUTS).exists():
        # of another task, or of a sitting that was killed before its index: the index vouches for what is here
        shutil.rmtree(folder / INPUTS)
    write_shards(folder / INPUTS, shape, blocks(), shard_bytes)
    np.save(folder / "targets.npy", np.asarray(view.targets))
    np.save(folder / "records.npy", np.asarray(view.record_ids).astype(str))
    small = ["targets.npy", "records.npy"]
    if view.person is not None:
        np.save(folder / PERSON, view.person)
        small.append(PERSON)
    paths = [*sorted((folder / INPUTS).glob("*.npy")), *(folder / name for name in small)]
    hashes = {path.relative_to(folder).as_posix(): sha256_file(path) for path in paths}
    index = {"classes": list(view.classes), "sha256": hashes}
    write_atomic(folder / INDEX, json.dumps(index, indent=2, sort_keys=True) + "\n")
    return read(folder)


def read(folder: Path) -> Shards:
    """Open written shards.

    Raises
    ------
    DataError
        Not a shard folder, or a file is missing.
    """
    try:
        index = json.loads((folder / INDEX).read_text())
        targets = np.load(folder / "targets.npy")
        records = np.load(folder / "records.npy")
        person = np.load(folder / PERSON) if PERSON in index["sha256"] else None
        ShardedArray(folder / INPUTS)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{folder} holds no complete shards", "delete it and run again") from error
    digest = hashlib.sha256("".join(f"{k}{v}" for k, v in sorted(index["sha256"].items())).encode()).hexdigest()
    return Shards(folder, tuple(index["classes"]), records, targets, digest, person)


def whole(folder: Path) -> Shards | None:
    """`read`, where every file is there as it was written; else None: they can be made again."""
    try:
        stored = read(folder)
        index = json.loads((folder / INDEX).read_text())
        same = all(sha256_file(folder / name) == digest for name, digest in index["sha256"].items())
    except (DataError, OSError):
        return None
    return stored if same else None
