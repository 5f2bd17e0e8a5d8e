"""Studies: the grid as data, one row a cell, resumable, several processes, a Dask cluster; the statistics."""

import json
import os
import select
import signal
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from ecgdeploy import studies
from ecgdeploy.cli.study import study as command
from ecgdeploy.errors import DataError, DeviceError, UsageError
from ecgdeploy.models.paper import UNITS
from ecgdeploy.reports import study_html
from ecgdeploy.studies import base, rajotte2025, runner, statistics, tables
from ecgdeploy.studies.subset import SomeLeads

from . import toy_study


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    """A study whose cells are sums, found by name in this process and in those it starts."""
    monkeypatch.setitem(studies.STUDIES, "toy", "toy")
    monkeypatch.setitem(sys.modules, "ecgdeploy.studies.toy", toy_study)


def test_the_grid_is_the_papers():
    full = rajotte2025.STUDY.units(False, False)
    grid = [unit for unit in full if unit.id not in (rajotte2025.SIZES, "beat-cnn")]
    assert len(grid) == 9
    assert sum(len(unit.cells) for unit in grid) == 81  # seven precisions, and two on the device
    quick = {unit.params.get("leads") for unit in rajotte2025.STUDY.units(True, False)}
    assert {12, 3} <= quick


def test_the_flagship_is_the_whole_network_and_reports_what_it_has(tmp_path):
    from ecgdeploy.studies import flagship

    made = flagship.settings("mtcnn", quick=False)
    assert (made.model.name, made.model.options) == ("mtcnn", {"leads": 12, "outputs": "75"})
    assert flagship.settings("cnn1d", quick=True).epochs == 1
    result = {"windows": 255, "accuracy": 0.4, "macro_f1": 0.05, "macro_auc": 0.78}
    rows = [
        {"cell": "mtcnn/float32", "unit": "mtcnn", "status": "done", "reason": "", "result": result},
        {"cell": "mtcnn/device", "unit": "mtcnn", "status": "failed", "reason": "QEMU is not installed", "result": {}},
    ]
    report = flagship.report(rows, tmp_path)
    assert report.tables[0].rows == (("mtcnn", "float32", 255, 0.4, 0.05, 0.78, None),)
    assert any("QEMU is not installed" in line for line in report.remarks)


@pytest.mark.parametrize(("auc", "shown"), [(0.75, ("macro AUC", 0.78, 0.75)), (None, ("macro F1", 0.05, 0.07))])
def test_the_flagship_shows_the_device_beside_float32_in_the_task_s_figure(tmp_path, auc, shown):
    from ecgdeploy.studies import flagship

    device = {
        "windows": 9, "bit_exact": {"identical": 9, "compared": 9}, "macro_auc": auc, "macro_f1": 0.07, "accuracy": 0.5,
        "float32": {"macro_auc": 0.78, "macro_f1": 0.05, "accuracy": 0.4}, "weight_bytes": 10, "golden": "TFLM",
        "memory": {"flash_total": 1, "ram_static": 2, "stack_high_water": 3}, "latency": {"median": 4},
    }  # fmt: skip
    row = {"cell": "mtcnn/device", "unit": "mtcnn", "status": "done", "reason": "", "result": device}
    table = flagship.report([row], tmp_path).tables[1]
    assert table.rows[0][3:6] == shown and table.columns[3:6] == ("figure", "float32", "device")


def test_the_full_form_trains_as_the_paper_says():
    full = rajotte2025.settings(12, list(UNITS["75"]), quick=False)
    assert (full.epochs, full.batch, full.optimizer.learning_rate, full.loss.kind) == (30, 128, 1e-3, "focal")
    assert full.model.name == "mtcnn" and full.optimizer.schedule == "constant"
    assert rajotte2025.settings(12, list(UNITS["75"]), quick=True).model.name == "mtcnn-pooled"


def test_every_cell_becomes_a_row_and_a_failed_one_says_why(tmp_path):
    lines = []
    rows = runner.run("toy", tmp_path, report=lines.append)
    assert [(row["cell"], row["status"]) for row in rows] == [
        ("bad/a", "failed"), ("bad/b", "failed"), ("good/a", "done"), ("good/b", "done"),
    ]  # fmt: skip
    assert rows[0]["reason"] == "record 7 is damaged (copy it again)"
    assert rows[2]["result"] == {"sum": 3} and rows[2]["provenance"] == {"seed": 1}
    assert np.array_equal(runner.arrays_of(tmp_path, "good/a")["terms"], [1, 2])
    assert "bad/a: failed - record 7 is damaged (copy it again)" in lines


def test_a_second_run_does_only_what_is_missing(tmp_path):
    runner.run("toy", tmp_path)
    before = runner.row_path(tmp_path, "good/a").stat().st_mtime_ns
    runner.row_path(tmp_path, "good/b").unlink()
    rows = runner.run("toy", tmp_path)
    assert {row["cell"]: row["status"] for row in rows}["good/b"] == "done"
    assert runner.row_path(tmp_path, "good/a").stat().st_mtime_ns == before
    todo = (tmp_path / "work/good/todo").read_text()
    assert json.loads(todo) == ["good/b"]


def test_a_folder_keeps_to_one_form_of_one_study(tmp_path):
    runner.run("toy", tmp_path)
    with pytest.raises(UsageError, match="another form"):
        runner.run("toy", tmp_path, quick=True)


def test_two_dask_workers_fill_the_rows(tmp_path):
    distributed = pytest.importorskip("distributed", reason="pip install 'ecgdeploy[cluster]' enables this test")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, preload=[toy_study.__file__]
    ) as cluster:
        rows = runner.run("toy", tmp_path, cluster=cluster.scheduler_address)
    done = [row for row in rows if row["status"] == "done"]
    assert len(done) == 2 and len(rows) == 4
    assert (tmp_path / "work/good/process").read_text() != str(toy_study.process())


def test_an_absent_cluster_is_a_device_error(tmp_path):
    pytest.importorskip("distributed", reason="pip install 'ecgdeploy[cluster]' enables this test")
    with pytest.raises((DeviceError, UsageError), match="no Dask scheduler answers"):
        runner.run("toy", tmp_path, cluster="nonsense://nowhere")


def test_the_report_is_a_terminal_table_csv_and_html(tmp_path):
    done = CliRunner().invoke(command, ["run", "toy", "--output", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "sums" in done.output and "0.5000" in done.output
    assert (tmp_path / "sums.csv").read_text().splitlines()[0] == "cell,paper,ours,difference"
    page = (tmp_path / "report.html").read_text()
    assert "<svg" in page and "<script" not in page and 'src="' not in page and 'href="http' not in page
    again = CliRunner().invoke(command, ["report", "toy", "--output", str(tmp_path), "--json"])
    assert json.loads(again.output)["tables"][0]["name"] == "sums"


def test_a_report_without_rows_says_what_to_run(tmp_path):
    result = CliRunner().invoke(command, ["report", "toy", "--output", str(tmp_path)])
    assert isinstance(result.exception, UsageError) and "study run toy" in result.exception.hint


def test_html_escapes_what_it_shows():
    table = tables.Table("t", "<b>", ("a",), (("<script>",),))
    page = study_html.render(tables.Report("t", "p", (table,), ("<i>",)))
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_unknown_studies_name_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'rajotte2025'"):
        studies.load("rajote2025")


def test_the_rarest_outputs_are_dropped_as_in_the_paper():
    counts = np.arange(75)[::-1] + 1
    groups = {"diagnostic": (0, 44), "form": (44, 63), "rhythm": (63, 75)}
    for outputs, units in UNITS.items():
        kept = rajotte2025.kept_outputs(counts, groups, outputs)
        assert tuple(len(kept[head]) for head in rajotte2025.HEADS) == units
    assert kept["form"] == list(range(44, 55))
    counts[50] = 0
    assert 50 not in rajotte2025.kept_outputs(counts, groups, "75")["form"]


def test_some_leads_reads_like_the_columns_of_an_array():
    x = np.random.default_rng(0).normal(size=(5, 7, 12)).astype(np.float32)
    some = SomeLeads(x, (0, 1, 7))
    assert some.shape == (5, 7, 3)
    assert np.array_equal(some[np.array([4, 0])], x[[4, 0]][..., [0, 1, 7]])
    assert np.array_equal(np.asarray(some), x[..., [0, 1, 7]])


def test_alike_treatments_are_not_called_different():
    rng = np.random.default_rng(0)
    base_values = rng.normal(size=60)
    same = {name: base_values + rng.normal(0, 0.1, 60) for name in "abc"}
    assert statistics.compare(same).friedman > 0.01
    same["d"] = base_values - 1.0
    tests = statistics.compare(same)
    assert tests.friedman < 1e-6 and tests.pairs["a", "d"] < 1e-6 < tests.pairs["a", "b"]


def test_the_bootstrap_interval_holds_the_difference_and_zero_for_equals():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, (200, 3))
    good = targets + rng.normal(0, 0.7, targets.shape)
    assert statistics.bootstrap_macro_auc(targets, good, good, 50) == (0.0, 0.0, 0.0)
    bad = rng.normal(size=targets.shape)
    for records in (None, np.arange(200) // 10):
        change, low, high = statistics.bootstrap_macro_auc(targets, good, bad, 100, records=records)
        assert low <= change <= high < 0


def test_a_data_error_in_a_unit_is_not_a_traceback():
    with pytest.raises(DataError):
        list(toy_study.work(base.Unit("bad", {}, ("bad/a",)), None))


def test_ahmed_has_eighteen_experiments_of_which_each_is_measured_on_two_boards():
    from ecgdeploy.studies import ahmed2025, ahmed_report

    units = ahmed2025.STUDY.units(True, False)
    assert {unit.id for unit in units} == set(ahmed_report.PAPER) == {f"E{i}" for i in range(1, 19)}
    cells = {tuple(cell.split("/")[1] for cell in unit.cells) for unit in units}
    assert cells == {("float32", "int8", "nano33ble", "rpi4")}
    full = ahmed2025.settings("E1", 17, 2500, quick=False)
    assert (full.epochs, full.batch, full.optimizer.learning_rate, full.optimizer.weight_decay) == (30, 256, 3e-3, 1e-5)


def test_ahmed_scores_leave_out_a_class_without_positives():
    from ecgdeploy.studies.ahmed2025 import scores

    targets = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]], np.uint8)
    probabilities = np.array([[0.9, 0.2, 0.9], [0.1, 0.8, 0.9], [0.7, 0.6, 0.9], [0.2, 0.1, 0.9]])
    found = scores(targets, probabilities)
    assert found["classes_scored"] == 2
    assert found["macro_auc"] == found["micro_auc"] == found["micro_precision"] == 1.0


def test_ahmed_report_says_what_a_board_cannot_take(tmp_path):
    from ecgdeploy.studies import ahmed_report

    facts = {"source": "a set", "task": {"split": "a split"}, "config": {"epochs": 4}, "synthetic": False}
    rows = [
        {"unit": "E1", "cell": "E1/nano33ble", "status": "done", "quick": True, "reason": "", "provenance": facts,
         "result": {"fits": False, "why": "flash: 8,000,000 bytes over", "board": "nano33ble"}},
    ]  # fmt: skip
    table = next(t for t in ahmed_report.report(rows, tmp_path).tables if t.name == "on_nano33ble")
    assert table.rows[0][0] == "E1" and table.rows[0][-1] == "flash: 8,000,000 bytes over"


@pytest.mark.train
def test_a_rehearsal_says_what_the_whole_would_need(tiny, task, tmp_path):
    from ecgdeploy.studies import rehearsal

    facts = rehearsal.rehearse(tiny, task, tmp_path, 1)
    assert (facts["training_windows"], facts["steps_an_epoch"], facts["epochs"]) == (192, 12, 3)
    assert facts["hours"] > 0 and facts["peak_host_ram_bytes"] > 1 << 27
    assert facts["shard_bytes"] >= 192 * 64 * 4
    assert not (tmp_path / "manifest.json").exists()


def test_a_study_without_a_dry_run_says_so():
    result = CliRunner().invoke(command, ["run", "toy", "--dry-run"])
    assert isinstance(result.exception, UsageError) and "no dry run" in result.exception.message


def test_a_killed_worker_is_a_failed_cell_and_not_a_traceback(tmp_path, monkeypatch):
    from concurrent.futures.process import BrokenProcessPool

    class Pool:
        def __init__(self, *_, **__): ...
        def __enter__(self):
            return self

        def __exit__(self, *_): ...
        def submit(self, *_):
            from concurrent.futures import Future

            future = Future()
            future.set_exception(BrokenProcessPool("killed"))
            return future

    monkeypatch.setattr(runner, "ProcessPoolExecutor", Pool)
    lines = []
    runner.run("toy", tmp_path, jobs=2, report=lines.append)
    assert "good/a: failed - a process of the study was killed; run again" in lines


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux 5.3 and Python 3.9")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_process_that_started_them(tmp_path, how):
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, time\n"
        "from ecgdeploy.studies import runner\n"
        "if __name__ == '__main__':\n"
        "    with runner.workers(1) as pool:\n"
        "        print(pool.submit(os.getpid).result(), flush=True)\n"
        "        pool.submit(time.sleep, 3600).result()\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        watched = os.pidfd_open(worker)
        ended = select.poll()
        ended.register(watched, select.POLLIN)
        parent.send_signal(how)
        gone = bool(ended.poll(60_000))
        if not gone:
            signal.pidfd_send_signal(watched, signal.SIGKILL)
        os.close(watched)
    assert gone, f"worker {worker} outlives its parent"


def test_weimanns_report_tells_what_is_still_to_run_and_compares_runs_and_int8(tmp_path):
    from ecgdeploy.studies import weimann2021

    targets, rng = np.arange(40) % 4, np.random.default_rng(0)
    good = np.eye(4)[targets]
    network = {"options": {"width": 0.125, "samples": 1280}}

    def row(unit, cell, answers, **result):
        runner._write(
            tmp_path,
            {
                "cell": cell, "unit": unit.id, "params": unit.params, "quick": True, "status": "done", "reason": "",
                "provenance": {"source": "made up"},
                "result": {"network": network, "epochs": 1, "test_records": 40, "pretraining": None} | result,
            },
            {"probabilities": answers, "targets": targets},
        )  # fmt: skip

    for unit in weimann2021.units(True, False):
        if unit.id.startswith("cinc2017-128hz"):
            answers = np.stack([good if "beat" in unit.id else rng.random((40, 4))] * 3)
            runs = [weimann2021.scores(targets, {"test": each}) for each in answers]
            mean = {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}
            row(unit, unit.cells[0], answers, runs=runs, mean=mean, sd=dict.fromkeys(mean, 0.0))
        elif unit.id == weimann2021.NANO:
            wrong = np.roll(good, 1, axis=0)
            more = {"bit_exact": {"identical": 40, "compared": 40}, "latency": {"median": 5}}
            for cell, answers, facts in (("taught", good, {}), ("int8", wrong, {}), ("on-device", wrong, more)):
                row(unit, f"nano/{cell}", answers, **weimann2021.scores(targets, {"test": answers}), **facts)
    made = weimann2021.STUDY.report(runner.read_rows(tmp_path), tmp_path)
    found = {table.name: table.rows for table in made.tables}
    assert {row[:2]: row[3] for row in found["table4"]}[34, "beat 2048"] == "not run yet"
    assert {row[:2]: row[3] for row in found["table4"]}[50, "none"] == "not in this form of the study"
    assert {row[:2]: row[3] for row in found["table3"]}[128, "beat 2048"] == 1.0
    (helped,) = found["helped"]
    assert helped[:5] == ("cinc2017", 128, 0.75, 18, "beat 2048")
    assert 0 < helped[6] <= helped[5] <= helped[7]
    assert helped[8] == "helped"
    assert any("10-s records" in line for line in made.remarks)
    assert any("int8 less float -1.0000 (95 % -1.0000 to -1.0000)" in line for line in made.remarks)
