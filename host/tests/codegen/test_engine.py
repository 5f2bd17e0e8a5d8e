"""The generated engine gives TFLM's bytes."""

import os
from pathlib import Path

import numpy as np
import pytest

from ecgdeploy.codegen import generate
from ecgdeploy.codegen.host import HostEngine
from ecgdeploy.graph import read_tflite

BENCH = Path(os.environ.get("ECGDEPLOY_DATA", "/nonexistent")).parent / "bench" / "models"
needs_bench = pytest.mark.skipif(not BENCH.is_dir(), reason="set ECGDEPLOY_DATA to a folder beside bench/models")
MODELS = ["kws_like_f32", "beat_cnn", "beat_cnn_2d", "ds_resnet", "ds_resnet_2d", "mtcnn"]


@needs_bench
@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_tflms_however_the_input_is_cut(name):
    golden = np.load(BENCH / f"{name}.npz")
    engine = HostEngine(read_tflite(BENCH / f"{name}.tflite"))
    for i, piece in enumerate((None, 1, 7, 100, 1000, None, 3, 64)):
        outputs = engine.run([golden["inputs"][i]], piece)
        for k, output in enumerate(outputs):
            assert np.array_equal(output.ravel(), golden[f"output{k}_tflm"][i].ravel())


@needs_bench
@pytest.mark.parametrize("target", ["portable", "cortex-m4"])
def test_same_graph_gives_same_bytes(target):
    path = BENCH / "beat_cnn.tflite"
    assert generate(read_tflite(path), target).files == generate(read_tflite(path), target).files


@needs_bench
def test_short_and_long_inputs_are_refused():
    engine = HostEngine(read_tflite(BENCH / "beat_cnn.tflite"))
    library = engine._library
    library.ecgd_engine_begin()
    assert library.ecgd_engine_feed(bytes(255), 255) == 0
    assert library.ecgd_engine_finish() == 4
    assert library.ecgd_engine_feed(bytes(2), 2) == 3
