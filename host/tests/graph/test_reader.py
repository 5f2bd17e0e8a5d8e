"""A .tflite file is read as its schema says, and a damaged one is refused in one line."""

import os
import random
from pathlib import Path

import numpy as np
import pytest

from ecgdeploy.errors import ModelError
from ecgdeploy.graph import costs, read_tflite, simplify, total_macs

BENCH = Path(os.environ.get("ECGDEPLOY_DATA", "/nonexistent")).parent / "bench" / "models"
needs_bench = pytest.mark.skipif(not BENCH.is_dir(), reason="set ECGDEPLOY_DATA to a folder beside bench/models")

MODELS = {"beat_cnn": 751_712, "ds_resnet": 3_581_104, "ds_resnet_2d": 3_581_104, "mtcnn": 84_520_320}


@needs_bench
@pytest.mark.parametrize("name", MODELS)
def test_macs_are_those_of_the_architecture(name):
    assert total_macs(read_tflite(BENCH / f"{name}.tflite")) == MODELS[name]


@needs_bench
@pytest.mark.parametrize("name", MODELS)
def test_reading_agrees_with_the_published_schema(name):
    from ai_edge_litert import schema_py_generated as generated

    path = BENCH / f"{name}.tflite"
    graph = read_tflite(path)
    model = generated.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    subgraph = model.subgraphs[0]
    assert list(graph.inputs) == list(subgraph.inputs) and list(graph.outputs) == list(subgraph.outputs)
    for ours, theirs in zip(graph.tensors, subgraph.tensors, strict=True):
        assert list(ours.shape) == ([] if theirs.shape is None else list(theirs.shape))
        assert theirs.name.startswith(ours.name.encode())
        data = model.buffers[theirs.buffer].data
        assert (ours.data is None) == (data is None or len(data) == 0), ours
        if ours.data is not None:
            assert ours.data.tobytes() == bytes(data)
        if ours.quantization is not None:
            assert np.array_equal(ours.quantization.scales, theirs.quantization.scale)
            assert np.array_equal(ours.quantization.zero_points, theirs.quantization.zeroPoint)
    for ours, theirs in zip(graph.operators, subgraph.operators, strict=True):
        assert list(ours.inputs) == list(theirs.inputs) and list(ours.outputs) == list(theirs.outputs)
        for option, field in (("stride_w", "strideW"), ("dilation_w", "dilationWFactor"), ("filter_w", "filterWidth")):
            if option in ours.options:
                assert ours.options[option] == getattr(theirs.builtinOptions, field)


@needs_bench
@pytest.mark.parametrize("keep", [0, 4, 7, 8, 100, 20_000, 24_095])
def test_truncated_file_is_one_clear_error(keep):
    data = (BENCH / "beat_cnn.tflite").read_bytes()
    with pytest.raises(ModelError) as caught:
        read_tflite(data[:keep], name="cut.tflite")
    assert "cut.tflite" in caught.value.message and caught.value.hint


def test_missing_file_is_one_clear_error(tmp_path):
    with pytest.raises(ModelError, match=r"none\.tflite"):
        read_tflite(tmp_path / "none.tflite")


@needs_bench
def test_mutated_files_are_read_or_refused_but_never_crash():
    draw = random.Random(7)
    original = (BENCH / "beat_cnn.tflite").read_bytes()
    words = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80")
    refused = 0
    for _ in range(3000):
        data = bytearray(original)
        for _ in range(draw.choice((1, 1, 2, 8))):
            place = draw.randrange(len(data) - 7000, len(data) - 8) if draw.random() < 0.9 else draw.randrange(64)
            if draw.random() < 0.5:
                data[place] = draw.randrange(256)
            else:
                data[place : place + 4] = draw.choice(words)
        try:
            graph = simplify(read_tflite(bytes(data)))
        except ModelError:
            refused += 1
        else:
            costs(graph)
    assert 0 < refused < 3000


def test_a_number_that_is_none_is_refused_wherever_it_stands():
    from ecgdeploy import zoo
    from ecgdeploy.codegen import generate

    data, one, refused, at = zoo.preset("beat-cnn").int8.read_bytes(), b"\x00\x00\x80\x3f", 0, -1
    while (at := data.find(one, at + 1)) >= 0:
        try:
            generate(read_tflite(data[:at] + b"\x00\x00\xc0\x7f" + data[at + 4 :]), "cortex-m4")
        except ModelError:
            refused += 1
    assert refused, "softmax's beta at least is a float in the file"
