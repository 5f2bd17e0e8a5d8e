"""Training data on disk: plain ``.npy`` shards, memory-mapped, so that a run's memory does not grow with its data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.errors import DataError
from ecgdeploy.provenance import sha256_file, write_atomic

INDEX = "index.json"
PERSON = "person.npy"
#: one shard stays near this size, so that writing one never needs more memory than that
SHARD_BYTES = 64 << 20


@dataclass(frozen=True)
class Shards:
    """A written set of windows.

    Attributes
    ----------
    folder : Path
        Holds ``index.json``, ``inputs-NNN.npy`` (float32 [n, samples, leads]) and ``targets.npy``.
    sizes : tuple of int
        Windows in each shard.
    sha256 : str
        Hash over all files' hashes.
    """

    folder: Path
    sizes: tuple[int, ...]
    classes: tuple[str, ...]
    record_ids: np.ndarray
    targets: np.ndarray
    sha256: str
    person: np.ndarray | None = None

    def __len__(self) -> int:
        return sum(self.sizes)

    @property
    def inputs(self) -> ShardedArray:
        """The windows, memory-mapped: [n, samples, leads] float32."""
        return ShardedArray([np.load(self.folder / _shard(i), mmap_mode="r") for i in range(len(self.sizes))])


class ShardedArray:
    """Several memory-mapped arrays that index like one: by slice or by an array of row numbers."""

    def __init__(self, parts: Sequence[np.ndarray]) -> None:
        self.parts = list(parts)
        self.starts = np.cumsum([0] + [len(p) for p in self.parts])
        self.shape = (int(self.starts[-1]), *self.parts[0].shape[1:])
        self.dtype = self.parts[0].dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        rows = np.asarray(rows)
        if rows.ndim == 0:
            return self[rows[None]][0]
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        owner = np.searchsorted(self.starts, rows, side="right") - 1
        for part in np.unique(owner):
            here = owner == part
            out[here] = self.parts[part][rows[here] - self.starts[part]]
        return out


def _shard(index: int) -> str:
    return f"inputs-{index:03d}.npy"


def write(view: Any, folder: Path, shard_bytes: int = SHARD_BYTES) -> Shards:
    """Write a view (anything with `inputs`, `targets`, `classes`, `record_ids`, `person`) as shards, the index last."""
    folder.mkdir(parents=True, exist_ok=True)
    count = len(view.inputs)
    row = int(np.prod(view.inputs.shape[1:])) * 4
    per_shard = max(1, shard_bytes // max(row, 1))
    sizes, hashes = [], {}
    for index, start in enumerate(range(0, count, per_shard)):
        block = np.asarray(view.inputs[start : start + per_shard], dtype=np.float32)
        np.save(folder / _shard(index), block)
        sizes.append(len(block))
        hashes[_shard(index)] = sha256_file(folder / _shard(index))
    np.save(folder / "targets.npy", np.asarray(view.targets))
    np.save(folder / "records.npy", np.asarray(view.record_ids).astype(str))
    small = ["targets.npy", "records.npy"]
    if view.person is not None:
        np.save(folder / PERSON, view.person)
        small.append(PERSON)
    for name in small:
        hashes[name] = sha256_file(folder / name)
    index_content = {"sizes": sizes, "classes": list(view.classes), "sha256": hashes}
    write_atomic(folder / INDEX, json.dumps(index_content, indent=2, sort_keys=True) + "\n")
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
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} holds no complete shards", "delete it and run again") from error
    digest = hashlib.sha256("".join(f"{k}{v}" for k, v in sorted(index["sha256"].items())).encode()).hexdigest()
    return Shards(folder, tuple(index["sizes"]), tuple(index["classes"]), records, targets, digest, person)
