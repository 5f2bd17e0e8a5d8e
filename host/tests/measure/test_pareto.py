"""The Pareto front, and the model to take: only over runs that may be compared, and never silent about the others."""

import copy
import json

import pytest
from click.testing import CliRunner
from test_validity_and_comparison import RUN

from ecgdeploy.cli.pareto import advise as advise_command
from ecgdeploy.cli.pareto import pareto as pareto_command
from ecgdeploy.errors import DataError, GateError, UsageError
from ecgdeploy.measure.pareto import advise, front, read_field, refusal
from ecgdeploy.reports.pareto_page import render


@pytest.fixture
def runs(tmp_path):
    """Four runs over one test set, one over another, and a model that the board refused."""

    def add(name, quality, flash, ram, cost, **other):
        result = copy.deepcopy(RUN)
        result["provenance"] |= {"model": name, "engine": "static", "model_sha256": name} | other
        result["columns"]["device"]["macro_auc"] = quality
        result["memory"] |= {"flash_total": flash, "ram_total": ram}
        result["latency"]["median"] = cost
        folder = tmp_path / name
        folder.mkdir()
        (folder / "result.json").write_text(json.dumps(result))

    add("small", 0.80, 100_000, 20_000, 9_000_000)
    add("middle", 0.85, 240_000, 31_000, 16_000_000)
    add("worse", 0.79, 250_000, 31_000, 17_000_000)
    add("large", 0.86, 600_000, 54_000, 28_000_000)
    add("elsewhere", 0.99, 1, 1, 1, windows=3)
    (tmp_path / "huge").mkdir()
    refusal(
        tmp_path / "huge",
        model="huge",
        board="nano33ble",
        engine="static",
        why="flash: 8,000,000 bytes over",
        quality={"macro_auc": 0.9},
    )
    return tmp_path


def names(candidates):
    return {c.model for c in candidates}


def test_a_dominated_model_is_not_on_the_front(runs):
    found = read_field([runs]).candidates
    assert names(found) == {"small", "middle", "worse", "large", "huge"}
    assert [c.model for c in front(found)] == ["large", "middle", "small"]


def test_a_run_over_other_windows_is_left_out_and_named(runs):
    left_out = read_field([runs]).left_out
    assert len(left_out) == 1
    assert "elsewhere" in left_out[0] and "different number of windows" in left_out[0]


def test_an_invalid_run_is_left_out(runs):
    path = runs / "small" / "result.json"
    result = json.loads(path.read_text())
    path.write_text(json.dumps(result | {"validity": ["output_not_identical"]}))
    field = read_field([runs])
    assert "small" not in names(field.candidates)
    assert any("output_not_identical" in line for line in field.left_out)


def test_the_best_that_fits_is_named_and_the_next_better_with_its_reason(runs):
    found = read_field([runs]).candidates
    best = advise(found, "nano33ble", 0.0)
    assert best.chosen.model == "large"
    assert [(c.model, why) for c, why in best.better] == [("huge", "flash: 8,000,000 bytes over")]
    tight = advise(found, "nano33ble", 0.0, {"ram": 40_000})
    assert tight.chosen.model == "middle"
    assert [c.model for c, _ in tight.better] == ["large", "huge"]
    assert tight.better[0][1] == "RAM 54,000 is 14,000 over the limit of 40,000"


def test_a_bar_that_nothing_reaches_fails_the_gate_and_says_how_far_one_gets(runs):
    assert advise(read_field([runs]).candidates, "nano33ble", 0.95).chosen is None
    done = CliRunner().invoke(advise_command, [str(runs), "--board", "nano33ble", "--min-auroc", "0.95"])
    assert isinstance(done.exception, GateError) and "at least 0.9500" in str(done.exception)
    assert "large, reaches 0.8600" in done.exception.hint
    # good enough, but it does not fit
    done = CliRunner().invoke(advise_command, [str(runs), "--board", "nano33ble", "--min-auroc", "0.88"])
    assert isinstance(done.exception, GateError) and "good enough, huge" in done.output


def test_runs_left_out_for_one_reason_are_one_line_and_a_refusals_figure_is_never_cut(runs):
    for name in ("elsewhere too", "and here"):
        (runs / name).mkdir()
        (runs / name / "result.json").write_bytes((runs / "elsewhere" / "result.json").read_bytes())
    why = (
        "int8 with engine static does not fit nano33ble: at least 7,857,736 bytes over in flash (983,040) (heaviest: x)"
    )
    refusal(
        runs / "huge", model="huge", board="nano33ble", engine="static", why=why, quality={"macro_auc": 0.9},
    )  # fmt: skip
    done = CliRunner().invoke(pareto_command, [str(runs)])
    assert [line for line in done.stderr.splitlines() if "left out" in line] == [
        f"left out: {runs / 'and here'} and 2 more: different number of windows: 10 and 3"
    ]
    assert "7,857,736" in done.stdout and "heaviest" not in done.stdout


def changed(runs, name, place, **values):
    path = runs / name / "result.json"
    result = json.loads(path.read_text())
    result[place] |= values
    path.write_text(json.dumps(result))


def test_what_was_not_measured_does_not_fit_a_limit(runs):
    changed(runs, "large", "memory", ram_total=None)
    best = advise(read_field([runs]).candidates, "nano33ble", 0.0, {"ram": 60_000})
    assert best.chosen.model == "middle"
    assert dict((c.model, why) for c, why in best.better)["large"] == "its RAM was not measured"


def test_two_models_of_one_name_are_two_models_and_one_model_twice_is_one(runs):
    for name, content in (("small", "1"), ("middle", "2"), ("worse", "2")):
        changed(runs, name, "provenance", model="int8.tflite", model_sha256=content)
    field = read_field([runs])
    named = [c.model for c in field.candidates if "int8" in c.model]
    assert named == [f"int8.tflite ({runs / 'middle'})", f"int8.tflite ({runs / 'small'})"]
    assert any(line.startswith(f"{runs / 'worse'}: the same model and board as") for line in field.left_out)


def test_instructions_of_a_twin_and_cycles_of_a_board_are_not_held_against_each_other(runs):
    same = {"columns": {"device": {"macro_auc": 0.85}}, "memory": {"flash_total": 240_000, "ram_total": 31_000}}
    for place, values in same.items():
        changed(runs, "worse", place, **values)
    assert {c.model for c in front(read_field([runs]).candidates)} == {"large", "middle", "small"}
    changed(runs, "worse", "latency", unit="cycles")
    assert {c.model for c in front(read_field([runs]).candidates)} == {"large", "middle", "small", "worse"}


def test_an_interrupted_run_is_named(runs):
    (runs / "begun").mkdir()
    (runs / "begun" / "journal.jsonl").write_text("")
    assert any("begun: interrupted" in line for line in read_field([runs]).left_out)


def test_a_refused_model_without_the_figure_is_named_not_called_damaged(runs):
    left_out = read_field([runs], "accuracy").left_out
    assert f"{runs / 'huge'}: has no figure accuracy" in left_out


def test_a_board_without_runs_names_those_that_have_some(runs):
    with pytest.raises(UsageError, match="measured are: nano33ble"):
        advise(read_field([runs]).candidates, "rpi4", 0.0)


def test_folders_without_runs_and_figures_that_are_not_there(tmp_path, runs):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UsageError, match="no run here"):
        read_field([empty])
    with pytest.raises(DataError, match="no such file"):
        read_field([tmp_path / "nowhere"])
    with pytest.raises(UsageError, match="it has accuracy"):
        read_field([runs], "sensitivity")
    (runs / "huge" / "refused.json").write_text("{}")
    with pytest.raises(DataError, match="is damaged"):
        read_field([runs])


def test_the_page_has_every_model_and_asks_for_nothing_outside(runs, tmp_path):
    done = CliRunner().invoke(pareto_command, [str(runs), "--html", str(tmp_path / "page.html"), "--json"])
    assert done.exit_code == 0, done.output
    listed = {c["model"]: c["on_the_front"] for c in json.loads(done.stdout)}
    assert listed == {"small": True, "middle": True, "worse": False, "large": True, "huge": False}
    page = (tmp_path / "page.html").read_text()
    assert all(name in page for name in listed)
    assert "default-src 'none'" in page  # the browser refuses every request
    outside = page.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    assert "http" not in outside and "src=" not in outside


def test_a_name_cannot_break_out_of_the_page(runs):
    path = runs / "small" / "result.json"
    result = json.loads(path.read_text())
    result["provenance"]["model"] = "</script><script>alert(1)</script>"
    path.write_text(json.dumps(result))
    found = read_field([runs]).candidates
    assert "<script>alert" not in render(found, front(found))
