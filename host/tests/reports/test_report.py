"""A report of runs shows the figures, says what cannot be compared, and asks nothing of the network."""

import copy
import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from click.testing import CliRunner

from ecgdeploy.cli.report import report as command
from ecgdeploy.errors import DataError
from ecgdeploy.reports.beside import BARRED, short_names, side_by_side
from ecgdeploy.reports.summary import against_first, headline, markdown, record_rows

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A real run of a few synthetic windows on the emulated board."""
    from ecgdeploy.measure.session import Choice
    from ecgdeploy.measure.session import run as measured

    folder = tmp_path_factory.mktemp("report") / "run"
    choice = Choice(task="mitbih-beats-synthetic", emulate=True, limit=1, operators=True, output=folder)
    measured(choice, lambda *_: None)
    return folder


@pytest.fixture(scope="module")
def result(run):
    return json.loads((run / "result.json").read_text())


@pytest.fixture(scope="module")
def pages(run, result, tmp_path_factory):
    """The folder of a report of the run and of one on another board."""
    folder = tmp_path_factory.mktemp("pages")
    other = copy.deepcopy(result)
    other["provenance"]["board"] = "otherboard"
    beat = {"index": 0, "record": "made", "why": "missed", "class": "V", "score": 0.07, "annotated": ["V"],
            "device": ["N"], "time_s": 63.0, "rate_hz": 100.0, "start_s": 60.0, "unit": "uV",
            "leads": {"II": [500, -500] * 300, "V1": [0] * 600}}
    window = beat | {"record": "window", "why": "false alarm", "time_s": None, "rate_hz": None, "leads": {"x": [1, 2]}}
    other["extra"]["mistakes"] = [beat, window]
    (folder / "other.json").write_text(json.dumps(other))
    asked = [str(run), str(folder / "other.json"), "--output", str(folder / "out"), "--json"]
    done = CliRunner().invoke(command, asked)
    assert done.exit_code == 0, (done.output, done.exception)
    return folder / "out", json.loads(done.stdout)


def test_answers_are_compared_where_time_and_memory_are_refused(result):
    other = copy.deepcopy(result)
    other["provenance"]["board"] = "otherboard"
    (pair,) = against_first({"a": result, "b": other})
    assert any(row[0] == "accuracy" and row[3] == "+0.00%" for row in pair.rows)
    assert not any("flash" in row[0] or "instructions" in row[0] for row in pair.rows)
    assert any(reason.startswith("memory: different board") for reason in pair.refused)


def test_side_by_side_shows_a_figure_only_where_it_may_be_compared_and_why_not(result):
    def changed(**values):
        other = copy.deepcopy(result)
        for place, value in values.items():
            part, key = place.split("__")
            other[part][key] = value
        return other

    larger = changed(memory__flash_total=2 * result["memory"]["flash_total"])
    elsewhere = changed(provenance__board="otherboard", provenance__twin="another")
    fewer = changed(provenance__windows=1)
    beside = side_by_side({"a": result, "larger": larger, "elsewhere": elsewhere, "fewer": fewer})
    rows = {figure.name: figure for figure in beside.figures}
    flash = rows["flash, bytes"]
    assert flash.changes == ("", "+100.0%", "", "") and flash.shown[2] == BARRED and flash.shown[3] == flash.shown[0]
    assert rows["accuracy, %"].shown[2] == rows["accuracy, %"].shown[0] and rows["accuracy, %"].shown[3] == BARRED
    assert rows["instructions of one, median"].shown[2:] == (BARRED, BARRED)
    reasons = dict(beside.reasons)
    assert set(reasons) == {"elsewhere", "fewer"}
    # the emulated machine follows from the board
    assert reasons["elsewhere"] == ("time and memory: different board: nano33ble and otherboard",)
    text = markdown({"a": result, "larger": larger, "elsewhere": elsewhere})
    assert "(+100.0%)" in text and "elsewhere, not comparable: time and memory" in text


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["runs/a", "runs/b"], ["a", "b"]),
        (["runs/a/x", "runs/b/x"], ["a/x", "b/x"]),
        (["runs/a", "runs/a/b"], ["a", "a/b"]),
        (["/one", "two"], ["/one", "two"]),
        (["deep/run"], ["run"]),
        (["."], ["."]),
    ],
)
def test_runs_go_by_what_tells_their_folders_apart(paths, names):
    assert short_names(paths) == names


def test_an_invalid_run_is_named_in_the_headline(result):
    other = copy.deepcopy(result)
    other["validity"].append("throttled")
    rows = headline({"a": result, "b": other})
    assert rows[1][-1] == "yes" and rows[2][-1] == "throttled"


def test_a_rounding_between_two_processors_is_no_failure_on_the_page(result):
    from ecgdeploy.reports.page import render_page

    other = copy.deepcopy(result)
    other["bit_exact"]["identical"] -= 1
    assert "≈" in render_page(other) and "a rounding apart" in render_page(other) and "✗" not in render_page(other)
    other["validity"].append("output_not_identical")
    assert "✗" in render_page(other) and "≈" not in render_page(other)


def test_records_come_worst_first():
    rows = record_rows({"records": {"1": {"windows": 4, "correct": 4}, "2": {"windows": 4, "correct": 1}}})
    assert rows == [["2", "4", "1", "25.00"], ["1", "4", "4", "100.00"]]


def test_the_summary_says_that_synthetic_ecg_was_measured(result):
    assert "Synthetic ECG" in markdown({"run": result})


def test_a_page_and_a_summary_are_written_with_every_run(pages, result):
    folder, printed = pages
    page, text = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    flash = f"{result['memory']['flash_total']:,}"
    assert flash in page and flash in text and "otherboard" in page and "different board" in text
    assert [row["flash, B"] for row in printed["runs"]] == [flash, flash]


def test_the_page_draws_plan_operators_and_the_errors(pages, result):
    page = (pages[0] / "report.html").read_text()
    plan, operators = result["extra"]["plan"], result["extra"]["operators"]
    assert f"{plan['arena_bytes']:,} bytes" in page and "Plan of the arena" in page
    assert plan["buffers"] and all(b["offset"] + b["bytes"] <= plan["arena_bytes"] for b in plan["buffers"])
    for row in operators:
        assert f"{row['stage']} {row['kind']}" in page and f"{row['instructions']:,}" in page
    assert "missed V" in page and "record made, 1:03.000" in page
    assert "false alarm V" in page and "record window<" in page
    right = sum(row["correct"] for row in result["records"].values())
    assert bool(result["extra"]["mistakes"]) == (right < sum(row["windows"] for row in result["records"].values()))


def test_instructions_of_the_operators_are_most_of_an_inference(result):
    counted = sum(row["instructions"] for row in result["extra"]["operators"])
    assert 0.8 * result["latency"]["median"] < counted < result["latency"]["median"]


def test_a_result_of_before_plans_and_errors_still_makes_a_page(result, tmp_path):
    old = copy.deepcopy(result)
    for key in ("plan", "operators", "mistakes"):
        old["extra"].pop(key)
    (tmp_path / "r.json").write_text(json.dumps(old))
    done = CliRunner().invoke(command, [str(tmp_path / "r.json"), "--output", str(tmp_path / "out")])
    assert done.exit_code == 0 and "Plan of the arena" not in (tmp_path / "out" / "report.html").read_text()


def test_the_page_names_nothing_to_be_fetched(pages):
    page = (pages[0] / "report.html").read_text()
    links = re.findall(r"(?:src|href|action)\s*=\s*[\"']([^\"'#][^\"']*)|url\(([^#)][^)]*)\)", page)
    assert all((a or b).startswith("data:") for a, b in links)
    assert "default-src 'none'" in page and "<script" not in page


def test_the_beat_in_question_is_drawn_whole_and_artefacts_are_cut():
    from ecgdeploy.reports.plots import _span

    signal = np.zeros(600)
    signal[300], signal[10] = -4.2, 9.0
    assert _span(signal, signal[:0]) == (-2.0, 3.0)
    assert _span(signal, signal[280:320])[0] == -4.5
    assert _span(np.full(600, 40.0), signal[:0]) == (40.0, 41.0)


def test_columns_come_in_the_same_order_from_the_file_as_from_the_run(run):
    from ecgdeploy.measure.compare import read_result

    assert list(read_result(run)["columns"]) == ["device", "host int8", "host float32"]


def test_a_result_without_its_parts_is_one_line(result, tmp_path):
    broken = {key: value for key, value in result.items() if key != "latency"}
    (tmp_path / "r.json").write_text(json.dumps(broken))
    done = CliRunner().invoke(command, [str(tmp_path / "r.json"), "--output", str(tmp_path / "out")])
    assert isinstance(done.exception, DataError) and "\n" not in done.exception.message


@pytest.mark.skipif(CHROMIUM is None, reason="apt-get install chromium enables this test")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_browser_draws_the_page_without_a_word_on_its_console(pages, tmp_path, dark):
    # the page's policy forbids every request: one that was tried would be a line on the console
    shot = tmp_path / "shot.png"
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr",
         "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1000,1400",
         *scheme, f"--screenshot={shot}", (pages[0] / "report.html").as_uri()],
        capture_output=True, text=True, timeout=600, env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert shot.is_file(), done.stderr[-500:]
    assert "CONSOLE" not in done.stderr
    import matplotlib.image

    pixels = matplotlib.image.imread(shot)[..., :3]
    inked = (abs(pixels - pixels[0, 0]).max(axis=2) > 0.2).mean()
    assert pixels.shape[:2] == (1400, 1000) and 0.01 < inked < 0.6
    assert (pixels[0, 0].max() < 0.2) if dark else (pixels[0, 0].min() > 0.9)
