"""The beat task: leads by name, classes of EC57, parts that do not mix, and a synthetic stand-in that says so."""

from __future__ import annotations

import numpy as np
import pytest

from ecgdeploy.ecg import windows
from ecgdeploy.ecg.aami import CLASS_OF, is_beat
from ecgdeploy.ecg.sources import mitbih
from ecgdeploy.ecg.sources.mitbih import MitBih
from ecgdeploy.ecg.sources.synthetic import Synthetic
from ecgdeploy.ecg.tasks import load_task
from ecgdeploy.ecg.tasks.beats import model_input
from ecgdeploy.ecg.views import CalibrationView, TestView, TrainView, ValidationView
from ecgdeploy.errors import DataError, UsageError

from .conftest import real


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """A machine with neither data nor internet."""
    monkeypatch.delenv("ECGDEPLOY_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("ECGDEPLOY_OFFLINE", "1")


@pytest.fixture(scope="module")
def synthetic():
    return load_task("mitbih-beats-synthetic")


@pytest.fixture(scope="module")
def task(real_data):
    real(real_data, "mitdb")
    return load_task("mitbih-beats", real_data)


@pytest.mark.usefixtures("offline")
def test_without_data_the_task_is_synthetic_and_says_so():
    task = load_task("mitbih-beats")
    assert task.name == "mitbih-beats-synthetic"
    assert task.synthetic
    assert "synthetic" in task.source
    assert task.calibration(8).synthetic


def test_an_explicit_folder_without_the_data_is_an_error_not_a_fallback(tmp_path):
    with pytest.raises(DataError, match="no mitdb data set here"):
        load_task("mitbih-beats", tmp_path)


def test_an_unknown_task_names_the_nearest():
    with pytest.raises(UsageError) as refusal:
        load_task("mitbih-beat")
    assert "mitbih-beats" in refusal.value.hint


def test_a_window_has_its_beat_in_the_middle_and_repeats_the_edge():
    lead = np.arange(1000, dtype=np.float32)
    cut = windows.beat_windows(lead, np.array([500, 3, 999]), 256)
    assert cut[0, 128] == 500
    assert cut[1, :126].tolist() == [0.0] * 126
    assert cut[2, 128:].tolist() == [999.0] * 128


def test_model_input_is_centred_and_in_units_of_half_a_millivolt():
    beats = np.random.default_rng(0).normal(3, 1, (5, 256)).astype(np.float32)
    inputs = model_input(beats)
    assert inputs.dtype == np.float32
    assert inputs.shape == (5, 256, 1)
    expected = (beats - beats.mean(axis=1, keepdims=True, dtype=np.float64)) / 0.5
    np.testing.assert_allclose(inputs[:, :, 0], expected, atol=2e-5)


@pytest.mark.parametrize(("limit", "expected"), [(None, list(range(7))), (3, [0, 3, 6]), (9, list(range(7))), (1, [0])])
def test_a_limit_spaces_its_choice_over_the_record(limit, expected):
    assert windows.spaced(7, limit).tolist() == expected


def test_synthetic_records_repeat_to_the_bit_and_differ_by_seed():
    one, two = Synthetic(seconds=10).record("syn-001"), Synthetic(seconds=10).record("syn-001")
    assert np.array_equal(one.signal, two.signal)
    assert not np.array_equal(one.signal, Synthetic(seconds=10, seed=4).record("syn-001").signal)
    assert one.synthetic
    assert "synthetic" in one.source


def test_synthetic_beats_have_their_r_peak_where_the_annotation_is():
    record = Synthetic(seconds=60, noise=0.0).record("syn-002")
    lead = record.lead("MLII")
    for sample, symbol in zip(record.annotations.samples, record.annotations.symbols, strict=True):
        near = lead[max(0, sample - 36) : sample + 37]
        peak = max(0, sample - 36) + int(np.argmax(near))
        assert abs(peak - sample) <= (4 if symbol == "V" else 2)
        assert 0.4 < near.max() < 3.0


def test_ventricular_beats_are_wide_and_early():
    record = Synthetic(seconds=120, noise=0.0, ventricular=0.2).record("syn-003")
    lead, places = record.lead("MLII"), record.annotations.samples
    symbols = np.array(record.annotations.symbols)
    inside = (places > 200) & (places < record.samples - 200)
    width = np.array([np.sum(lead[p - 60 : p + 60] > lead[p] / 2) for p in places[inside]])
    before = np.diff(places, prepend=-1)[inside]
    v, n = symbols[inside] == "V", symbols[inside] == "N"
    assert v.sum() >= 5
    assert width[v].min() > 1.5 * np.median(width[n])
    assert before[v].max() < np.median(before[n])


def test_derived_synthetic_limb_leads_obey_einthoven():
    leads = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    record = Synthetic(seconds=5, leads=leads).record("syn-000")
    np.testing.assert_allclose(record.lead("III"), record.lead("II") - record.lead("I"), atol=1e-6)
    np.testing.assert_allclose(record.lead("aVF"), (record.lead("II") + record.lead("III")) / 2, atol=1e-6)


def test_the_four_views_share_no_record_but_calibration_and_training(synthetic):
    views = synthetic.train(), synthetic.validation(), synthetic.calibration(64), synthetic.test()
    assert [type(view) for view in views] == [TrainView, ValidationView, CalibrationView, TestView]
    train, validation, calibration, test = (set(view.record_ids) for view in views)
    assert calibration <= train
    assert not train & validation
    assert not (train | validation) & test
    for view in views:
        assert set(np.unique(view.targets)) == {0, 1, 2}
        assert view.inputs.shape[1:] == synthetic.input_shape


def test_calibration_is_seeded_and_of_the_size_asked_for(synthetic):
    first, again, other = (synthetic.calibration(60, seed) for seed in (1, 1, 2))
    assert len(first) == 60
    assert np.array_equal(first.inputs, again.inputs)
    assert not np.array_equal(first.inputs, other.inputs)
    assert np.bincount(first.targets).tolist() == [20, 20, 20]


def test_the_whole_database_has_the_published_number_of_beats(real_data):
    source = MitBih(real(real_data, "mitdb"))
    assert source.names() == mitbih.RECORDS
    symbols = [symbol for name in source.names() for symbol in source.record(name).annotations.symbols]
    assert len(symbols) == 112_647
    assert sum(map(is_beat, symbols)) == 109_494


def test_record_114_is_read_from_mlii_although_its_leads_are_swapped(task, real_data):
    record = MitBih(real_data / "mitdb").record("114")
    assert record.leads == ("V5", "MLII")
    train = task.train()
    beat = np.flatnonzero(train.record_ids == "114")[5]
    at = train.positions[beat]
    expected = model_input(record.lead("MLII")[None, at - 128 : at + 128])
    assert np.array_equal(train.inputs[beat], expected[0])


def test_ds1_trains_and_ds2_tests_without_the_paced_records(task):
    test = task.test()
    assert set(test.record_ids) == set(mitbih.DS2)
    assert not set(test.record_ids) & set(mitbih.DS1)
    # counts of N, S and V beats in DS2, from the annotations themselves
    assert np.bincount(test.targets).tolist() == [44_259, 1_837, 3_221]
    assert test.provenance["beats_of_no_class"]["count"] == 395
    assert not test.synthetic


def test_every_beat_of_a_record_can_be_asked_for(task):
    everything = task.test(every_beat=True)
    record = task.reader.record("213")
    mine = everything.record_ids == "213"
    beats = [s for s in record.annotations.symbols if s in CLASS_OF]
    assert mine.sum() == len(beats)
    assert (everything.targets[mine] == -1).sum() == sum(CLASS_OF[s] in "FQ" for s in beats)


def test_a_limit_leaves_every_record_in(task):
    test = task.test(limit_per_record=10)
    assert len(test) == 220
    assert set(test.record_ids) == set(mitbih.DS2)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("100.hea", "1 of 44 MIT-BIH records are missing, first 100"),
        ("100.dat", r"100\.dat is missing"),
        ("100.atr", r"100\.atr: no such"),
    ],
)
def test_a_missing_file_is_named(real_data, tmp_path, loss, message):
    for path in real(real_data, "mitdb").glob("*"):
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / loss).unlink()
    with pytest.raises(DataError, match=message):
        load_task("mitbih-beats", tmp_path).test(limit_per_record=1)
