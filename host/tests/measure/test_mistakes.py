"""A report's errors are the ones to look at first, with the ECG they were made on."""

import numpy as np
import pytest

from ecgdeploy.ecg.record import Record
from ecgdeploy.ecg.views import TestView
from ecgdeploy.measure.mistakes import LIMIT, make_mistakes


def view(targets, classes, records=None, positions=None) -> TestView:
    count = len(targets)
    inputs = np.zeros((count, 8, 1), np.float32)
    inputs[:, :, 0] = np.arange(count)[:, None]
    ids = np.array(records or [f"r{k}" for k in range(count)])
    where = np.array(positions or [-1] * count)
    return TestView(inputs, np.asarray(targets), classes, ids, where, True, "made up")


def test_a_missed_ventricular_beat_comes_before_a_surer_false_alarm():
    test = view(np.array([0, 1, 2, 0]), ("N", "S", "V"))
    scores = np.array([[0.01, 0.0, 0.99], [0.8, 0.2, 0.0], [0.6, 0.1, 0.3], [0.9, 0.1, 0.0]])
    found = make_mistakes(test, scores, None)
    assert [(m["why"], m["class"], m["record"]) for m in found] == [
        ("missed", "V", "r2"), ("missed", "S", "r1"), ("false alarm", "V", "r0")]  # fmt: skip
    assert found[0]["annotated"] == ["V"] and found[0]["device"] == ["N"] and found[0]["score"] == 0.3


def test_the_surest_miss_of_a_class_is_shown_first():
    test = view(np.array([1, 1, 1]), ("N", "V"))
    scores = np.array([[0.6, 0.4], [0.95, 0.05], [0.7, 0.3]])
    assert [m["record"] for m in make_mistakes(test, scores, None)] == ["r1", "r2", "r0"]


def test_many_labels_a_record_have_misses_and_false_alarms_of_their_own():
    test = view(np.array([[1, 0], [0, 1], [1, 0]], np.uint8), ("MI", "NORM"))
    scores = np.array([[0.1, 0.9], [0.8, 0.2], [0.9, 0.1]])
    found = make_mistakes(test, scores, None)
    assert [(m["why"], m["class"], m["record"]) for m in found] == [("missed", "MI", "r0"), ("false alarm", "MI", "r1")]


def test_a_window_of_no_class_is_no_error_and_right_answers_show_nothing():
    test = view(np.array([-1, 0]), ("N", "V"))
    assert make_mistakes(test, np.array([[0.0, 1.0], [1.0, 0.0]]), None) == []


def test_other_records_come_before_a_second_error_of_the_same_and_no_more_than_the_limit():
    test = view(np.ones(9, int), ("N", "V"), records=["a"] * 8 + ["b"])
    scores = np.column_stack([np.linspace(0.99, 0.6, 9), np.linspace(0.01, 0.4, 9)])
    found = make_mistakes(test, scores, None)
    assert [m["record"] for m in found[:2]] == ["a", "b"] and len(found) == LIMIT
    assert len({m["index"] for m in found}) == LIMIT


@pytest.mark.parametrize("position", [10, 4990, 2500])
def test_the_strip_holds_the_beat_and_is_the_records_own_signal(position):
    signal = np.arange(5000, dtype=np.float32)[:, None] / 1000
    record = Record(name="r0", signal=signal, leads=("MLII",), rate=360.0, patient="p", source="made", licence="none")
    test = view(np.array([1]), ("N", "V"), positions=[position])
    (shown,) = make_mistakes(test, np.array([[0.9, 0.1]]), lambda _: record)
    start = round(shown["start_s"] * 360)
    assert shown["leads"]["MLII"] == list(range(start, start + 2160))
    assert start <= position < start + 2160 and shown["time_s"] == pytest.approx(position / 360)


def test_twelve_leads_show_three_and_a_short_record_its_whole():
    from ecgdeploy.ecg.record import STANDARD_LEADS

    record = Record(name="r0", signal=np.zeros((300, 12), np.float32), leads=STANDARD_LEADS, rate=100.0, patient="p",
                    source="made", licence="none")
    (shown,) = make_mistakes(view(np.array([1]), ("NORM", "MI")), np.array([[0.9, 0.1]]), lambda _: record)
    assert {lead: len(values) for lead, values in shown["leads"].items()} == {"II": 300, "V1": 300, "V5": 300}
    assert shown["time_s"] is None
