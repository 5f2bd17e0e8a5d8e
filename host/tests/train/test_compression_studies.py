"""Studies kota2025 and gaurhar2025: every row of the papers' tables has a place, filled or not; fewer examples."""

import numpy as np
import pytest

from ecgdeploy import studies
from ecgdeploy.studies import gaurhar2025, gaurhar_paper, gaurhar_report, kota2025, kota_paper, kota_report
from ecgdeploy.studies.fewer import Fewer
from ecgdeploy.studies.tables import Report, document, markdown, with_notes

from .conftest import TinyTask


def row(study, cell, params, result):
    provenance = {
        "source": "tiny", "synthetic": True, "windows": {"training": 10}, "config": {"epochs": 2},
        "stands_in": "too few",
    }
    return {
        "study": study, "cell": cell, "params": params, "quick": True, "status": "done", "reason": "", "result": result,
        "provenance": provenance,
    }


def test_the_grids_hold_what_the_papers_tables_need():
    full = kota2025.units(False, False)
    assert len(full) == 18 and {unit.params["seed"] for unit in full} == {1, 2, 3}
    cells = {cell.split("/")[1] for unit in full for cell in unit.cells}
    assert {"dense", "l1", "l1-kd", "energy-8", "energy-40", "structured", "energy-printed"} <= cells
    assert {unit.params["network"] for unit in kota2025.units(True, False)} == set(kota_paper.BASELINE)
    for unit in gaurhar2025.units(True, False):
        assert set(gaurhar_paper.TABLE_1) < {cell.split("/")[1] for cell in unit.cells}
    assert studies.load("kota2025") is kota2025.STUDY and studies.load("gaurhar2025") is gaurhar2025.STUDY


@pytest.mark.train
@pytest.mark.parametrize("name", kota2025.NETWORKS)
def test_every_cell_of_a_network_has_a_plan(name):
    plans = kota2025.plans(name, 1, True)
    cells = [cell for unit in kota2025.units(True, False) if unit.params["network"] == name for cell in unit.cells]
    for cell in {cell.split("/")[1] for cell in cells} - {"dense"}:
        assert cell in plans or cell.startswith("energy-")
    assert plans["energy-8"].goal(3) == pytest.approx(0.24)
    assert plans["l1"].target == kota_paper.L1[name][2] / 100


def test_kotas_tables_show_every_row_of_the_paper_with_and_without_ours(tmp_path):
    result = {
        "accuracy": 0.9, "macro_f1": 0.6, "macro_auc": 0.8, "parameters": 1000, "parameters_printed": 417_892,
        "sparsity": 0.4, "recall": {"N": 1.0, "S": 0.1, "V": 0.5}, "loss_by_epoch": [1.0, 0.5], "macs": 100,
        "macs_nonzero": 60, "mflops": 1e-4, "milliseconds": 2.0, "proxy": 2e-4, "proxy_nonzero": 1e-4,
        "examples": 7, "instructions": 9, "flash_bytes": 5, "int8": {"accuracy": 0.9, "macro_f1": 0.6},
    }
    made = [
        row("kota2025", f"resnet1d-attn-{seed}/{cell}", {"network": "resnet1d-attn", "seed": seed}, dict(result))
        for seed in (1, 2, 3)
        for cell in ("dense", "l1-kd", "energy-8", "energy-40", "structured")
    ]
    made.append(
        row("kota2025", "resnet1d-attn-1/energy-printed", {"network": "resnet1d-attn", "seed": 1}, {"refused": "empty"})
    )
    for rows in ([], made):
        report = kota_report.report(rows, tmp_path)
        count = {table.name: len(table.rows) for table in report.tables}
        wanted = {"II": 8, "III": 6, "IV": 6, "V": 5, "VI": 5, "VII": 6, "VIII": 6}
        assert {f"table_{number}": n for number, n in wanted.items()}.items() <= count.items()
        assert count["parameters"] == 6
    tables = {table.name: table for table in report.tables}
    assert tables["table_V"].rows[0][3] == "0.9000 ± 0.0000" and tables["table_V"].rows[0][8] == 3
    assert tables["structured"].rows[0][0] == "dense" and tables["refused"].rows[0][2] == "empty"
    assert tables["table_VIII"].rows[1][9:11] == (0.5, 1.0)
    assert any("62.5 %" in line for line in report.remarks)


def test_gaurhars_tables_show_every_row_of_the_paper(tmp_path):
    params = {"network": "resnet1d", "task": gaurhar2025.CHAPMAN}
    result = {"accuracy": 0.9, "precision": 0.8, "recall": 0.7, "f1": 0.75, "ratio": 10.0}
    rows = [row("gaurhar2025", "resnet1d-chapman-rhythm/laq", params, result | {"bits": [(0, 3, 0.5)]})]
    report = gaurhar_report.report(rows, tmp_path)
    tables = {table.name: table for table in report.tables}
    for network in gaurhar2025.NETWORKS:
        for part in ("accuracy", "precision"):
            assert len(tables[f"table_1_{network}_{part}"].rows) == 16
    laq = tables["table_1_resnet1d_accuracy"].rows[-2]
    assert laq == ("laq", 0.966, 0.9, pytest.approx(-0.066), 0.9625, 0.75, pytest.approx(-0.2125), 10.44, 10.0,
                   pytest.approx(-0.44), "")
    assert len(tables["table_2"].rows) == 14
    ours = next(line for line in tables["table_2"].rows if "ResNet1D + LAQ" in line[0])
    assert ours[3] == "90.00 / 80.00 / 70.00 / 75.00" and ours[-1] == ""
    assert all(line[-1] for line in tables["table_2"].rows if line[3] == "-")
    assert "too few" in report.remarks[0] and "SYNTHETIC" in report.remarks[-1]


def test_the_papers_ratios_follow_from_the_share_kept_in_float():
    for line in gaurhar_report._formula().rows:
        assert line[3] == pytest.approx(line[2], abs=0.02), line


def test_scores_are_means_over_classes():
    view = TinyTask().test()
    answers = np.eye(3)[np.asarray(view.targets)]
    perfect = dict.fromkeys(("accuracy", "precision", "recall", "f1", "macro_auc"), 1.0)
    assert gaurhar2025.scores(view, answers) == perfect
    never = np.tile([1.0, 0, 0], (len(view), 1))
    found = gaurhar2025.scores(view, never)
    assert found["recall"] == pytest.approx(1 / 3) and found["precision"] == pytest.approx(1 / 9)
    assert kota2025.scores(view, answers)["recall"] == {"N": 1.0, "S": 1.0, "V": 1.0}


def test_plain_rounding_has_the_levels_of_its_bits_and_pruning_its_part():
    w = np.random.default_rng(0).normal(size=(5, 4, 3))
    for bits in range(2, 9):
        rounded = gaurhar2025.plainly_rounded(w, bits)
        step = np.abs(w).max((0, 1)) / (2 ** (bits - 1) - 1)
        assert np.abs(rounded - w).max() <= step.max() / 2 + 1e-12
        assert max(len(np.unique(rounded[..., c])) for c in range(3)) <= 2**bits - 1
    signs = gaurhar2025.plainly_rounded(w, 1)
    assert len(np.unique(signs[..., 0])) == 2 and (np.sign(signs) == np.sign(w)).all()
    assert (gaurhar2025.without_smallest(w, 0.3) == 0).mean() == pytest.approx(0.3)


def test_fewer_evens_the_classes_out_and_says_what_it_took():
    task = Fewer(TinyTask(), 30, 12, 5, samples=32, leads=(0,))
    train = task.train()
    assert np.bincount(train.targets).tolist() == [10, 10, 10] and train.inputs.shape == (30, 32, 1)
    assert train.provenance["fewer"] == {"examples": 30, "of": 192, "seed": 0} and train.part == "train"
    assert len(task.validation()) == 12 and len(task.test()) == 5 and task.calibration(7).inputs.shape == (7, 32, 1)
    assert np.array_equal(train.inputs, Fewer(TinyTask(), 30, 12, 5, samples=32).train().inputs)


def test_a_row_without_our_figure_says_why(tmp_path):
    failed = {
        "cell": "convtransformer-1/energy-16", "params": {"network": "convtransformer", "seed": 1}, "result": {},
        "status": "failed", "reason": "the data are not here", "quick": True,
    }
    tables = {table.name: table for table in kota_report.report([failed], tmp_path).tables}
    assert tables["table_VI"].rows[1][-1] == "the data are not here"
    for number in ("II", "III", "IV", "V", "VI", "VII", "VIII"):
        assert tables[f"table_{number}"].columns[-1] == "note"
        assert all(line[-1] for line in tables[f"table_{number}"].rows)
    failed |= {"cell": "resnet1d-chapman-rhythm/laq", "params": {"network": "resnet1d", "task": gaurhar2025.CHAPMAN}}
    tables = {table.name: table for table in gaurhar_report.report([failed], tmp_path).tables}
    notes = {line[0]: line[-1] for line in tables["table_1_resnet1d_accuracy"].rows}
    assert notes["laq"] == "the data are not here" and len(notes) == 16 and all(notes.values())


def test_a_table_becomes_markdown():
    table = with_notes("t", "A table", ("row", "ours"), [("a|b", 0.5), ("c", None)], ["", "not here"])
    assert markdown(table).splitlines() == [
        "**A table**", "", "| row | ours | note |", "| --- | --- | --- |", "| a/b | 0.5000 |  |", "| c | - | not here |"
    ]
    assert with_notes("t", "A table", ("row",), [("a",)], [""]).columns == ("row",)
    text = document(Report("name: title", "A paper", (table,), ("one", "two")), "ecgdeploy study report name")
    assert text.startswith("# name: title\n\nPrinted by `ecgdeploy study report name`. A paper.\n\n**A table**")
    assert text.endswith("- one\n- two")
