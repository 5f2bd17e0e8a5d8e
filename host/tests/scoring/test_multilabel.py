"""AUC, average precision, F1 and Fmax agree with scikit-learn and with the definitions, also on ties and absences."""

import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from ecgdeploy.errors import DataError, UsageError
from ecgdeploy.scoring import average_precision, fmax, macro_auc, multilabel_report, roc_auc

TINY = 1e-12


@st.composite
def tables(draw):
    """0/1 targets and scores with many ties; columns without positives or negatives occur."""
    rows, columns = draw(st.integers(1, 30)), draw(st.integers(1, 4))
    seed, levels = draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([2, 5, 1000]))
    rng = np.random.default_rng(seed)
    targets = rng.random((rows, columns)) < draw(st.sampled_from([0.05, 0.3, 0.95]))
    return targets.astype(int), rng.integers(0, levels, (rows, columns)) / levels


@given(tables())
@settings(max_examples=200, deadline=None)
def test_figures_agree_with_scikit_learn(table):
    targets, scores = table
    report = multilabel_report(targets, scores, [f"c{k}" for k in range(targets.shape[1])], threshold=0.4)
    called = scores >= 0.4
    for k, score in enumerate(report.per_class):
        truth = targets[:, k]
        if 0 < truth.sum() < len(truth):
            assert score.auc == pytest.approx(metrics.roc_auc_score(truth, scores[:, k]), abs=TINY)
        else:
            assert math.isnan(score.auc)
        if truth.any():
            wanted = metrics.average_precision_score(truth, scores[:, k])
            assert score.average_precision == pytest.approx(wanted, abs=TINY)
        else:
            assert math.isnan(score.average_precision)
    columns = range(targets.shape[1])
    wanted = [metrics.f1_score(targets[:, k], called[:, k], zero_division=np.nan) for k in columns]
    np.testing.assert_allclose([s.f1 for s in report.per_class], wanted, rtol=0, atol=TINY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert report.macro_f1 == pytest.approx(np.nanmean(wanted), abs=TINY, nan_ok=True)


def slow_fmax(targets, scores):
    """Fmax by its definition, one threshold after another."""
    best = 0.0
    for threshold in np.unique(scores):
        called = scores >= threshold
        right = (called & (targets == 1)).sum(axis=1)
        some, labelled = called.any(axis=1), targets.any(axis=1)
        precision = np.mean(right[some] / called[some].sum(axis=1))
        recall = np.mean(right[labelled] / targets[labelled].sum(axis=1))
        if precision + recall:
            best = max(best, 2 * precision * recall / (precision + recall))
    return best


@given(tables())
@settings(max_examples=200, deadline=None)
def test_fmax_is_the_best_over_all_thresholds(table):
    targets, scores = table
    best, threshold = fmax(targets, scores)
    if not targets.any():
        assert math.isnan(best) and math.isnan(threshold)
        return
    assert best == pytest.approx(slow_fmax(targets, scores), abs=TINY)
    if best:
        called = scores >= threshold
        right = (called & (targets == 1)).sum(axis=1)
        precision = np.mean(right[called.any(axis=1)] / called[called.any(axis=1)].sum(axis=1))
        recall = np.mean(right[targets.any(axis=1)] / targets[targets.any(axis=1)].sum(axis=1))
        assert 2 * precision * recall / (precision + recall) == pytest.approx(best, abs=TINY)


def test_macro_auc_a_task_and_overall_leaves_out_undefined_classes():
    targets = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]])
    scores = np.array([[0.9, 0.1, 0.3], [0.2, 0.8, 0.3], [0.7, 0.05, 0.1], [0.8, 0.3, 0.2]])
    report = multilabel_report(targets, scores, ["A", "B", "C"], tasks={"form": ["A", "C"], "none": ["C"]})
    assert report["A"].auc == 0.75 and report["B"].auc == 0.5 and math.isnan(report["C"].auc)
    assert report.macro_auc == macro_auc(targets, scores) == 0.625
    assert report.tasks["form"] == 0.75 and math.isnan(report.tasks["none"])
    values = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert values["per_class"][2]["auc"] is None and values["tasks"]["none"] is None


def test_all_scores_tied_is_a_half():
    assert roc_auc([0, 1, 1, 0, 0], [0.5] * 5) == 0.5
    assert average_precision([0, 1, 1, 0, 0], [0.5] * 5) == 0.4


def test_an_unknown_label_leaves_the_example_out_of_its_class():
    scores = np.array([[0.1, 0.2], [0.9, 0.4], [0.5, 0.6], [0.95, 0.7]])
    targets = np.array([[0, 0], [1, 1], [0, np.nan], [np.nan, 0]], dtype=float)
    report = multilabel_report(targets, scores, ["A", "B"])
    assert (report["A"].examples, report["A"].auc) == (3, 1.0)
    assert (report["B"].examples, report["B"].auc) == (3, 0.5)


@pytest.mark.parametrize(
    ("targets", "scores"),
    [([[0, 1]], [[0.5, math.nan]]), ([[0, 2]], [[0.5, 0.5]]), ([[0, 1]], [[0.5]]), ([0, 1], [0.5, 0.5])],
)
def test_what_cannot_be_scored_is_refused(targets, scores):
    with pytest.raises(DataError):
        multilabel_report(targets, scores, ["A", "B"])


def test_a_task_of_unknown_classes_is_refused():
    with pytest.raises(UsageError, match="'NORN'"):
        multilabel_report([[0, 1]], [[0.5, 0.5]], ["NORM", "MI"], tasks={"x": ["NORN"]})
