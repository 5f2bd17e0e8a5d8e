"""What a classifier with one class an example got right: confusion matrix, Se, +P, F1, accuracy.

Sensitivity (Se) and positive predictivity (+P) are the field's names for recall and precision (ANSI/AAMI EC57).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecgdeploy.errors import DataError
from ecgdeploy.scoring.values import nan_mean, plain, ratio


@dataclass(frozen=True)
class ClassScore:
    """One class of a report; an undefined figure is NaN.

    Attributes
    ----------
    name : str
        The class.
    support, predicted, correct : int
        Examples of the class, examples called so, and examples of the class called so.
    sensitivity, positive_predictivity, f1 : float
        In [0, 1]. `sensitivity` is NaN without support, `positive_predictivity` NaN when the class was never
        predicted, `f1` NaN only when both hold.
    """

    name: str
    support: int
    predicted: int
    correct: int
    sensitivity: float
    positive_predictivity: float
    f1: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; NaN becomes None."""
        return plain(self)


@dataclass(frozen=True)
class ClassificationReport:
    """Scores of one classifier on one set of examples.

    Attributes
    ----------
    classes : tuple of str
        The classes, in the order of the matrix.
    confusion : tuple of tuple of int
        Rows are the reference, columns the predictions.
    per_class : tuple of ClassScore
        One entry a class.
    examples : int
        Number of examples.
    accuracy : float
        Share of examples called right; NaN without examples.
    macro_f1 : float
        Mean F1 over the classes for which it is defined (a class neither present nor predicted does not count).
    """

    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    per_class: tuple[ClassScore, ...]
    examples: int
    accuracy: float
    macro_f1: float

    def __getitem__(self, name: str) -> ClassScore:
        """The score of class `name`; KeyError when there is no such class."""
        for score in self.per_class:
            if score.name == name:
                return score
        raise KeyError(name)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; NaN becomes None."""
        return plain(self)


def confusion_matrix(targets: Any, predictions: Any, classes: int) -> np.ndarray:
    """Count (reference, prediction) pairs.

    Parameters
    ----------
    targets, predictions : int array [n]
        Class indices in [0, classes).
    classes : int
        Number of classes.

    Returns
    -------
    int64 array [classes, classes]
        Rows are the reference, columns the predictions.

    Raises
    ------
    DataError
        When lengths differ, or an index is not a whole number in range.
    """
    reference, predicted = _indices("targets", targets, classes), _indices("predictions", predictions, classes)
    if len(reference) != len(predicted):
        raise DataError(
            f"{len(reference)} targets but {len(predicted)} predictions", "score the examples that were predicted"
        )
    return np.bincount(reference * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def classification_report(targets: Any, predictions: Any, classes: Sequence[str]) -> ClassificationReport:
    """Score predicted classes against reference classes.

    Parameters
    ----------
    targets, predictions : int array [n]
        Indices into `classes`.
    classes : sequence of str
        Class names; classes without examples or predictions are allowed.

    Returns
    -------
    ClassificationReport

    Raises
    ------
    DataError
        When lengths differ or an index is out of range.

    Examples
    --------
    >>> report = classification_report([0, 0, 1, 2], [0, 1, 1, 1], ["N", "S", "V"])
    >>> report.accuracy, report["S"].positive_predictivity
    (0.5, 0.3333333333333333)
    """
    return classification_report_from_counts(confusion_matrix(targets, predictions, len(classes)), classes)


def classification_report_from_counts(confusion: Any, classes: Sequence[str]) -> ClassificationReport:
    """Score a confusion matrix (rows the reference); see `classification_report`."""
    matrix = np.asarray(confusion, dtype=np.int64)
    if matrix.shape != (len(classes), len(classes)):
        raise DataError(
            f"a confusion matrix of shape {matrix.shape} for {len(classes)} classes", "give one row and column a class"
        )
    supports, predicted, correct = matrix.sum(axis=1), matrix.sum(axis=0), np.diag(matrix)
    scores = tuple(
        ClassScore(
            name=str(name),
            support=int(supports[k]),
            predicted=int(predicted[k]),
            correct=int(correct[k]),
            sensitivity=ratio(correct[k], supports[k]),
            positive_predictivity=ratio(correct[k], predicted[k]),
            f1=ratio(2 * correct[k], supports[k] + predicted[k]),
        )
        for k, name in enumerate(classes)
    )
    return ClassificationReport(
        classes=tuple(str(name) for name in classes),
        confusion=tuple(tuple(int(count) for count in row) for row in matrix),
        per_class=scores,
        examples=int(matrix.sum()),
        accuracy=ratio(correct.sum(), matrix.sum()),
        macro_f1=nan_mean([score.f1 for score in scores]),
    )


def _indices(name: str, values: Any, classes: int) -> np.ndarray:
    array = np.asarray(values)
    if array.size == 0:
        return np.zeros(0, dtype=np.int64)
    if array.ndim != 1:
        raise DataError(f"{name} has shape {array.shape}, not [n]", "give one class index an example")
    whole = array.astype(np.int64) if np.all(np.isfinite(array)) else None
    if whole is None or not np.array_equal(whole, array):
        raise DataError(f"{name} holds values that are not class indices", "drop examples without a label first")
    if whole.min() < 0 or whole.max() >= classes:
        bad = int(whole.min() if whole.min() < 0 else whole.max())
        raise DataError(f"{name} holds class {bad}, but there are {classes} classes", "check the class list")
    return whole
