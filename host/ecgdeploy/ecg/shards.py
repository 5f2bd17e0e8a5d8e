"""Examples on disk: ``.npy`` files of bounded size, mapped one at a time, so that memory does not grow with data."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.errors import DataError
from ecgdeploy.provenance import write_atomic

INDEX = "index.json"
SHARD_BYTES = 16 << 20


def write_shards(
    folder: Path, shape: tuple[int, int], blocks: Iterable[np.ndarray], shard_bytes: int = SHARD_BYTES
) -> None:
    """Write examples as shards; the folder appears whole or not at all.

    Parameters
    ----------
    folder : Path
        Afterwards holds ``index.json`` and ``part-NNNNN.npy``.
    shape : (samples, leads)
        Of one example.
    blocks : iterable of float32 [n, samples, leads] or [samples, leads]
        Taken one at a time.
    shard_bytes : int
        A shard holds at least one example and otherwise at most so many bytes.
    """
    rows = max(1, shard_bytes // (4 * shape[0] * shape[1]))
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=folder.name + ".", dir=folder.parent))
    try:
        buffer = np.empty((rows, *shape), np.float32)
        sizes: list[int] = []
        filled = 0

        def flush() -> None:
            nonlocal filled
            if filled:
                np.save(work / _part(len(sizes)), buffer[:filled])
                sizes.append(filled)
                filled = 0

        for block in blocks:
            for example in block if block.ndim == 3 else block[None]:
                if example.shape != shape:
                    raise DataError(f"an example of shape {example.shape} among {shape}", "pad or crop them alike")
                buffer[filled] = example
                filled += 1
                if filled == rows:
                    flush()
        flush()
        write_atomic(work / INDEX, json.dumps({"shape": list(shape), "sizes": sizes}) + "\n")
        try:
            work.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster, with the same content
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write a ``.npz`` file whole or not at all, whoever else writes or reads it."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_atomic(path, buffer.getvalue())


def _part(number: int) -> str:
    return f"part-{number:05d}.npy"


class ShardedArray:
    """Shards that read like one float32 array [n, samples, leads]: by number, slice or array of numbers.

    At most one shard is mapped at a time. `transform` is applied to what is read.
    """

    ndim = 3
    dtype = np.dtype(np.float32)

    def __init__(self, folder: Path, transform: Callable[[np.ndarray], np.ndarray] | None = None) -> None:
        try:
            index = json.loads((folder / INDEX).read_text())
            sizes, shape = [int(size) for size in index["sizes"]], tuple(int(size) for size in index["shape"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{folder} holds no complete shards", "delete the folder; it is made again") from error
        self.folder = folder
        self.shape = (sum(sizes), *shape)
        self.transform = transform
        self._starts = np.cumsum([0, *sizes])
        self._open: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        rows = np.asarray(rows)
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        if rows.ndim == 0:
            return self[rows[None]][0]
        rows = np.where(rows < 0, rows + len(self), rows)
        if len(rows) and (rows.min() < 0 or rows.max() >= len(self)):
            raise IndexError(f"row {rows.max()} of {len(self)}")
        out = np.empty((len(rows), *self.shape[1:]), np.float32)
        owner = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(owner):
            here = owner == number
            out[here] = self._shard(int(number))[rows[here] - self._starts[number]]
        return self.transform(out) if self.transform else out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or np.float32, copy=False)

    def _shard(self, number: int) -> np.ndarray:
        if self._open is None or self._open[0] != number:
            self._open = None  # unmap the one before
            try:
                self._open = (number, np.load(self.folder / _part(number), mmap_mode="r"))
            except (OSError, ValueError) as error:
                path = self.folder / _part(number)
                raise DataError(f"{path} is damaged", "delete the folder; it is made again") from error
        return self._open[1]
