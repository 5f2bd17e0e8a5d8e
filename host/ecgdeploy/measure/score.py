"""Scores of one column (device, host int8, host float32) against a task's labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ecgdeploy import scoring

if TYPE_CHECKING:
    from ecgdeploy.ecg.views import TestView

RESAMPLES = 200
"""Of each confidence interval; the seed is fixed, so that a result has the same bytes every time."""


def score_column(
    scores: np.ndarray, targets: np.ndarray, classes: tuple[str, ...], records: np.ndarray
) -> dict[str, Any]:
    """Score one column.

    Parameters
    ----------
    scores : float [n, classes], the model's real-valued outputs.
    targets : int [n] for one label a window, or 0/1 [n, classes] for several.
    records : str [n], the record of each window: intervals come from drawing whole records.

    Returns
    -------
    dict
        For one label: per-class sensitivity, positive predictivity, F1, accuracy, confusion. For several: AUC per
        class, macro AUC, macro F1 at 0.5, Fmax. For both ``intervals``: total to its 95 % bootstrap interval.
    """
    if targets.ndim == 1:
        known = targets >= 0  # -1: a beat that belongs to none of the classes
        return _single_label(targets[known], scores[known].argmax(axis=1), classes, records[known])
    report = scoring.multilabel_report(targets, scores, classes)
    interval = scoring.bootstrap(scoring.macro_auc, targets, scores, resamples=RESAMPLES, groups=records)
    return report.as_dict() | {"intervals": {"macro_auc": interval.as_dict()}}


def _single_label(
    targets: np.ndarray, verdicts: np.ndarray, classes: tuple[str, ...], records: np.ndarray
) -> dict[str, Any]:
    report = scoring.classification_report(targets, verdicts, classes)
    if not len(targets):
        return report.as_dict() | {"intervals": {}}
    # one confusion matrix a record: resampling records then means adding up matrices
    tables = np.array([
        scoring.confusion_matrix(targets[records == name], verdicts[records == name], len(classes))
        for name in dict.fromkeys(records.tolist())
    ])
    intervals = {
        key: scoring.bootstrap(
            lambda drawn, key=key: getattr(scoring.classification_report_from_counts(drawn.sum(axis=0), classes), key),
            tables,
            resamples=RESAMPLES,
        ).as_dict()
        for key in ("accuracy", "macro_f1")
    }
    return report.as_dict() | {"intervals": intervals}


def per_record(test: TestView, verdicts: np.ndarray | None) -> dict[str, dict[str, Any]]:
    """Windows and right answers of every record."""
    if verdicts is None:
        return {}
    records: dict[str, dict[str, Any]] = {}
    for record, target, verdict in zip(test.record_ids, test.targets, verdicts, strict=True):
        if target < 0:
            continue
        row = records.setdefault(str(record), {"windows": 0, "correct": 0})
        row["windows"], row["correct"] = row["windows"] + 1, row["correct"] + int(target == verdict)
    return records
