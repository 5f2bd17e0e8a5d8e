"""Tests and intervals: seeded, paired, by patient, and equal to SciPy's and to worked values."""

import math

import numpy as np
import pytest
from scipy import stats

from ecgdeploy.errors import DataError
from ecgdeploy.scoring import (
    bootstrap,
    friedman,
    holm,
    kolmogorov_smirnov,
    paired_bootstrap,
    roc_auc,
    wilcoxon,
    wilcoxon_holm,
)

TINY = 1e-12


def accuracy(targets, answers):
    return float(np.mean(targets == answers))


@pytest.fixture
def answers():
    rng = np.random.default_rng(3)
    targets = rng.integers(0, 2, 300)
    good = np.where(rng.random(300) < 0.9, targets, 1 - targets)
    poor = np.where(rng.random(300) < 0.6, targets, 1 - targets)
    return targets, good, poor


def test_the_same_seed_gives_the_same_interval(answers):
    targets, good, _ = answers
    one = bootstrap(accuracy, targets, good, resamples=200, seed=7)
    assert one == bootstrap(accuracy, targets, good, resamples=200, seed=7)
    assert one != bootstrap(accuracy, targets, good, resamples=200, seed=8)
    assert one.low < one.estimate == accuracy(targets, good) < one.high


def test_the_interval_of_a_mean_is_near_the_normal_one():
    values = np.random.default_rng(0).normal(size=2000)
    interval = bootstrap(np.mean, values, resamples=2000, seed=1)
    half = 1.96 * values.std() / math.sqrt(2000)
    assert interval.high - interval.estimate == pytest.approx(half, rel=0.1)


def test_a_clear_difference_is_found_and_identical_models_do_not_differ(answers):
    targets, good, poor = answers
    result = paired_bootstrap(accuracy, targets, good, poor, resamples=300, seed=1)
    assert result.difference.estimate == pytest.approx(accuracy(targets, good) - accuracy(targets, poor), abs=TINY)
    assert result.difference.low > 0 and result.p_value < 0.01
    same = paired_bootstrap(accuracy, targets, good, good, resamples=300, seed=1)
    assert (same.difference.low, same.difference.high, same.p_value) == (0.0, 0.0, 1.0)


def test_whole_patients_are_drawn():
    patients = np.repeat(np.arange(10), 5)
    seen = []
    bootstrap(lambda p: seen.append(p) or 0.0, patients, resamples=20, groups=patients)
    for drawn in seen:
        counts = np.bincount(drawn, minlength=10)
        assert np.all(counts % 5 == 0) and counts.sum() == 50


def test_resamples_without_a_figure_are_counted_and_left_out():
    interval = bootstrap(roc_auc, [0, 0, 0, 1], [0.1, 0.2, 0.3, 0.9], resamples=200)
    assert 0 < interval.undefined < 200 and interval.low == interval.high == 1.0
    nothing = bootstrap(roc_auc, [0, 0], [0.1, 0.2], resamples=5)
    assert math.isnan(nothing.low) and nothing.undefined == 5 and nothing.as_dict()["low"] is None


@pytest.mark.parametrize("ties", [False, True])
def test_friedman_agrees_with_scipy(ties):
    scores = np.random.default_rng(5).random((12, 4))
    scores = np.round(scores * 3) if ties else scores
    wanted = stats.friedmanchisquare(*scores.T)
    got = friedman(scores)
    assert got.statistic == pytest.approx(wanted.statistic, abs=1e-10)
    assert got.p_value == pytest.approx(wanted.pvalue, abs=TINY)


def test_friedman_of_equal_models_is_undefined_not_a_number_made_up():
    assert math.isnan(friedman(np.ones((5, 3))).p_value)


def test_wilcoxon_and_kolmogorov_smirnov_agree_with_scipy():
    rng = np.random.default_rng(6)
    one, two = rng.normal(size=20), rng.normal(0.5, size=20)
    assert wilcoxon(one, two).p_value == stats.wilcoxon(one, two).pvalue
    assert kolmogorov_smirnov(one, two).statistic == stats.ks_2samp(one, two).statistic
    assert wilcoxon(one, one).p_value == 1.0


def test_holm_by_hand():
    # 0.01 * 4, 0.02 * 3, 0.03 * 2 = 0.06 (not below the one before), 0.04 * 1 likewise
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx((0.06, 0.04, 0.06, 0.06), abs=TINY)
    assert holm([0.5, 0.9]) == pytest.approx((1.0, 1.0), abs=TINY)
    with_gap = holm([0.01, math.nan, 0.04])
    assert with_gap[0] == pytest.approx(0.02, abs=TINY) and math.isnan(with_gap[1])


def test_every_pair_is_tested_and_adjusted():
    rng = np.random.default_rng(2)
    base = rng.normal(size=25)
    scores = {"a": base, "b": base + rng.normal(0.01, 0.5, 25), "c": base + 2 + 0.1 * rng.normal(size=25)}
    results = wilcoxon_holm(scores)
    assert [(r.first, r.second) for r in results] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert results[1].adjusted < 0.001 < results[0].adjusted
    assert all(r.adjusted >= r.p_value for r in results)


@pytest.mark.parametrize(
    "call",
    [
        lambda: bootstrap(np.mean, []),
        lambda: bootstrap(accuracy, [1, 2], [1]),
        lambda: bootstrap(np.mean, [1.0], groups=[1, 2]),
        lambda: bootstrap(np.mean, [1.0], confidence=1.5),
        lambda: friedman([[1, 2]]),
        lambda: friedman([[1, 2, math.nan]] * 3),
        lambda: wilcoxon([1.0, 2.0], [1.0]),
        lambda: kolmogorov_smirnov([math.nan], [1.0]),
    ],
)
def test_what_cannot_be_tested_is_refused(call):
    with pytest.raises(DataError):
        call()
