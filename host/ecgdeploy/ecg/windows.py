"""Windows of fixed length around beats."""

from __future__ import annotations

import numpy as np

from ecgdeploy.errors import DataError


def beat_windows(lead: np.ndarray, positions: np.ndarray, length: int) -> np.ndarray:
    """Cut a window around each beat; the beat stands at index ``length // 2``.

    A window that reaches beyond the record repeats the first or last sample, so that no beat is lost.

    Parameters
    ----------
    lead : float32 [samples]
        In millivolts, without gaps.
    positions : int64 [n]
        Sample of each beat.
    length : int
        Samples a window.

    Returns
    -------
    float32 [n, length]
    """
    if lead.size == 0 or length < 1:
        raise DataError(f"cannot cut windows of {length} samples from {lead.size}", "check the record")
    offsets = np.arange(length) - length // 2
    index = np.clip(np.asarray(positions, np.int64)[:, None] + offsets, 0, lead.size - 1)
    return lead[index].astype(np.float32, copy=False)


def centre(windows: np.ndarray) -> np.ndarray:
    """Subtract each window's mean: float32 [n, samples] in and out.

    The sum runs over the samples in order and in float32, as the loop of a device does (and not pairwise, as
    ``numpy.mean``), so that host and device agree in every bit.
    """
    count = np.float32(windows.shape[1])
    sums = np.cumsum(windows, axis=1, dtype=np.float32)[:, -1:]
    return windows - sums / count


def spaced(count: int, limit: int | None) -> np.ndarray:
    """Indices of at most `limit` of `count` items, evenly spaced from the first to the last."""
    if limit is None or limit >= count:
        return np.arange(count)
    return np.linspace(0, count - 1, max(limit, 0)).round().astype(np.int64)
