"""Seldom operators give TFLM's bytes: slopes, extremes, choices, transposed convolutions, float functions, uint8."""

import numpy as np
import pytest
from random_functions import KINDS, many_functions
from same_bytes import on_the_board, on_this_machine
from tflite_builder import SAME, VALID, Builder

from ecgdeploy.codegen import generate
from ecgdeploy.codegen.host import QUICK, HostEngine
from ecgdeploy.graph import read_tflite, simplify
from ecgdeploy.measure import layers
from ecgdeploy.measure.bench.models import random_inputs
from ecgdeploy.reference import LiteRtReference, golden_reference

PER_MODEL = 2 * len(KINDS)

pytestmark = pytest.mark.usefixtures("any_plan")


@pytest.mark.parametrize("seed", [0, 1, 2, 105])  # 105 pads an image before a 1x1 convolution
def test_random_functions_on_this_machine(seed):
    on_this_machine(many_functions(seed, PER_MODEL), seed, 4)


@pytest.mark.slow
def test_six_hundred_random_functions_on_this_machine():
    for seed in range(100, 120):
        on_this_machine(many_functions(seed, PER_MODEL), seed, 4)


def test_random_functions_on_the_emulated_board():
    on_the_board(many_functions(40, PER_MODEL), 40, 4)


def test_a_home_that_cannot_be_written_only_costs_the_compiler_again(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ECGDEPLOY_CACHE", str(tmp_path / "file"))
    on_this_machine(many_functions(0, 1), 0, 1)


@pytest.mark.parametrize("form", [("int8", 0.05, -3), ("float32",)], ids=lambda form: form[0])
def test_a_mean_of_one_position_reads_what_streams_in_another_layout_once(form):
    """A convolution's 10 positions, flattened; their mean over the extent of 1 only rescales."""
    draw = np.random.default_rng(3)
    b = Builder()
    x, z, y = b.input((1, 1, 12, 2), *form), b.tensor((1, 1, 10, 4), *form), b.tensor((1, 1, 40), *form)
    if form[0] == "float32":
        w, bias = b.constant(draw.normal(size=(4, 1, 3, 2)).astype(np.float32)), b.constant(np.zeros(4, np.float32))
        mean = b.tensor((1, 40), "float32")
    else:
        w = b.constant(draw.integers(-127, 128, (4, 1, 3, 2)).astype(np.int8), scale=np.full(4, 0.01))
        bias = b.constant(np.zeros(4, np.int32), scale=np.full(4, 0.0005))
        mean = b.tensor((1, 40), "int8", 0.08, 11)
    b.operator("CONV_2D", [x, w, bias], [z], ("Conv2DOptions", {"padding": VALID, "strideH": 1, "strideW": 1}))
    b.operator("RESHAPE", [z, b.constant(np.array([1, 1, 40], np.int32))], [y])
    b.operator("MEAN", [y, b.constant(np.array([1], np.int32))], [mean], ("ReducerOptions", {"keepDims": False}))
    on_this_machine(b.finish([mean]), 1)


@pytest.mark.parametrize("form", [("int8", 0.05, -3), ("float32",)], ids=lambda form: form[0])
@pytest.mark.parametrize("taps", [1, 3])
def test_windows_of_padding_alone_see_padding(form, taps):
    """More zeros before a layer than its kernel is long, behind a layer whose memory was used before."""
    draw = np.random.default_rng(taps)
    b = Builder()
    x, y = b.input((1, 1, 40, 2), *form), b.tensor((1, 1, 38, 2), *form)
    flat, padded = b.tensor((1, 1, 19, 4), *form), b.tensor((1, 1, 31, 4), *form)
    z = b.tensor((1, 1, 32 - taps, 2), *form)

    def convolution(source, channels, length, made):
        w = draw.integers(-127, 128, (2, 1, length, channels))
        if form[0] == "float32":
            operands = [b.constant(w.astype(np.float32) / 99), b.constant(draw.normal(size=2).astype(np.float32))]
        else:
            operands = [b.constant(w.astype(np.int8), scale=np.full(2, 0.01))]
            operands.append(b.constant(draw.integers(-900, 900, 2).astype(np.int32), scale=np.full(2, 0.0005)))
        options = ("Conv2DOptions", {"padding": VALID, "strideH": 1, "strideW": 1})
        b.operator("CONV_2D", [source, *operands], [made], options)

    convolution(x, 2, 3, y)
    b.operator("RESHAPE", [y, b.constant(np.array([1, 1, 19, 4], np.int32))], [flat])
    b.operator("PAD", [flat, b.constant(np.array([[0, 0], [0, 0], [7, 5], [0, 0]], np.int32))], [padded])
    convolution(padded, 4, taps, z)
    on_this_machine(b.finish([z]), taps)


def _stretched(seed: int = 5) -> bytes:
    """SPACE_TO_BATCH_ND, CONV_2D, BATCH_TO_SPACE_ND as a dynamic batch leaves them; TFLM runs these wrongly."""
    draw = np.random.default_rng(seed)
    b = Builder()
    x = b.input((1, 21, 3), "int8", 0.05, 7)
    stretched, image = b.tensor((1, 13, 3), "int8", 0.05, 7), b.tensor((1, 1, 13, 3), "int8", 0.05, 7)
    made, flat = b.tensor((1, 1, 11, 4), "int8", 0.1, -9), b.tensor((1, 11, 4), "int8", 0.1, -9)
    y = b.tensor((1, 21, 4), "int8", 0.1, -9)
    block = b.constant(np.array([2], np.int32))
    b.operator("SPACE_TO_BATCH_ND", [x, block, b.constant(np.array([[2, 3]], np.int32))], [stretched])
    b.operator("EXPAND_DIMS", [stretched, b.constant(np.array(1, np.int32))], [image])
    weights = b.constant(draw.integers(-127, 128, (4, 1, 3, 3)).astype(np.int8), scale=np.full(4, 0.01))
    bias = b.constant(draw.integers(-900, 900, 4).astype(np.int32), scale=np.full(4, 0.0005))
    b.operator(
        "CONV_2D", [image, weights, bias], [made], ("Conv2DOptions", {"padding": VALID, "strideH": 1, "strideW": 1})
    )
    b.operator("RESHAPE", [made, b.constant(np.array([-1, 11, 4], np.int32))], [flat])
    b.operator("BATCH_TO_SPACE_ND", [flat, block, b.constant(np.array([[0, 1]], np.int32))], [y])
    return b.finish([y])


def test_a_stretched_convolution_is_its_dilated_one():
    model = _stretched()
    graph = read_tflite(model)
    engine, (reference, name) = (
        HostEngine(graph, flags=QUICK),
        golden_reference(model, graph),
    )
    assert name == "TFLM, rewritten"
    for inputs in random_inputs(graph, 6, 1):
        assert np.array_equal(engine.run(inputs)[0], reference.run(inputs)[0])


def test_diff_holds_a_stretched_convolution_against_tflm_and_names_its_end():
    model = _stretched()
    inputs = layers.random_inputs(model, 2, seed=1)
    assert layers.diff_layers(model, inputs, layers.host_runner, layers.golden_runner).whole.different == 0

    def other_weights(file):  # a device with another model in it: only its whole convolution can be run
        return layers.host_runner(_stretched(seed=6) if file == model else file)

    report = layers.diff_layers(model, inputs, other_weights, layers.golden_runner)
    assert report.whole.different > 0
    assert "only the whole model differs" in report.place


@pytest.mark.parametrize("times", [(1, 1, 1), (1, 2, 1), (2, 3, 1), (1, 23, 1), (1, 11, 13)])
def test_a_tile_is_held_against_copies_that_tflm_joins(times):
    b = Builder()
    x = b.input((1, 3, 4), "int8", 0.1, 5)
    y = b.tensor(tuple(e * t for e, t in zip((1, 3, 4), times, strict=True)), "int8", 0.1, 5)
    b.operator("TILE", [x, b.constant(np.array(times, np.int32))], [y])
    model = b.finish([y])
    values = np.arange(12, dtype=np.int8).reshape(1, 3, 4)
    reference, name = golden_reference(model, read_tflite(model))
    assert name == "TFLM, rewritten"
    assert np.array_equal(reference.run([values])[0], np.tile(values, times))
    assert np.array_equal(HostEngine(read_tflite(model), flags=QUICK).run([values])[0], np.tile(values, times))


def test_a_transposed_convolution_of_a_dynamic_batch_has_the_shape_of_its_output():
    """Keras' Conv1DTranspose, exported without a batch size, computes its output's shape: SHAPE, a slice, a join."""
    draw = np.random.default_rng(7)
    b = Builder()
    x = b.input((1, 1, 8, 3), "int8", 0.05, 4)
    numbers, batch, whole = b.tensor((4,), "int32"), b.tensor((1,), "int32"), b.tensor((4,), "int32")
    edges = [b.constant(np.array([v], np.int32)) for v in (0, 1, 1)]
    b.operator("SHAPE", [x], [numbers], ("ShapeOptions", {}))
    b.operator("STRIDED_SLICE", [numbers, *edges], [batch], ("StridedSliceOptions", {}))
    rest = b.constant(np.array([1, 16, 5], np.int32))
    b.operator("CONCATENATION", [batch, rest], [whole], ("ConcatenationOptions", {"axis": 0}))
    weights = b.constant(draw.integers(-127, 128, (5, 1, 4, 3)).astype(np.int8), scale=np.full(5, 0.01))
    y = b.tensor((1, 1, 16, 5), "int8", 0.1, -9)
    b.operator("TRANSPOSE_CONV", [whole, weights, x], [y],
               ("TransposeConvOptions", {"padding": SAME, "strideH": 1, "strideW": 2}))  # fmt: skip
    on_this_machine(b.finish([y]), 1)


@pytest.mark.parametrize("approximate", [False, True])
def test_a_gelu_of_bytes_gives_litert_s_results(approximate):
    """TFLM has none: its reference chooses from LiteRT's results of all bytes."""
    draw = np.random.default_rng(int(approximate))
    every = np.arange(-128, 128, dtype=np.int8).reshape(1, 256)
    b = Builder()
    inputs, outputs = [], []
    for _ in range(12):
        scales, zeros = 10 ** draw.uniform(-3, 0, 2), draw.integers(-128, 128, 2)
        inputs.append(b.input((1, 256), "int8", scales[0], zeros[0]))
        outputs.append(b.tensor((1, 256), "int8", scales[1], zeros[1]))
        b.operator("GELU", inputs[-1:], outputs[-1:], ("GeluOptions", {"approximate": approximate}))
    model = b.finish(outputs)
    graph = read_tflite(model)
    reference, name = golden_reference(model, graph)
    assert name == "TFLM, rewritten"
    found = HostEngine(graph, flags=QUICK).run([every] * 12)
    for ours, golden, litert in zip(
        found, reference.run([every] * 12), LiteRtReference(model, "reference").run([every] * 12), strict=True
    ):
        assert np.array_equal(ours, golden)
        assert np.array_equal(ours, litert)


@pytest.mark.parametrize("before", [4, 8])
def test_a_causal_stretched_convolution_is_one_dilated_one_that_streams(before):
    """PAD, SPACE_TO_BATCH_ND, CONV_2D, BATCH_TO_SPACE_ND: Keras' causal, dilated Conv1D of a dynamic batch."""
    draw = np.random.default_rng(6)
    b = Builder()
    time, long = 40, 40 + before
    x = b.input((1, time, 3), "int8", 0.05, 7)
    padded = b.tensor((1, long, 3), "int8", 0.05, 7)
    stretched, image = b.tensor((1, long // 2, 3), "int8", 0.05, 7), b.tensor((1, 1, long // 2, 3), "int8", 0.05, 7)
    out = long // 2 - 2
    made, flat = b.tensor((1, 1, out, 4), "int8", 0.1, -9), b.tensor((1, out, 4), "int8", 0.1, -9)
    y = b.tensor((1, 2 * out, 4), "int8", 0.1, -9)
    block, none = b.constant(np.array([2], np.int32)), b.constant(np.array([[0, 0]], np.int32))
    b.operator("PAD", [x, b.constant(np.array([[0, 0], [before, 0], [0, 0]], np.int32))], [padded])
    b.operator("SPACE_TO_BATCH_ND", [padded, block, none], [stretched])
    b.operator("EXPAND_DIMS", [stretched, b.constant(np.array(1, np.int32))], [image])
    weights = b.constant(draw.integers(-127, 128, (4, 1, 3, 3)).astype(np.int8), scale=np.full(4, 0.01))
    bias = b.constant(draw.integers(-900, 900, 4).astype(np.int32), scale=np.full(4, 0.0005))
    options = ("Conv2DOptions", {"padding": VALID, "strideH": 1, "strideW": 1})
    b.operator("CONV_2D", [image, weights, bias], [made], options)
    b.operator("RESHAPE", [made, b.constant(np.array([-1, out, 4], np.int32))], [flat])
    b.operator("BATCH_TO_SPACE_ND", [flat, block, none], [y])
    model = b.finish([y])
    assert [o.kind for o in simplify(read_tflite(model)).operators if o.kind != "RESHAPE"] == ["CONV_2D"]
    on_this_machine(model, before)


@pytest.mark.parametrize("seed", range(8))
def test_a_softmax_of_many_rows_looks_its_exponentials_up(seed):
    draw = np.random.default_rng(seed)
    b = Builder()
    shape, scale = (1, int(draw.integers(64, 90)), int(draw.integers(8, 20))), float(2.0 ** draw.uniform(-9, 0))
    x, y = b.input(shape, "int8", scale, int(draw.integers(-128, 128))), b.tensor(shape, "int8", 1 / 256, -128)
    b.operator("SOFTMAX", [x], [y], ("SoftmaxOptions", {"beta": float(draw.choice([0.5, 1.0, 2.0]))}))
    model = b.finish([y])
    assert "ecgd_softmax_table(" in generate(read_tflite(model)).files["ecgd_model.c"]
    on_this_machine(model, seed, 3)


def test_attention_gives_tflms_bytes_on_the_board():
    draw = np.random.default_rng(2)
    b = Builder()
    rows, depth = 27, 10
    q, k = (b.input((2, rows, depth), "int8", 0.02, int(draw.integers(-20, 20))) for _ in range(2))
    scores, shares = b.tensor((2, rows, rows), "int8", 0.05, 3), b.tensor((2, rows, rows), "int8", 1 / 256, -128)
    y = b.tensor((2, rows, depth), "int8", 0.02, 5)
    b.operator("BATCH_MATMUL", [q, k], [scores], ("BatchMatMulOptions", {"adjY": True}))
    b.operator("SOFTMAX", [scores], [shares], ("SoftmaxOptions", {"beta": 1.0}))
    b.operator("BATCH_MATMUL", [shares, k], [y], ("BatchMatMulOptions", {}))
    on_the_board(b.finish([y, scores]), 3, 3)


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize(("time", "channels", "times", "stride"), [(40, 7, 2, 2), (23, 6, 3, 1), (1, 12, 2, 1)])
def test_several_filters_a_channel_give_tflms_bytes(dtype, time, channels, times, stride):
    draw = np.random.default_rng(time)
    b = Builder()
    taps, count = 5, channels * times
    scale = {"int8": 0.05, "int16": 0.0005, "float32": None}[dtype]
    zeros = (3, -4) if dtype == "int8" else (0, 0)
    x = b.input((1, 1, time, channels), dtype, scale, zeros[0])
    y = b.tensor((1, 1, -(-time // stride), count), dtype, scale and scale * 3, zeros[1])
    if dtype == "float32":
        weights = b.constant(draw.normal(size=(1, 1, taps, count)).astype(np.float32))
        bias = b.constant(draw.normal(size=count).astype(np.float32))
    else:
        scales = draw.uniform(0.002, 0.01, count).astype(np.float32)
        weights = b.constant(draw.integers(-127, 128, (1, 1, taps, count)).astype(np.int8), scale=scales, axis=3)
        kind = np.int32 if dtype == "int8" else np.int64
        bias = b.constant(draw.integers(-900, 900, count).astype(kind), scale=scales * scale)
    options = {"padding": SAME, "strideH": stride, "strideW": stride, "depthMultiplier": times}
    b.operator("DEPTHWISE_CONV_2D", [x, weights, bias], [y], ("DepthwiseConv2DOptions", options))
    on_this_machine(b.finish([y]), 1, 4)
