"""What `ecgdeploy init` finds out by itself: a new user's folder becomes a project file that needs no editing."""

import json
import zipfile

import numpy as np
import pytest

from ecgdeploy.ecg.own.schema import read_toml
from ecgdeploy.errors import DataError
from ecgdeploy.workspace.begin import Wish, begin


def keras_file(path, shape, units=2, end="softmax"):
    """A .keras file as far as `init` reads one: the layers in its configuration."""
    layers = [
        {"class_name": "InputLayer", "config": {"batch_shape": [None, *shape]}},
        {"class_name": "Dense", "config": {"units": units, "activation": end}},
    ]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": layers}}))


def begun(folder, **wish):
    """The project file's content and the remarks."""
    done = begin(folder, Wish(**wish))
    return read_toml(folder / "ecgdeploy.toml"), " | ".join(done.remarks)


def wfdb_folder(folder, leads=("I", "II", "V5"), symbols=("N", "V"), annotator="qrs", rate=500):
    wfdb = pytest.importorskip("wfdb")
    (folder / "data" / "Ward B").mkdir(parents=True)
    for number, name in enumerate(["p-001_a", "0007", "x_3"]):
        where = folder / "data" / ("Ward B" if number else "")
        wfdb.wrsamp(name, fs=rate, units=["mV"] * len(leads), sig_name=list(leads), fmt=["16"] * len(leads),
                    p_signal=np.zeros((rate * 4, len(leads))), write_dir=str(where))  # fmt: skip
        if annotator:
            at = np.arange(1, 1 + len(symbols)) * 100
            wfdb.wrann(name, annotator, at, symbol=list(symbols), write_dir=str(where))


def test_the_annotator_and_the_beats_that_there_are_make_the_classes(tmp_path):
    wfdb_folder(tmp_path, symbols=("N", "V", "e", "x"))
    keras_file(tmp_path / "model.keras", (300, 3))
    content, remarks = begun(tmp_path)
    assert content["data"]["annotations"] == "qrs"
    assert content["task"]["classes"] == ["N", "V"]
    assert content["task"]["leads"] == ["I", "II", "V5"] and content["task"]["rate"] == 500.0
    assert "A" in content["task"]["ignore"] and not remarks


def test_records_without_annotations_take_the_table_that_names_them(tmp_path):
    wfdb_folder(tmp_path, annotator=None)
    rows = ("Subject;File;Age;Diagnosis", "1;0007;60;fast", "1;p-001_a;61;slow", "2;x_3;62;slow")
    (tmp_path / "Diagnoses.csv").write_text("\n".join(rows))
    keras_file(tmp_path / "model.keras", (1000, 3))
    content, remarks = begun(tmp_path)
    assert content["data"]["labels"] == {
        "file": "Diagnoses.csv", "record": "File", "label": "Diagnosis", "patient": "Subject",
    }  # fmt: skip
    assert content["task"]["kind"] == "records" and content["task"]["classes"] == ["fast", "slow"]
    assert "1000 samples are the first 2 s of records of 4 s" in remarks


def csv_folder(folder, header, line):
    (folder / "data").mkdir()
    for name in ("a 1", "b-2"):
        rows = "\n".join(line(k) for k in range(100))
        (folder / "data" / f"{name}.csv").write_text(f"{header}\n{rows}\n")
    (folder / "data" / "labels.csv").write_text("record,label\na 1,AF\nb-2,SR\n")


@pytest.mark.parametrize(
    ("header", "line", "rate", "unit", "columns"),
    [
        ("time [s];I [uV];II [uV]", lambda k: f"{k / 250:.3f};{k};1.5", 250.0, "uV", ["I [uV]", "II [uV]"]),
        ("t_ms,I (mV),II (mV)", lambda k: f"{k * 2},0.1,1.5", 500.0, "mV", ["I (mV)", "II (mV)"]),
        ("I\tII", lambda k: f"0.1\t{k / 100}", 360.0, "mV", None),
        ("sample,I,II", lambda k: f"{k},812,-40", 360.0, "uV", ["I", "II"]),
    ],
)
def test_columns_of_time_units_and_rate_are_read_from_the_header(tmp_path, header, line, rate, unit, columns):
    csv_folder(tmp_path, header, line)
    keras_file(tmp_path / "model.keras", (2, 100))  # leads first
    content, _ = begun(tmp_path, source="csv")
    assert content["data"]["rate"] == content["task"]["rate"] == rate
    assert content["data"]["unit"] == unit
    assert content["data"].get("columns") == columns
    assert content["task"]["leads"] == ["I", "II"] and content["task"]["samples"] == 100
    assert content["task"]["classes"] == ["AF", "SR"]


def test_a_folder_of_labels_alone_is_named(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "labels.csv").write_text("record,label\na,AF\n")
    with pytest.raises(DataError, match="no recordings beside"):
        begin(tmp_path, Wish(source="csv"))


def arrays(folder, x, y):
    (folder / "data").mkdir()
    np.savez(folder / "data" / "w.npz", x=x, y=y, record=np.arange(len(x)))


def test_one_sigmoid_over_two_labels_is_a_yes_no_model(tmp_path):
    arrays(tmp_path, np.full((4, 50), 700, np.int16), np.array([0, 1, 1, 0], np.int8))
    keras_file(tmp_path / "model.keras", (50,), units=1, end="sigmoid")
    content, remarks = begun(tmp_path, source="numpy")
    task = content["task"]
    assert task["classes"] == ["1"] and task["multilabel"] and task["ignore"] == ["0"]
    assert content["data"]["unit"] == "uV" and "samples up to 700" in remarks


def test_logits_are_seen_and_get_their_activation(tmp_path):
    arrays(tmp_path, np.zeros((4, 50)), np.array(["AF", "SR", "AF", "SR"]))
    keras_file(tmp_path / "model.keras", (1, 50, 1), end="linear")
    content, remarks = begun(tmp_path, source="numpy")
    assert content["model"]["activation"] == "softmax" and "ends in logits" in remarks


def test_rows_of_a_table_name_their_columns(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "beats.csv").write_text("Patient,s0,s1,s2,Class\np1,0.1,0.2,0.1,V\np2,0.0,0.1,0.1,N\n")
    keras_file(tmp_path / "model.keras", (3,))
    content, _ = begun(tmp_path, source="csv-rows")
    assert (content["data"]["record"], content["data"]["label"]) == ("Patient", "Class")
    assert content["task"]["classes"] == ["N", "V"] and content["task"]["samples"] == 3


ADAPTER = """
def records(folder):
    for n, beats in enumerate(([(30, "N"), (90, "V")], [(20, "N")])):
        leads = ["V1", "II"][: 2 - n]
        yield {"name": f"r{n}", "signal": [[0.1] * len(leads)] * 100, "leads": leads, "rate": 200, WHAT}
"""


@pytest.mark.parametrize(
    ("what", "kind", "classes"),
    [('"beats": beats', "beats", ["N", "V"]), ('"labels": ["AF"] if n else ["SR"]', "records", ["AF", "SR"])],
)
def test_an_adapter_that_is_there_already_is_asked(tmp_path, what, kind, classes):
    (tmp_path / "data").mkdir()
    (tmp_path / "adapter.py").write_text(ADAPTER.replace("WHAT", what))
    keras_file(tmp_path / "model.keras", (100, 1))
    content, remarks = begun(tmp_path, source="python")
    task = content["task"]
    assert (task["kind"], task["classes"], task["leads"], task["rate"]) == (kind, classes, ["V1"], 200.0)
    assert not remarks


def test_an_adapter_that_fails_does_not_stop_init(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "adapter.py").write_text("def records(folder):\n    raise RuntimeError('not written yet')\n")
    keras_file(tmp_path / "model.keras", (100, 1))
    assert "classes" in begun(tmp_path, source="python")[1]
