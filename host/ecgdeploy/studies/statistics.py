"""The paper's tests, and paired bootstrap intervals for a difference of macro AUC."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ecgdeploy.training.figures import class_auc


@dataclass(frozen=True)
class Paired:
    """Tests of several treatments on the same subjects.

    Attributes
    ----------
    normality : dict
        Treatment -> p of the Kolmogorov-Smirnov test against a normal distribution.
    friedman : float
        p that all treatments are alike.
    pairs : dict
        (a, b) -> Wilcoxon signed-rank p after Holm's correction.
    subjects : int
    """

    normality: dict[str, float]
    friedman: float
    pairs: dict[tuple[str, str], float]
    subjects: int


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down correction (Holm 1979): adjusted p values [m]."""
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(np.asarray(p)[order] * (len(p) - np.arange(len(p))))
    out = np.empty(len(p))
    out[order] = np.minimum(adjusted, 1.0)
    return out


def compare(values: dict[str, np.ndarray]) -> Paired:
    """Kolmogorov-Smirnov, Friedman, then Wilcoxon pairs with Holm's correction, as in Rajotte et al., section III-D.

    Parameters
    ----------
    values : dict
        Treatment -> float [subjects]; subjects with a NaN anywhere are left out.
    """
    from scipy import stats

    names = list(values)
    table = np.stack([np.asarray(values[name], float) for name in names])
    table = table[:, np.isfinite(table).all(axis=0)]
    normality = {}
    for name, row in zip(names, table, strict=True):
        spread = row.std(ddof=1)
        normality[name] = float(stats.kstest((row - row.mean()) / spread, "norm").pvalue) if spread > 0 else 0.0
    friedman = float(stats.friedmanchisquare(*table).pvalue) if len(names) > 2 else float("nan")
    pairs = list(combinations(range(len(names)), 2))
    raw = np.array([_wilcoxon(table[a] - table[b]) for a, b in pairs])
    corrected = holm(raw)
    named = {(names[a], names[b]): float(p) for (a, b), p in zip(pairs, corrected, strict=True)}
    return Paired(normality, friedman, named, table.shape[1])


def _wilcoxon(difference: np.ndarray) -> float:
    from scipy import stats

    return float(stats.wilcoxon(difference).pvalue) if np.any(difference) else 1.0


def bootstrap_macro_auc(
    targets: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    rounds: int = 1000,
    seed: int = 0,
    records: np.ndarray | None = None,
) -> tuple[float, float, float]:
    """Macro AUC of `second` less that of `first`, with its 95 % interval: paired bootstrap over the records.

    Parameters
    ----------
    targets : 0/1 [n, classes] or int [n]
    first, second : float [n, classes]
        Probabilities of two models for the same examples.
    records : [n], optional
        Record of each example, where a record has several: whole records are drawn, as their beats are alike.

    Returns
    -------
    difference, low, high : float
        A class is left out of a resample that has only one kind of target for it.
    """
    rng = np.random.default_rng(seed)
    differences = np.empty(rounds)
    names = np.arange(len(targets)) if records is None else np.asarray(records)
    order = np.argsort(names, kind="stable")
    blocks = np.split(order, np.flatnonzero(np.diff(np.unique(names, return_inverse=True)[1][order])) + 1)
    for index in range(rounds):
        rows = np.concatenate([blocks[i] for i in rng.integers(0, len(blocks), len(blocks))])
        a, b = class_auc(targets[rows], first[rows]), class_auc(targets[rows], second[rows])
        differences[index] = np.nanmean(b) - np.nanmean(a)
    observed = float(np.nanmean(class_auc(targets, second)) - np.nanmean(class_auc(targets, first)))
    low, high = np.quantile(differences, (0.025, 0.975))
    return observed, float(low), float(high)
