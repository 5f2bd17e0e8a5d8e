"""The report of a one-class-an-example classifier agrees with scikit-learn, also where a class is absent."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from ecgdeploy.errors import DataError
from ecgdeploy.scoring import classification_report, classification_report_from_counts

NAMES = ("N", "S", "V", "F")


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=60))
def test_report_agrees_with_scikit_learn_on_absent_classes(pairs):
    targets, predictions = np.array(pairs).T
    report = classification_report(targets, predictions, NAMES)
    labels = list(range(len(NAMES)))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        targets, predictions, labels=labels, zero_division=np.nan
    )
    got = np.array([[s.positive_predictivity, s.sensitivity, s.f1, s.support] for s in report.per_class]).T
    np.testing.assert_allclose(got[0], precision, rtol=0, atol=1e-12)
    np.testing.assert_allclose(got[1], recall, rtol=0, atol=1e-12)
    np.testing.assert_allclose(got[2], f1, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(got[3], support)
    np.testing.assert_array_equal(report.confusion, metrics.confusion_matrix(targets, predictions, labels=labels))
    assert report.accuracy == pytest.approx(metrics.accuracy_score(targets, predictions), abs=1e-12)
    macro = metrics.f1_score(targets, predictions, labels=labels, average="macro", zero_division=np.nan)
    assert report.macro_f1 == pytest.approx(macro, abs=1e-12)


def test_a_class_neither_present_nor_predicted_does_not_lower_the_macro_f1():
    report = classification_report([0, 1], [0, 1], NAMES)
    assert math.isnan(report["F"].f1)
    assert report.macro_f1 == 1.0


def test_no_examples_is_undefined_not_zero():
    report = classification_report([], [], NAMES)
    assert math.isnan(report.accuracy) and math.isnan(report.macro_f1) and report.examples == 0


def test_undefined_figures_are_null_in_json():
    values = json.loads(json.dumps(classification_report([0], [0], NAMES).as_dict(), allow_nan=False))
    assert values["per_class"][1]["sensitivity"] is None
    assert values["per_class"][0]["f1"] == 1.0
    assert values["confusion"][0] == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("targets", "predictions"),
    [([0, 1], [0]), ([4], [0]), ([0], [-1]), ([0.5], [0]), ([math.nan], [0]), ([[0, 1]], [[0, 1]])],
)
def test_indices_that_are_no_classes_are_refused(targets, predictions):
    with pytest.raises(DataError):
        classification_report(targets, predictions, NAMES)


def test_a_matrix_of_the_wrong_shape_is_refused():
    with pytest.raises(DataError, match="confusion matrix"):
        classification_report_from_counts([[1, 2]], NAMES)
