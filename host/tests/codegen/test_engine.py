"""The generated engine gives TFLM's bytes."""

import os
import random
import re
from pathlib import Path

import numpy as np
import pytest
from random_functions import many_functions
from random_models import many_layers
from random_networks import random_network
from random_planes import many_planes
from random_wide import many_wide_layers
from test_lstm import lstm
from tflite_builder import VALID, Builder

from ecgdeploy.codegen import STORAGES, WEIGHTS, generate, plan
from ecgdeploy.codegen.host import HostEngine
from ecgdeploy.errors import ModelError
from ecgdeploy.graph import read_tflite
from ecgdeploy.graph.equivalent import for_tflm
from ecgdeploy.graph.fold import fold_conv1d
from ecgdeploy.measure.bench.models import random_inputs
from ecgdeploy.reference import TflmReference

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


@needs_bench
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count"), [("beat_cnn", 1000), ("kws_like_f32", 1000), ("ds_resnet", 1000), ("mtcnn", 60)]
)
def test_random_and_saturating_inputs_give_tflms_bytes(name, count):
    path = BENCH / f"{name}.tflite"
    graph = read_tflite(path)
    engine, reference = HostEngine(graph), TflmReference(path)
    for inputs in random_inputs(graph, count, 11):
        for ours, theirs in zip(engine.run(inputs), reference.run(inputs), strict=True):
            assert np.array_equal(ours, theirs)


def test_mutated_models_are_refused_or_generated(monkeypatch):
    monkeypatch.setattr(plan, "EVENTS_PLAYED", 10_000)  # plans are compared, but not hundreds of them
    draw = random.Random(3)
    originals = [
        many_layers(7, 20), random_network(8), lstm(1, 24, backwards=True), many_planes(3, 12), many_functions(5, 26),
        many_wide_layers(5, 12),
    ]  # fmt: skip
    generated = 0
    for _ in range(600):
        data = bytearray(draw.choice(originals))
        for _ in range(draw.choice((1, 1, 3))):
            data[draw.randrange(len(data))] = draw.randrange(256)
        try:
            graph = read_tflite(bytes(data))
            if draw.random() < 0.1:
                generate(graph, "cortex-m4", draw.choice(WEIGHTS), draw.choice(STORAGES))
                generated += 1
            if draw.random() < 0.05:  # these read the file with the schema's own classes
                fold_conv1d(bytes(data))
                for_tflm(bytes(data), lambda _, x: x)
        except ModelError:
            continue
    assert generated > 0


def test_records_too_long_to_plan_are_refused():
    builder = Builder()
    x = builder.input((1, 1, 1 << 19, 1), "int8", 0.1, 0)
    y = builder.tensor((1, 1, 1 << 18, 1), "int8", 0.1, 0)
    window = {"padding": VALID, "strideW": 2, "strideH": 1, "filterWidth": 2, "filterHeight": 1}
    builder.operator("MAX_POOL_2D", [x], [y], ("Pool2DOptions", window))
    with pytest.raises(ModelError, match="positions in a row"):
        generate(read_tflite(builder.finish([y])))


def test_sums_at_the_start_of_the_arena_compile_whatever_its_size():
    """GCC takes a memset of as many bytes as an array has words for a mistake, through any cast."""
    builder = Builder()
    x, y = builder.input((2, 4, 5, 3), "int8", 0.02, 3), builder.tensor((2, 5, 3), "int8", 0.02, 3)
    axes = builder.constant(np.array([1], np.int32))
    builder.operator("MEAN", [x, axes], [y], ("ReducerOptions", {"keepDims": False}))
    graph = read_tflite(builder.finish([y]))
    source = generate(graph).files["ecgd_model.c"]
    sums = int(re.search(r"zero\(SUMS_\d+, (\d+)\)", source)[1])
    assert int(re.search(r"define ARENA_BYTES (\d+)", source)[1]) == 4 * sums
    HostEngine(graph)
