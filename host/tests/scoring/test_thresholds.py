"""Thresholds are chosen on validation data, and on nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from ecgdeploy.ecg.views import CalibrationView, TestView, TrainView, ValidationView
from ecgdeploy.errors import DataError
from ecgdeploy.scoring.thresholds import choose_thresholds


def make(kind, targets):
    count = len(targets)
    return kind(
        inputs=np.zeros((count, 4, 1), np.float32),
        targets=np.asarray(targets, np.uint8),
        classes=tuple(f"c{i}" for i in range(np.shape(targets)[1])),
        record_ids=np.arange(count).astype(str),
        positions=np.full(count, -1),
        synthetic=True,
        source="a test",
        provenance={"part": kind.part, "split": "s"},
    )


@pytest.mark.parametrize("kind", [TestView, TrainView, CalibrationView], ids=lambda k: k.__name__)
def test_any_view_but_the_validation_view_is_refused(kind):
    with pytest.raises(DataError, match=f"was given {kind.part} data"):
        choose_thresholds(make(kind, [[1], [0]]), np.array([[0.9], [0.1]]))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 60), st.booleans())
def test_no_other_threshold_has_a_better_f1(seed, count, ties):
    rng = np.random.default_rng(seed)
    targets = rng.random((count, 3)) < [0.1, 0.5, 0.9]
    scores = rng.random((count, 3))
    scores = np.round(scores, 1) if ties else scores
    chosen = choose_thresholds(make(ValidationView, targets), scores)
    decided = chosen.apply(scores)
    for c in range(3):
        if not targets[:, c].any():
            assert (chosen.values[c], chosen.f1[c]) == (0.5, None)
            continue
        assert chosen.f1[c] == pytest.approx(f1_score(targets[:, c], decided[:, c]), abs=1e-12)
        others = [f1_score(targets[:, c], scores[:, c] >= t, zero_division=0) for t in np.unique(scores[:, c])]
        assert chosen.f1[c] >= max(others) - 1e-12


def test_the_choice_names_where_it_was_made():
    chosen = choose_thresholds(make(ValidationView, [[1, 0], [0, 1]]), np.array([[0.9, 0.2], [0.3, 0.7]]))
    assert chosen.values == (0.9, 0.7)
    assert chosen.to_dict()["chosen_on"]["split"] == "s"
    with pytest.raises(DataError, match="one column a class"):
        chosen.apply(np.zeros((2, 3)))


@pytest.mark.parametrize("scores", [np.zeros((2, 3)), np.array([[np.nan, 0.0], [0.0, 0.0]])])
def test_scores_that_do_not_fit_are_refused(scores):
    with pytest.raises(DataError):
        choose_thresholds(make(ValidationView, [[1, 0], [0, 1]]), scores)
