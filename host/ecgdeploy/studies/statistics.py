"""The paper's tests, and paired bootstrap intervals for a difference of macro AUC."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ecgdeploy import scoring
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
    friedman = scoring.friedman(table.T).p_value if len(names) > 2 else float("nan")
    pairs = list(combinations(range(len(names)), 2))
    corrected = scoring.holm([scoring.wilcoxon(table[a], table[b]).p_value for a, b in pairs])
    named = {(names[a], names[b]): float(p) for (a, b), p in zip(pairs, corrected, strict=True)}
    return Paired(normality, friedman, named, table.shape[1])


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
    found = scoring.paired_bootstrap(
        _macro_auc, targets, second, first, resamples=rounds, seed=seed, groups=records
    ).difference
    return found.estimate, found.low, found.high


def _macro_auc(targets: np.ndarray, probabilities: np.ndarray) -> float:
    return float(np.nanmean(class_auc(targets, probabilities)))
