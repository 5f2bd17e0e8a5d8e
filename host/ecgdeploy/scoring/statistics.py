"""How sure a difference is: bootstrap intervals, and the tests that papers on ECG models report.

Bootstrap: Efron and Tibshirani (1993), percentile intervals, patients (not records) drawn where groups are given.
Friedman's test and Wilcoxon's signed-rank test with Holm's correction compare models over data sets or classes
(Demsar, JMLR 7:1, 2006); the Kolmogorov-Smirnov test compares two distributions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecgdeploy.errors import DataError
from ecgdeploy.scoring.values import plain


@dataclass(frozen=True)
class Interval:
    """A figure with its bootstrap percentile interval.

    Attributes
    ----------
    estimate : float
        On all examples.
    low, high : float
        Percentiles of the resampled figures; NaN when none was defined.
    confidence : float
        Such as 0.95.
    resamples, undefined : int
        Resamples drawn, and those among them in which the figure was undefined (left out).
    """

    estimate: float
    low: float
    high: float
    confidence: float
    resamples: int
    undefined: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; NaN becomes None."""
        return plain(self)


@dataclass(frozen=True)
class PairedDifference:
    """Difference of two models on the same examples (first less second), resampled in pairs.

    `p_value` is two-sided: twice the smaller share of resamples on either side of zero, with one added to both counts.
    """

    first: float
    second: float
    difference: Interval
    p_value: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; NaN becomes None."""
        return plain(self)


@dataclass(frozen=True)
class TestResult:
    """Statistic and p-value of a test; NaN when it is undefined."""

    statistic: float
    p_value: float

    # pytest must not take the name for a test class
    __test__ = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; NaN becomes None."""
        return plain(self)


@dataclass(frozen=True)
class PairwiseResult:
    """One pair of models: Wilcoxon's statistic, its p-value, and the p-value after Holm's correction."""

    first: str
    second: str
    statistic: float
    p_value: float
    adjusted: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; NaN becomes None."""
        return plain(self)


def bootstrap(
    metric: Callable[..., float],
    *arrays: Any,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    groups: Any = None,
) -> Interval:
    """Percentile bootstrap interval of a figure.

    Parameters
    ----------
    metric : callable
        Takes the arrays (resampled along the first axis), returns a number; NaN when undefined.
    *arrays : array [n, ...]
        Resampled together.
    resamples : int
    confidence : float
    seed : int
        The same seed gives the same interval.
    groups : array [n], optional
        Patient of each example: whole patients are then drawn.

    Returns
    -------
    Interval
    """
    data, count = _arrays(arrays)
    _check_settings(resamples, confidence)
    figures = [float(metric(*(a[rows] for a in data))) for rows in _draws(count, resamples, seed, groups)]
    return _interval(float(metric(*data)), figures, confidence)


def paired_bootstrap(
    metric: Callable[[Any, Any], float],
    targets: Any,
    first: Any,
    second: Any,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    groups: Any = None,
) -> PairedDifference:
    """Bootstrap interval of the difference between two models on the same examples.

    Parameters
    ----------
    metric : callable
        ``metric(targets, answers)``.
    targets, first, second : array [n, ...]
        Reference, and the answers of the two models.
    resamples, confidence, seed, groups
        As for `bootstrap`.

    Returns
    -------
    PairedDifference
    """
    data, count = _arrays((targets, first, second))
    _check_settings(resamples, confidence)
    truth, one, two = data
    figures = [
        float(metric(truth[rows], one[rows])) - float(metric(truth[rows], two[rows]))
        for rows in _draws(count, resamples, seed, groups)
    ]
    score_one, score_two = float(metric(truth, one)), float(metric(truth, two))
    defined = [figure for figure in figures if not math.isnan(figure)]
    below = sum(figure <= 0 for figure in defined) + 1
    above = sum(figure >= 0 for figure in defined) + 1
    p_value = min(1.0, 2 * min(below, above) / (len(defined) + 1)) if defined else math.nan
    return PairedDifference(score_one, score_two, _interval(score_one - score_two, figures, confidence), p_value)


def kolmogorov_smirnov(first: Any, second: Any) -> TestResult:
    """Two-sample, two-sided Kolmogorov-Smirnov test of two sets of numbers [n], [m]."""
    from scipy import stats

    one, two = _finite("first", first), _finite("second", second)
    result = stats.ks_2samp(one, two)
    return TestResult(float(result.statistic), float(result.pvalue))


def friedman(scores: Any) -> TestResult:
    """Friedman's test (corrected for ties) of scores [blocks, models]: do the models rank the same?

    Raises
    ------
    DataError
        With fewer than three models or two blocks, or a score that is no number.
    """
    from scipy import stats

    table = _table(scores)
    blocks, models = table.shape
    if models < 3 or blocks < 2:
        raise DataError(f"Friedman's test of {models} models in {blocks} blocks", "it needs three models, two blocks")
    ranks = np.apply_along_axis(stats.rankdata, 1, table)
    ties = sum(float((counts**3 - counts).sum()) for counts in (np.unique(r, return_counts=True)[1] for r in ranks))
    correction = 1 - ties / (blocks * models * (models**2 - 1))
    if correction == 0:
        return TestResult(math.nan, math.nan)
    squares = float((ranks.sum(axis=0) ** 2).sum())
    statistic = (12 * squares / (blocks * models * (models + 1)) - 3 * blocks * (models + 1)) / correction
    return TestResult(statistic, float(stats.chi2.sf(statistic, models - 1)))


def wilcoxon(first: Any, second: Any) -> TestResult:
    """Wilcoxon's signed-rank test of paired numbers [n], two-sided; pairs without a difference are left out.

    Two identical columns give p = 1.
    """
    from scipy import stats

    one, two = _finite("first", first), _finite("second", second)
    if one.shape != two.shape:
        raise DataError(f"{len(one)} numbers paired with {len(two)}", "give pairs")
    if np.array_equal(one, two):
        return TestResult(0.0, 1.0)
    result = stats.wilcoxon(one, two)
    return TestResult(float(result.statistic), float(result.pvalue))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down adjustment of p-values (Holm, Scand J Stat 6:65, 1979); NaN stays NaN and does not count."""
    values = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(values), math.nan)
    order = [int(k) for k in np.argsort(values, kind="stable") if not math.isnan(values[k])]
    largest = 0.0
    for rank, k in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * float(values[k])))
        adjusted[k] = largest
    return tuple(adjusted.tolist())


def wilcoxon_holm(scores: Mapping[str, Any]) -> tuple[PairwiseResult, ...]:
    """Wilcoxon's test of every pair of models, with Holm's correction.

    Parameters
    ----------
    scores : mapping of str to float array [blocks]
        Model -> its score in each block (data set, fold or class).

    Returns
    -------
    tuple of PairwiseResult
        In the order of the mapping.
    """
    pairs = list(itertools.combinations(scores, 2))
    tests = [wilcoxon(scores[one], scores[two]) for one, two in pairs]
    adjusted = holm([test.p_value for test in tests])
    return tuple(
        PairwiseResult(one, two, test.statistic, test.p_value, p)
        for (one, two), test, p in zip(pairs, tests, adjusted, strict=True)
    )


def _arrays(arrays: Sequence[Any]) -> tuple[list[np.ndarray], int]:
    data = [np.asarray(array) for array in arrays]
    lengths = {len(array) for array in data}
    if len(lengths) != 1 or 0 in lengths:
        raise DataError(f"arrays of {sorted(lengths)} examples", "resampling needs arrays of one length, not empty")
    return data, lengths.pop()


def _check_settings(resamples: int, confidence: float) -> None:
    if resamples < 1 or not 0 < confidence < 1:
        raise DataError(f"{resamples} resamples at confidence {confidence}", "use at least one, and a share below 1")


def _draws(count: int, resamples: int, seed: int, groups: Any) -> Any:
    rng = np.random.default_rng(seed)
    if groups is None:
        for _ in range(resamples):
            yield rng.integers(0, count, count)
        return
    labels = np.asarray(groups)
    if labels.shape != (count,):
        raise DataError(f"{labels.shape} groups for {count} examples", "give each example its patient")
    _, inverse = np.unique(labels, return_inverse=True)
    members = np.split(np.argsort(inverse, kind="stable"), np.cumsum(np.bincount(inverse))[:-1])
    for _ in range(resamples):
        yield np.concatenate([members[k] for k in rng.integers(0, len(members), len(members))])


def _interval(estimate: float, figures: Sequence[float], confidence: float) -> Interval:
    values = np.asarray(figures, dtype=np.float64)
    defined = values[~np.isnan(values)]
    low = high = math.nan
    if defined.size:
        low, high = (float(x) for x in np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2]))
    return Interval(estimate, low, high, confidence, len(values), int(len(values) - defined.size))


def _finite(name: str, values: Any) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise DataError(f"the {name} numbers are empty or hold NaN", "give a list of finite numbers")
    return array


def _table(scores: Any) -> np.ndarray:
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or not np.isfinite(table).all():
        raise DataError("scores must be finite numbers [blocks, models]", "leave out blocks with undefined scores")
    return table
