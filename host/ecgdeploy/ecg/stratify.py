"""Splits that keep the share of every class: iterative stratification, for one label a record or many.

Sechidis K, Tsoumakas G, Vlahavas I. On the stratification of multi-label data. ECML PKDD 2011, LNCS 6913:145-158,
figure 1. Here the unit is the patient: all records of one person go together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecgdeploy.errors import DataError


def stratify(labels: np.ndarray, patients: Sequence[str], shares: Sequence[float], seed: int) -> np.ndarray:
    """Deal records out to parts.

    Parameters
    ----------
    labels : 0/1 array [n, classes]
        For one label a record: its one-hot form. Records without any label are dealt out last, by size alone.
    patients : sequence of n str
    shares : sequence of float
        Sum to 1.
    seed : int
        Decides ties.

    Returns
    -------
    int64 [n]
        The part of each record.

    Raises
    ------
    DataError
        Shapes or shares that do not fit.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or len(labels) != len(patients):
        raise DataError(f"{labels.shape} labels for {len(patients)} records", "labels are [records, classes]")
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
        raise DataError(f"shares {tuple(shares)}", "shares are positive and sum to 1")
    names, unit = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    sizes = np.bincount(unit, minlength=len(names)).astype(float)
    counts = np.zeros((len(names), labels.shape[1]))
    np.add.at(counts, unit, labels.astype(float))
    part = _deal(counts, sizes, np.array(shares, float), np.random.default_rng(seed))
    return part[unit]


def _deal(counts: np.ndarray, sizes: np.ndarray, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Part of each unit; `counts` [units, classes] are its records of each class, `sizes` [units] all its records."""
    wanted = shares[:, None] * counts.sum(axis=0)  # [parts, classes]: still to come
    room = shares * sizes.sum()
    part = np.full(len(sizes), -1)
    order = rng.permutation(len(sizes))
    remaining = counts.sum(axis=0)
    while True:
        open_classes = np.flatnonzero(remaining > 0)
        if not len(open_classes):
            break
        rarest = open_classes[np.argmin(remaining[open_classes])]
        members = order[(part[order] == -1) & (counts[order, rarest] > 0)]
        # the largest families first: they are the hardest to place
        for member in members[np.argsort(-counts[members, rarest], kind="stable")]:
            best = _emptiest(wanted[:, rarest], room, rng)
            part[member] = best
            wanted[best] -= counts[member]
            room[best] -= sizes[member]
        remaining = counts[part == -1].sum(axis=0)
    for member in order[part[order] == -1]:
        best = _emptiest(room, room, rng)
        part[member] = best
        room[best] -= sizes[member]
    return part


def _emptiest(first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> int:
    """The part with the largest `first`, then the largest `second`, then by lot."""
    best = np.flatnonzero(first >= first.max() - 1e-9)
    best = best[second[best] >= second[best].max() - 1e-9]
    return int(rng.choice(best))


def one_hot(classes: Sequence[int], count: int) -> np.ndarray:
    """0/1 array [n, count] of class numbers; -1 gives a row of zeros."""
    index = np.asarray(classes, np.int64)
    out = np.zeros((len(index), count), np.uint8)
    known = index >= 0
    out[np.flatnonzero(known), index[known]] = 1
    return out
