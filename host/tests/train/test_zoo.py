"""The committed presets are what their cards say, and need no TensorFlow."""

import json
import subprocess
import sys

import numpy as np
import pytest

from ecgdeploy import zoo
from ecgdeploy.errors import ModelError, UsageError


def test_every_preset_matches_the_hashes_on_its_card():
    for name in zoo.names():
        assert zoo.preset(name).card["files"]["int8"]["bytes"] == zoo.preset(name).int8.stat().st_size


def test_a_card_names_the_outputs_in_their_order():
    from ecgdeploy.ecg.sources import cinc2017, ptbxl

    wanted = {"beat-cnn": ("N", "S", "V"), "af-screen": cinc2017.CLASSES, "ptbxl-small": ptbxl.SUPERCLASSES}
    assert {name: tuple(zoo.preset(name).card["classes"]) for name in zoo.names()} == wanted


def test_beat_cnn_keeps_its_promises():
    card = zoo.preset("beat-cnn").card
    float32, int8 = (card["files"][p]["test"] for p in ("float32", "int8"))
    assert not card["synthetic"]
    assert float32["accuracy"] > 0.90 and float32["macro_f1"] >= 0.60
    assert abs(float32["accuracy"] - int8["accuracy"]) <= 0.002
    assert abs(float32["macro_auc"] - int8["macro_auc"]) <= 0.001
    assert card["files"]["int8"]["calibration"]["part"] == "calibration"


def test_beat_cnn_int8_is_full_integer_without_reshapes():
    from ecgdeploy.graph import read_tflite

    graph = read_tflite(zoo.preset("beat-cnn").int8)
    assert {o.kind for o in graph.operators} <= {"CONV_2D", "MAX_POOL_2D", "MEAN", "FULLY_CONNECTED", "SOFTMAX"}
    assert {np.dtype(t.dtype).name for t in graph.tensors if t.data is None} == {"int8"}


def test_a_preset_whose_file_was_changed_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "beat-cnn"
    folder.mkdir()
    for path in (zoo.FOLDER / "beat-cnn").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "int8.tflite").write_bytes(b"another")
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    with pytest.raises(ModelError, match="not the file its card describes"):
        zoo.preset("beat-cnn")


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(UsageError, match="beat-cnn"):
        zoo.preset("beat-cn")


def test_the_zoo_does_not_import_tensorflow():
    code = "import sys, json; from ecgdeploy import zoo; zoo.preset('beat-cnn'); print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)
    assert "tensorflow" not in loaded and "keras" not in loaded
