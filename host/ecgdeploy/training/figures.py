"""The few figures that training itself needs to pick an epoch; the reports use `ecgdeploy.scoring`."""

from __future__ import annotations

import numpy as np


def macro_f1(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean F1 over the classes that occur; most probable class, or threshold 0.5 with many labels."""
    targets = np.asarray(targets)
    if targets.ndim == 1:
        predicted = probabilities.argmax(1)
        pairs = [(targets == c, predicted == c) for c in range(probabilities.shape[1])]
    else:
        pairs = [(targets[:, c] > 0, probabilities[:, c] >= 0.5) for c in range(targets.shape[1])]
    scores = [2 * (t & p).sum() / (t.sum() + p.sum()) for t, p in pairs if t.any()]
    return float(np.mean(scores)) if scores else float("nan")


def class_auc(targets: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of each class: [classes], NaN where a class has only one kind of target.

    Computed from mid-ranks (Mann-Whitney U), so that the ties of int8 outputs count one half.
    """
    from scipy.stats import rankdata

    targets = np.asarray(targets)
    if targets.ndim == 1:
        targets = np.eye(scores.shape[1], dtype=np.int8)[targets]
    ranks = rankdata(scores, axis=0)
    positive = (targets > 0).sum(axis=0).astype(float)
    negative = len(targets) - positive
    u = np.where(targets > 0, ranks, 0).sum(axis=0) - positive * (positive + 1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((positive > 0) & (negative > 0), u / (positive * negative), np.nan)


def figures(targets: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Accuracy (exact match with many labels), macro F1, macro AUC and cross-entropy."""
    targets = np.asarray(targets)
    p = np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)
    if targets.ndim == 1:
        accuracy = float((probabilities.argmax(1) == targets).mean())
        entropy = float(-np.log(p[np.arange(len(targets)), targets]).mean())
    else:
        accuracy = float(((probabilities >= 0.5) == (targets > 0)).all(axis=1).mean())
        entropy = float(-(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean())
    auc = class_auc(targets, probabilities)
    return {
        "accuracy": accuracy,
        "macro_f1": macro_f1(targets, probabilities),
        "macro_auc": float(np.nanmean(auc)) if np.isfinite(auc).any() else float("nan"),
        "loss": entropy,
    }
