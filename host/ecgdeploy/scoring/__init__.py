"""Scoring: arrays and annotations in, frozen tables out. Nothing here knows a device or a network.

The names below are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "ClassScore": "classification",
    "ClassificationReport": "classification",
    "classification_report": "classification",
    "classification_report_from_counts": "classification",
    "confusion_matrix": "classification",
    "MultilabelReport": "multilabel",
    "StatementScore": "multilabel",
    "average_precision": "multilabel",
    "fmax": "multilabel",
    "macro_auc": "multilabel",
    "multilabel_report": "multilabel",
    "roc_auc": "multilabel",
    "Thresholds": "thresholds",
    "choose_thresholds": "thresholds",
    "BetaScores": "challenges",
    "ChallengeWeights": "challenges",
    "Cinc2017Score": "challenges",
    "beta_scores": "challenges",
    "challenge_score": "challenges",
    "cinc2017_score": "challenges",
    "read_weights": "challenges",
    "Interval": "statistics",
    "PairedDifference": "statistics",
    "PairwiseResult": "statistics",
    "TestResult": "statistics",
    "bootstrap": "statistics",
    "friedman": "statistics",
    "holm": "statistics",
    "kolmogorov_smirnov": "statistics",
    "paired_bootstrap": "statistics",
    "wilcoxon": "statistics",
    "wilcoxon_holm": "statistics",
    "detect_qrs": "qrs",
    "Comparison": "ec57",
    "compare_annotations": "ec57",
    "compare_record": "ec57",
    "device_annotations": "ec57",
    "write_annotations": "ec57",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
