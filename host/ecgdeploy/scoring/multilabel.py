"""Scores of a classifier with several statements a record, as in PTB-XL: AUC, average precision, F1, Fmax.

Definitions: area under the ROC curve with ties counted half (Hanley and McNeil 1982); average precision as
scikit-learn defines it; Fmax sample-centric, as Strodthoff et al. (IEEE JBHI 25:1519, 2021) took it from CAFA
(Radivojac et al., Nature Methods 10:221, 2013).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecgdeploy.errors import DataError, unknown
from ecgdeploy.scoring.values import nan_mean, plain, ratio


@dataclass(frozen=True)
class StatementScore:
    """One statement (class) of a report; an undefined figure is NaN.

    Attributes
    ----------
    name : str
    positives, examples : int
        Records with the statement, and records whose label is known.
    auc, average_precision : float
        NaN unless both positive and negative records are there (average precision: unless a positive is there).
    sensitivity, positive_predictivity, f1 : float
        At the threshold; NaN where there is nothing to divide by (`f1`: no positive and none predicted).
    """

    name: str
    positives: int
    examples: int
    auc: float
    average_precision: float
    sensitivity: float
    positive_predictivity: float
    f1: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; NaN becomes None."""
        return plain(self)


@dataclass(frozen=True)
class MultilabelReport:
    """Scores of one multi-label classifier; macro figures are means over the classes that define them.

    Attributes
    ----------
    classes : tuple of str
    examples : int
    per_class : tuple of StatementScore
    macro_auc, macro_average_precision, macro_f1 : float
    fmax, fmax_threshold : float
        Sample-centric Fmax over all classes, and the threshold that gives it.
    tasks : mapping of str to float
        Macro AUC of each task (group of classes), such as PTB-XL's diagnostic, form and rhythm statements.
    threshold : float
        A statement is called at scores of at least this.
    """

    classes: tuple[str, ...]
    examples: int
    per_class: tuple[StatementScore, ...]
    macro_auc: float
    macro_average_precision: float
    macro_f1: float
    fmax: float
    fmax_threshold: float
    tasks: Mapping[str, float]
    threshold: float

    def __getitem__(self, name: str) -> StatementScore:
        """The score of class `name`; KeyError when there is no such class."""
        for score in self.per_class:
            if score.name == name:
                return score
        raise KeyError(name)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; NaN becomes None."""
        return plain(self)


def roc_auc(targets: Any, scores: Any) -> float:
    """Area under the ROC curve of one class; tied scores count half.

    Parameters
    ----------
    targets : 0/1 array [n]
    scores : float array [n]

    Returns
    -------
    float
        NaN when one of the two classes is absent.

    Raises
    ------
    DataError
        When a score is NaN, or the lengths differ.
    """
    labels, values = _column(targets, scores)
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = _ranks(values)
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def average_precision(targets: Any, scores: Any) -> float:
    """Average precision of one class: the sum of precision times the gain in recall over the distinct scores.

    Returns NaN when no example is positive; raises `DataError` as `roc_auc` does.
    """
    labels, values = _column(targets, scores)
    if not labels.any():
        return float("nan")
    order = np.argsort(-values, kind="stable")
    sorted_scores = values[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(sorted_scores)), len(values) - 1)
    found = np.cumsum(labels[order])[last_of_tie]
    precision = found / (last_of_tie + 1)
    return float(np.sum(np.diff(found, prepend=0) * precision) / found[-1])


def macro_auc(targets: Any, scores: Any) -> float:
    """Mean AUC over the classes (columns) of which both positive and negative examples are there; NaN if none."""
    labels, values = _matrix(targets, scores)
    return nan_mean([roc_auc(*_known(labels[:, k], values[:, k])) for k in range(labels.shape[1])])


def fmax(targets: Any, scores: Any) -> tuple[float, float]:
    """Sample-centric Fmax: the best harmonic mean of precision and recall over all thresholds.

    At a threshold t, precision is averaged over the examples with at least one score >= t, recall over the examples
    with at least one label.

    Parameters
    ----------
    targets : 0/1 array [n, classes]
    scores : float array [n, classes]

    Returns
    -------
    tuple of float
        Fmax and its threshold (the highest, when several give it); NaN when there is no label at all.
    """
    labels, values = _matrix(targets, scores)
    labelled = np.nan_to_num(labels).astype(bool)
    total = labelled.sum(axis=1)
    with_label = int((total > 0).sum())
    if not with_label:
        return float("nan"), float("nan")
    order = np.argsort(-values, axis=None, kind="stable")
    order = order[~np.isnan(labels.ravel()[order])]
    flat = values.ravel()[order]
    rows, hits = (order // values.shape[1]).tolist(), labelled.ravel()[order].tolist()
    last_of_tie = np.append(np.diff(flat) != 0, True).tolist()
    called = [0] * len(values)
    right = [0] * len(values)
    labels_of = total.tolist()
    examples = 0
    precisions = recalls = 0.0
    best, threshold = 0.0, float(flat[0])
    for k, row in enumerate(rows):
        before = right[row] / called[row] if called[row] else 0.0
        examples += not called[row]
        called[row] += 1
        if hits[k]:
            right[row] += 1
            recalls += 1 / labels_of[row]
        precisions += right[row] / called[row] - before
        if last_of_tie[k]:
            precision, recall = precisions / examples, recalls / with_label
            score = 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
            if score > best + 1e-15:
                best, threshold = score, float(flat[k])
    return best, threshold


def multilabel_report(
    targets: Any,
    scores: Any,
    classes: Sequence[str],
    *,
    threshold: float = 0.5,
    tasks: Mapping[str, Sequence[str]] | None = None,
) -> MultilabelReport:
    """Score statement probabilities against reference statements.

    Parameters
    ----------
    targets : 0/1 array [n, classes]
        NaN where a label is unknown: the example then does not count for that class.
    scores : float array [n, classes]
        Higher means more likely.
    classes : sequence of str
    threshold : float
        Scores of at least this call the statement. Choose it on validation data.
    tasks : mapping of str to sequence of str, optional
        Groups of classes whose macro AUC is wanted.

    Returns
    -------
    MultilabelReport

    Raises
    ------
    DataError
        When shapes disagree, a label is neither 0, 1 nor NaN, or a score is NaN.
    """
    labels, values = _matrix(targets, scores)
    if labels.shape[1] != len(classes):
        raise DataError(f"{labels.shape[1]} columns for {len(classes)} classes", "give one column a class")
    per_class = []
    for k, name in enumerate(classes):
        known, column = _known(labels[:, k], values[:, k])
        truth, called = known.astype(bool), column >= threshold
        correct, positives, predicted = int((truth & called).sum()), int(truth.sum()), int(called.sum())
        per_class.append(
            StatementScore(
                name=str(name),
                positives=positives,
                examples=len(known),
                auc=roc_auc(known, column),
                average_precision=average_precision(known, column),
                sensitivity=ratio(correct, positives),
                positive_predictivity=ratio(correct, predicted),
                f1=ratio(2 * correct, positives + predicted),
            )
        )
    by_name = {score.name: score for score in per_class}
    for members in (tasks or {}).values():
        for name in members:
            if name not in by_name:
                raise unknown("class", name, by_name)
    best, best_threshold = fmax(labels, values)
    return MultilabelReport(
        classes=tuple(by_name),
        examples=len(labels),
        per_class=tuple(per_class),
        macro_auc=nan_mean([score.auc for score in per_class]),
        macro_average_precision=nan_mean([score.average_precision for score in per_class]),
        macro_f1=nan_mean([score.f1 for score in per_class]),
        fmax=best,
        fmax_threshold=best_threshold,
        tasks={task: nan_mean([by_name[name].auc for name in members]) for task, members in (tasks or {}).items()},
        threshold=threshold,
    )


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, ties sharing their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def _column(targets: Any, scores: Any) -> tuple[np.ndarray, np.ndarray]:
    labels, values = np.asarray(targets), np.asarray(scores, dtype=np.float64)
    if labels.shape != values.shape or labels.ndim != 1:
        raise DataError(f"targets {labels.shape} and scores {values.shape}", "give one score an example")
    _check(labels.astype(np.float64), values, allow_unknown=False)
    return labels.astype(bool), values


def _matrix(targets: Any, scores: Any) -> tuple[np.ndarray, np.ndarray]:
    labels, values = np.asarray(targets, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if labels.shape != values.shape or labels.ndim != 2:
        raise DataError(f"targets {labels.shape} and scores {values.shape}", "give both as [examples, classes]")
    _check(labels, values, allow_unknown=True)
    return labels, values


def _check(labels: np.ndarray, values: np.ndarray, allow_unknown: bool) -> None:
    valid = (labels == 0) | (labels == 1) | (np.isnan(labels) & allow_unknown)
    if not valid.all():
        raise DataError("targets hold values other than 0 and 1", "give a 0/1 matrix, NaN where a label is unknown")
    if np.isnan(values).any():
        raise DataError(f"{int(np.isnan(values).sum())} of the scores are NaN", "the model failed there: look at it")


def _known(labels: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = ~np.isnan(labels)
    return labels[known], values[known]
