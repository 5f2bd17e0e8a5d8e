"""What makes a run invalid is in one table, spoils its figures, and keeps it out of comparisons."""

import copy
import json

import numpy as np
import pytest

from ecgdeploy.errors import DataError, UsageError
from ecgdeploy.link.protocol import FLAGS
from ecgdeploy.measure.compare import compare, read_result
from ecgdeploy.measure.result import SCHEMA, Latency
from ecgdeploy.measure.validity import BY_NAME, TABLE, TIME, codes, drift, invalid, spoilt

RUN = {
    "schema": SCHEMA,
    "classes": ["N", "S", "V"],
    "provenance": {
        "data": {"data": "set", "data_sha256": "aa", "task": "beats", "part": "test", "split_sha256": "bb"},
        "synthetic": False, "windows": 10, "emulated": True, "twin": "mps2-an386", "board": "nano33ble",
    },
    "validity": ["emulated"],
    "latency": {"unit": "instructions", "minimum": 90, "median": 100, "maximum": 110, "count": 10, "reason": ""},
    "memory": {"flash_total": 1000, "ram_total": 200, "ram_static": 150, "stack_high_water": 50},
    "bit_exact": {"compared": 10, "identical": 10},
    "columns": {"device": {"accuracy": 0.9, "examples": 10, "per_class": [{"name": "N", "f1": 0.8}]}},
}  # fmt: skip


def changed(**parts):
    other = copy.deepcopy(RUN)
    for path, value in parts.items():
        *way, last = path.split("__")
        place = other
        for key in way:
            place = place[key]
        place[last] = value
    return other


def test_every_flag_of_the_protocol_is_in_the_table_with_what_to_do():
    assert {flag.name for flag in FLAGS} <= set(BY_NAME)
    assert all(code.text and code.hint for code in TABLE)


def test_a_good_emulated_run_is_valid_and_says_that_no_time_was_measured():
    found = codes([], np.full(100, 7), emulated=True, difference=None)
    assert found == ("emulated",)
    assert invalid(found) == []


def test_a_code_of_the_device_appears_once_and_makes_the_run_invalid():
    found = codes(["clock_frozen"] * 50, np.full(100, 7), emulated=False, difference="window 3, output byte 0")
    assert found == ("clock_frozen", "output_not_identical: window 3, output byte 0")
    assert invalid(found) == list(found)


@pytest.mark.parametrize(("last", "drifted"), [(1000, False), (1005, False), (1020, True), (900, True)])
def test_drift_is_a_change_between_the_ends_of_a_run(last, drifted):
    ticks = np.concatenate([np.full(50, 1000), np.full(50, last)])
    found = codes([], ticks, emulated=False, difference=None)
    assert bool(found) is drifted
    assert abs(drift(ticks) - (last / 1000 - 1)) < 1e-12


def test_a_spoilt_time_is_left_out_not_averaged():
    latency = Latency.of(np.array([1, 2, 3]), "cycles", spoilt=spoilt(("clock_wrapped",), TIME))
    assert latency.median is None and latency.reason == "invalid: clock_wrapped"


def test_equal_conditions_are_compared_figure_by_figure():
    rows = {(row.aspect, row.figure): row for row in compare(RUN, changed(latency__median=150, memory__ram_total=100))}
    assert rows["time", "instructions, median"].change == 0.5
    assert rows["memory", "RAM, bytes"].change == -0.5
    assert rows["answers", "N: f1"].change == 0.0


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"provenance__data__split_sha256": "cc"}, "answers: different split"),
        ({"provenance__windows": 11}, "different number of windows: 10 and 11"),
        ({"provenance__synthetic": True}, "different synthetic data"),
        ({"latency__unit": "cycles"}, "time: different unit of time: instructions and cycles"),
        ({"provenance__board": "pico"}, "memory: different board: nano33ble and pico"),
        ({"validity": ["clock_frozen"]}, "time: the second run is invalid: clock_frozen"),
        ({"validity": ["output_not_identical: window 1"]}, "answers: the second run is invalid: output_not_identical"),
        ({"memory": None}, "memory: the second run has no memory figures"),
    ],
)
def test_what_is_not_comparable_is_refused_with_the_reason(parts, reason):
    with pytest.raises(UsageError, match=reason):
        compare(RUN, changed(**parts))


def test_the_comparable_part_can_be_had_alone():
    rows = compare(RUN, changed(latency__unit="cycles"), ["answers"])
    assert {row.aspect for row in rows} == {"answers"}


def test_a_file_that_is_no_result_is_refused(tmp_path):
    (tmp_path / "result.json").write_text(json.dumps({"schema": "other"}))
    with pytest.raises(DataError, match="not a result"):
        read_result(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        read_result(tmp_path / "none")


def test_an_interrupted_run_and_a_folder_of_runs_are_told_from_a_wrong_folder(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "result.json").write_text(json.dumps(RUN))
    (tmp_path / "b" / "journal.jsonl").write_text("")
    with pytest.raises(DataError, match="b: the run was interrupted") as error:
        read_result(tmp_path / "b")
    assert "--resume" in error.value.hint
    with pytest.raises(DataError) as error:
        read_result(tmp_path)
    assert error.value.hint == "it holds runs: a"
