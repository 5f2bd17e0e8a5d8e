"""Scores of the PhysioNet/Computing in Cardiology Challenges of 2017 (rhythm) and 2020/2021 (12-lead diagnoses).

2017: Clifford et al., CinC 44 (2017), doi:10.22489/CinC.2017.065-469. 2020/2021: Perez Alday et al., Physiol Meas
41:124003 (2020); Reyna et al., CinC 48 (2021).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.errors import DataError
from ecgdeploy.scoring.classification import ClassificationReport, classification_report
from ecgdeploy.scoring.values import nan_mean, plain, ratio

CINC2017_CLASSES = ("N", "A", "O", "~")
SINUS_RHYTHM = "426783006"


@dataclass(frozen=True)
class Cinc2017Score:
    """The Challenge 2017 score: `f1` is the mean F1 of N, A and O; the noisy class is reported, not averaged."""

    f1: float
    f1_normal: float
    f1_fibrillation: float
    f1_other: float
    f1_noisy: float
    report: ClassificationReport

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; NaN becomes None."""
        return plain(self)


def cinc2017_score(targets: Any, predictions: Any) -> Cinc2017Score:
    """Score rhythm classes as the Challenge 2017 did.

    Parameters
    ----------
    targets, predictions : int array [n]
        Indices into `CINC2017_CLASSES` (N, A, O, ~).

    Returns
    -------
    Cinc2017Score
        NaN where a class is neither present nor predicted; the mean is then over the others.
    """
    report = classification_report(targets, predictions, CINC2017_CLASSES)
    normal, fibrillation, other, noisy = (score.f1 for score in report.per_class)
    return Cinc2017Score(nan_mean([normal, fibrillation, other]), normal, fibrillation, other, noisy, report)


@dataclass(frozen=True)
class ChallengeWeights:
    """The reward matrix of the Challenge 2020/2021.

    Attributes
    ----------
    classes : tuple of tuple of str
        SNOMED CT codes of each class; several where the Challenge holds codes for equivalent.
    matrix : float array [classes, classes]
        Reward for calling the column's class in a record with the row's class.
    """

    classes: tuple[tuple[str, ...], ...]
    matrix: np.ndarray

    @property
    def sinus_rhythm(self) -> int:
        """Column of sinus rhythm; DataError when the matrix has none."""
        for k, codes in enumerate(self.classes):
            if SINUS_RHYTHM in codes:
                return k
        raise DataError("the weights have no sinus rhythm class", f"one class must be {SINUS_RHYTHM}")

    def encode(self, codes: Sequence[Sequence[str]]) -> np.ndarray:
        """Return bool [records, classes] from each record's SNOMED CT codes; codes that are not scored are left out."""
        return np.array(
            [[any(code in group for code in record) for group in self.classes] for record in codes], dtype=bool
        ).reshape(len(codes), len(self.classes))


def read_weights(path: Path) -> ChallengeWeights:
    """Read the Challenge's ``weights.csv``.

    Raises
    ------
    DataError
        When the file is missing, or its rows and columns do not name the same classes.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row]
        names = [name.strip() for name in rows[0][1:]]
        matrix = np.array([[float(value) for value in row[1:]] for row in rows[1:]], dtype=np.float64)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}", "it comes with the Challenge's evaluation") from error
    except (ValueError, IndexError) as error:
        raise DataError(f"{path} is no table of weights", "it comes with the Challenge's evaluation") from error
    if names != [row[0].strip() for row in rows[1:]] or matrix.shape != (len(names), len(names)):
        raise DataError(f"{path}: rows and columns name other classes", "the file is damaged")
    return ChallengeWeights(tuple(tuple(name.split("|")) for name in names), matrix)


def challenge_score(targets: Any, predictions: Any, weights: ChallengeWeights) -> float:
    """Challenge 2020/2021 score: 1 for the right statements everywhere, 0 for sinus rhythm everywhere.

    Parameters
    ----------
    targets, predictions : 0/1 array [records, classes]
        NaN in `predictions` is "not called", as in the Challenge.
    weights : ChallengeWeights

    Returns
    -------
    float
        0 when the perfect and the inactive answer score the same.
    """
    labels, outputs = _binary(targets, predictions)
    if labels.shape[1] != len(weights.classes):
        raise DataError(f"{labels.shape[1]} columns for {len(weights.classes)} scored classes", "see `encode`")
    inactive = np.zeros_like(labels)
    inactive[:, weights.sinus_rhythm] = True
    observed, correct, floor = (_reward(labels, answer, weights.matrix) for answer in (outputs, labels, inactive))
    return (observed - floor) / (correct - floor) if correct != floor else 0.0


def _reward(labels: np.ndarray, outputs: np.ndarray, matrix: np.ndarray) -> float:
    share = 1.0 / np.maximum((labels | outputs).sum(axis=1), 1)
    return float(np.nansum(matrix * ((labels * share[:, None]).T @ outputs.astype(np.float64))))


@dataclass(frozen=True)
class BetaScores:
    """F-beta and G-beta a class and their means over the classes that define them; records weigh 1 / their labels."""

    f_beta: float
    g_beta: float
    f_beta_per_class: tuple[float, ...]
    g_beta_per_class: tuple[float, ...]
    beta: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; NaN becomes None."""
        return plain(self)


def beta_scores(targets: Any, predictions: Any, beta: float = 2.0) -> BetaScores:
    """F-beta and G-beta of the Challenge 2020.

    F = (1 + b^2) TP / ((1 + b^2) TP + FP + b^2 FN), G = TP / (TP + FP + b FN), each record counted with the inverse of
    its number of labels (at least one).

    Parameters
    ----------
    targets, predictions : 0/1 array [records, classes]
        NaN in `predictions` is "not called".
    beta : float

    Returns
    -------
    BetaScores
    """
    labels, outputs = _binary(targets, predictions)
    share = (1.0 / np.maximum(labels.sum(axis=1), 1))[:, None]
    # sums in the records' order, as the definition adds them up
    right = np.sum((labels & outputs) * share, axis=0)
    extra = np.sum((~labels & outputs) * share, axis=0)
    missed = np.sum((labels & ~outputs) * share, axis=0)
    square = beta * beta
    f_scores = tuple(
        ratio((1 + square) * tp, (1 + square) * tp + fp + square * fn)
        for tp, fp, fn in zip(right, extra, missed, strict=True)
    )
    g_scores = tuple(ratio(tp, tp + fp + beta * fn) for tp, fp, fn in zip(right, extra, missed, strict=True))
    return BetaScores(nan_mean(f_scores), nan_mean(g_scores), f_scores, g_scores, float(beta))


def _binary(targets: Any, predictions: Any) -> tuple[np.ndarray, np.ndarray]:
    labels, outputs = np.asarray(targets, dtype=np.float64), np.asarray(predictions, dtype=np.float64)
    if labels.shape != outputs.shape or labels.ndim != 2:
        raise DataError(f"targets {labels.shape} and predictions {outputs.shape}", "give both as [records, classes]")
    outputs = np.nan_to_num(outputs)
    for name, values in (("targets", labels), ("predictions", outputs)):
        if not np.isin(values, (0.0, 1.0)).all():
            raise DataError(f"{name} hold values other than 0 and 1", "apply a threshold first")
    return labels.astype(bool), outputs.astype(bool)
