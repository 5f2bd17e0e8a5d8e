"""Choosing decision thresholds, on validation data only: the view that is asked for cannot be a test set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ecgdeploy.ecg.views import ValidationView, for_choosing
from ecgdeploy.errors import DataError

DEFAULT = 0.5


@dataclass(frozen=True)
class Thresholds:
    """One threshold a class: a score at or above it says "present".

    Attributes
    ----------
    classes : tuple of str
    values : tuple of float
    f1 : tuple of float or None
        What each gave on the validation data; None where the class does not occur there and `DEFAULT` was kept.
    provenance : dict
        Of the validation view they were chosen on.
    """

    classes: tuple[str, ...]
    values: tuple[float, ...]
    f1: tuple[float | None, ...]
    provenance: dict[str, Any]

    def apply(self, scores: np.ndarray) -> np.ndarray:
        """Decisions, 0/1 of type uint8 [n, classes]."""
        scores = np.asarray(scores)
        if scores.ndim != 2 or scores.shape[1] != len(self.classes):
            raise DataError(f"scores of shape {scores.shape} for {len(self.classes)} thresholds", "one column a class")
        return (scores >= np.asarray(self.values, scores.dtype)).astype(np.uint8)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for a model card."""
        rows = zip(self.classes, self.values, self.f1, strict=True)
        return {
            "thresholds": {name: {"threshold": value, "validation_f1": f1} for name, value, f1 in rows},
            "chosen_on": self.provenance,
        }


def choose_thresholds(view: ValidationView, scores: np.ndarray) -> Thresholds:
    """For each class the threshold with the best F1 on the validation examples.

    Parameters
    ----------
    view : ValidationView
        With 0/1 targets [n, classes].
    scores : float [n, classes]
        The model's outputs for the view's examples.

    Raises
    ------
    DataError
        Another view (test data may choose nothing), shapes that do not fit, scores that are no numbers.
    """
    view = for_choosing(view)
    scores = np.asarray(scores)
    targets = np.asarray(view.targets)
    if targets.ndim != 2 or scores.shape != targets.shape:
        raise DataError(f"scores {scores.shape} for targets {targets.shape}", "both are [examples, classes]")
    if not np.isfinite(scores).all():
        raise DataError("scores that are no numbers", "check the model")
    chosen = [_best(targets[:, c] > 0, scores[:, c]) for c in range(targets.shape[1])]
    return Thresholds(view.classes, tuple(t for t, _ in chosen), tuple(f for _, f in chosen), dict(view.provenance))


def _best(truth: np.ndarray, scores: np.ndarray) -> tuple[float, float | None]:
    """Threshold and F1 of one class; of equal ones the highest threshold."""
    positives = int(truth.sum())
    if positives == 0:
        return DEFAULT, None
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(truth[order])
    called = np.arange(1, len(order) + 1)
    # a threshold calls all examples of equal score: only the last of a run of ties is one
    last = np.append(np.diff(scores[order]) != 0, True)
    f1 = np.where(last, 2.0 * hits / (called + positives), -1.0)
    best = int(np.argmax(f1))
    return float(scores[order][best]), float(f1[best])
