"""Scores of one column (device, host int8, host float32) against a task's labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecgdeploy import scoring


def score_column(scores: np.ndarray, targets: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    """Score one column.

    Parameters
    ----------
    scores : float [n, classes], the model's real-valued outputs.
    targets : int [n] for one label a window, or 0/1 [n, classes] for several.

    Returns
    -------
    dict
        For one label: per-class sensitivity, positive predictivity, F1, accuracy, confusion. For several: AUC per
        class, macro AUC, macro F1 at 0.5.
    """
    if targets.ndim == 1:
        known = targets >= 0  # -1: a beat that belongs to none of the classes
        return scoring.classification_report(targets[known], scores[known].argmax(axis=1), classes).as_dict()
    return scoring.multilabel_report(targets, scores, classes).as_dict()
