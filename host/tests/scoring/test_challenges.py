"""Challenge scores equal their published definitions, written out here record by record."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgdeploy.errors import DataError
from ecgdeploy.scoring import ChallengeWeights, beta_scores, challenge_score, cinc2017_score, read_weights

TINY = 1e-12
CODES = (("164889003",), ("426783006",), ("733534002", "164909002"), ("270492004",))


@pytest.fixture
def weights():
    matrix = np.array([[1, 0.3, 0.5, 0.25], [0.3, 1, 0.1, 0.4], [0.5, 0.1, 1, 0.7], [0.25, 0.4, 0.7, 1]])
    return ChallengeWeights(CODES, matrix)


def definition_2021(labels, outputs, matrix, sinus):
    """Reyna et al. 2021: a_jk += 1 / |labels or outputs|, score = (s - inactive) / (perfect - inactive)."""

    def reward(answers):
        table = np.zeros_like(matrix)
        for truth, answer in zip(labels, answers, strict=True):
            either = max(int(np.logical_or(truth, answer).sum()), 1)
            for j in np.flatnonzero(truth):
                for k in np.flatnonzero(answer):
                    table[j, k] += 1.0 / either
        return float((matrix * table).sum())

    inactive = np.zeros_like(labels)
    inactive[:, sinus] = 1
    low, high = reward(inactive), reward(labels)
    return (reward(outputs) - low) / (high - low) if high != low else 0.0


def definition_beta(labels, outputs, beta):
    """Perez Alday et al. 2020: every record weighs the inverse of its number of labels."""
    f_scores, g_scores = [], []
    for k in range(labels.shape[1]):
        tp = fp = fn = 0.0
        for truth, answer in zip(labels, outputs, strict=True):
            weight = 1.0 / max(int(truth.sum()), 1)
            tp += weight * (truth[k] and answer[k])
            fp += weight * (not truth[k] and answer[k])
            fn += weight * (truth[k] and not answer[k])
        f_bottom, g_bottom = (1 + beta**2) * tp + fp + beta**2 * fn, tp + fp + beta * fn
        f_scores.append((1 + beta**2) * tp / f_bottom if f_bottom else math.nan)
        g_scores.append(tp / g_bottom if g_bottom else math.nan)
    return f_scores, g_scores


@given(st.integers(0, 2**32 - 1), st.integers(1, 25), st.sampled_from([0.0, 0.1, 0.4, 1.0]))
@settings(max_examples=150, deadline=None)
def test_scores_of_2020_and_2021_equal_their_definitions(seed, records, density):
    rng = np.random.default_rng(seed)
    labels = (rng.random((records, 4)) < density).astype(int)
    outputs = (rng.random((records, 4)) < 0.4).astype(int)
    matrix = rng.random((4, 4))
    got = challenge_score(labels, outputs, ChallengeWeights(CODES, matrix))
    wanted = definition_2021(labels, outputs, matrix, 1)
    # relative: the normalization divides by a difference that can be small
    assert got == pytest.approx(wanted, abs=TINY, rel=1e-9)
    scores = beta_scores(labels, outputs, beta=2)
    f_wanted, g_wanted = definition_beta(labels, outputs, 2)
    np.testing.assert_allclose(scores.f_beta_per_class, f_wanted, rtol=0, atol=TINY)
    np.testing.assert_allclose(scores.g_beta_per_class, g_wanted, rtol=0, atol=TINY)
    if not np.isnan(f_wanted).all():
        assert scores.f_beta == pytest.approx(np.nanmean(f_wanted), abs=TINY)


def test_perfect_is_one_sinus_rhythm_everywhere_is_zero(weights):
    labels = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1]])
    inactive = np.tile([0, 1, 0, 0], (3, 1))
    assert challenge_score(labels, labels, weights) == pytest.approx(1.0, abs=TINY)
    assert challenge_score(labels, inactive, weights) == pytest.approx(0.0, abs=TINY)
    assert challenge_score(inactive, labels, weights) == 0.0  # nothing but sinus rhythm to find


def test_an_undefined_answer_is_not_called(weights):
    labels = np.array([[1, 0, 0, 0], [0, 1, 0, 0]])
    answers = np.array([[1, np.nan, 0, 0], [np.nan, 1, 0, 0]])
    assert challenge_score(labels, answers, weights) == pytest.approx(1.0, abs=TINY)


def test_equivalent_codes_are_one_class(weights):
    encoded = weights.encode([["164909002", "999"], ["733534002", "426783006"], []])
    assert encoded.astype(int).tolist() == [[0, 0, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]


def test_weights_of_the_challenge_are_read():
    data = os.environ.get("ECGDEPLOY_DATA")
    path = Path(data or ".") / "cinc2021/weights.csv"
    if not data or not path.is_file():
        pytest.skip("set ECGDEPLOY_DATA to a folder with cinc2021/weights.csv")
    table = read_weights(path)
    assert table.matrix.shape == (26, 26) and table.classes[table.sinus_rhythm] == ("426783006",)
    assert np.array_equal(table.matrix, table.matrix.T) and np.all(np.diag(table.matrix) == 1)


@pytest.mark.parametrize("text", ["", ",A,B\nA,1,0\n", ",A,B\nA,1,0\nC,0,1\n", ",A\nA,x\n"])
def test_damaged_weights_are_refused(tmp_path, text):
    (tmp_path / "w.csv").write_text(text)
    with pytest.raises(DataError):
        read_weights(tmp_path / "w.csv")


def test_weights_without_sinus_rhythm_are_refused():
    with pytest.raises(DataError, match="sinus"):
        challenge_score([[1]], [[1]], ChallengeWeights((("1",),), np.ones((1, 1))))


def test_2017_averages_normal_fibrillation_and_other():
    targets = [0, 0, 0, 1, 1, 2, 2, 3]
    predictions = [0, 0, 1, 1, 2, 2, 2, 0]
    score = cinc2017_score(targets, predictions)
    # F1 = 2 * right / (reference + predicted), counted by hand
    assert score.f1_normal == pytest.approx(2 * 2 / (3 + 3), abs=TINY)
    assert score.f1_fibrillation == pytest.approx(2 * 1 / (2 + 2), abs=TINY)
    assert score.f1_other == pytest.approx(2 * 2 / (2 + 3), abs=TINY)
    assert score.f1_noisy == 0.0
    assert score.f1 == pytest.approx((4 / 6 + 2 / 4 + 4 / 5) / 3, abs=TINY)


@pytest.mark.parametrize("bad", [[[0.5, 0, 0, 0]], [[2, 0, 0, 0]], [[0, 0, 0]]])
def test_probabilities_and_wrong_shapes_are_refused(weights, bad):
    with pytest.raises(DataError):
        challenge_score([[1, 0, 0, 0]], bad, weights)
