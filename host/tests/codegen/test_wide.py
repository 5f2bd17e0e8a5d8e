"""Random layers of 16-bit activations (int16x8) give TFLM's bytes: 32- and 64-bit sums, one rounding, functions."""

import numpy as np
import pytest
from random_wide import many_wide_layers
from same_bytes import on_the_board, on_this_machine
from tflite_builder import SAME, Builder

from ecgdeploy.codegen import generate
from ecgdeploy.codegen.host import QUICK, HostEngine
from ecgdeploy.graph import read_tflite
from ecgdeploy.measure.verify import verify
from ecgdeploy.reference import TflmReference

PER_MODEL = 57

pytestmark = pytest.mark.usefixtures("any_plan")


@pytest.mark.parametrize("seed", range(4))
def test_random_layers_on_this_machine(seed):
    on_this_machine(many_wide_layers(seed, PER_MODEL), seed)


def _beat_network():
    """The shape of beat-cnn in int16x8: four convolutions with pools, a mean, two dense layers, a softmax."""
    draw, b = np.random.default_rng(5), Builder()
    x, channels, time, scale = b.input((1, 1, 256, 1), "int16", 2.0**-12), 1, 256, 2.0**-12
    for outputs, taps, pooled in ((16, 7, True), (32, 7, True), (32, 5, True), (64, 5, False)):
        w = draw.integers(-127, 128, (outputs, 1, taps, channels)).astype(np.int8)
        scales = np.float32(draw.uniform(0.5, 2, outputs) / (70 * np.sqrt(taps * channels)))
        bias = b.constant(draw.integers(-(1 << 18), 1 << 18, outputs), scale=scales * scale)
        y = b.tensor((1, 1, time, outputs), "int16", scale)
        options = {"padding": SAME, "strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1,
                   "fusedActivationFunction": 1}  # fmt: skip
        b.operator("CONV_2D", [x, b.constant(w, scale=scales), bias], [y], ("Conv2DOptions", options))
        x, channels = y, outputs
        if pooled:
            time //= 2
            x = b.tensor((1, 1, time, channels), "int16", scale)
            options = {"padding": SAME, "strideW": 2, "strideH": 1, "filterWidth": 2, "filterHeight": 1}
            b.operator("MAX_POOL_2D", [y], [x], ("Pool2DOptions", options))
    y = b.tensor((1, channels), "int16", scale / 3)
    b.operator("MEAN", [x, b.constant(np.array([1, 2], np.int32))], [y], ("ReducerOptions", {"keepDims": False}))
    for units in (32, 3):
        w = draw.integers(-127, 128, (units, channels)).astype(np.int8)
        bias = b.constant(draw.integers(-(1 << 18), 1 << 18, units), scale=scale * 1e-3)
        x, y = y, b.tensor((1, units), "int16", scale)
        weights = b.constant(w, scale=1 / (70 * np.sqrt(channels)))
        b.operator("FULLY_CONNECTED", [x, weights, bias], [y], ("FullyConnectedOptions", {}))
        channels = units
    result = b.tensor((1, 3), "int16", 2.0**-15)
    b.operator("SOFTMAX", [y], [result], ("SoftmaxOptions", {"beta": 1.0}))
    return b.finish([result])


def test_a_beat_network_is_verified_on_the_emulated_board(tmp_path):
    model = tmp_path / "beat_16x8.tflite"
    model.write_bytes(_beat_network())
    result = verify(model, count=6, emulate=True)
    assert result.exact
    assert result.compared == {"host": 18, "board": 18}


def test_its_sums_are_proven_to_fit_32_bits_and_its_pools_are_part_of_its_convolutions():
    source = generate(read_tflite(_beat_network()), "cortex-m4").files["ecgd_model.c"]
    assert source.count("ECGD_CONV_WIDE_KERNEL(") == 4 and source.count("CONV_2D+MAX_POOL_2D") >= 3
    assert "ecgd_conv_long" not in source


@pytest.mark.parametrize(
    ("kind", "out_scale", "options"),
    [
        ("LOGISTIC", 2.0**-15, None),
        ("TANH", 2.0**-15, None),
        ("SOFTMAX", 2.0**-15, ("SoftmaxOptions", {"beta": 1.0})),
        ("LEAKY_RELU", 3e-4, ("LeakyReluOptions", {"alpha": 0.3})),
    ],
)
def test_functions_are_tflms_for_every_input(kind, out_scale, options):
    parts = np.arange(-32768, 32768).astype(np.int16)[None, None]
    if kind == "SOFTMAX":  # every difference from the largest, in parts: a plan goes through a layer row by row
        parts = np.stack([parts, np.full_like(parts, 32767)], -1).reshape(32, 1, -1, 2)
    builder = Builder()
    outputs = []
    for scale in (2.0**-12, 2.0**-11, 3.1e-5, 4.4e-4, 2.7e-3):
        x, y = builder.input(parts[0].shape, "int16", scale), builder.tensor(parts[0].shape, "int16", out_scale)
        builder.operator(kind, [x], [y], options)
        outputs.append(y)
    model = builder.finish(outputs)
    graph = read_tflite(model)
    engine, reference = HostEngine(graph, generate(graph), flags=QUICK), TflmReference(model)
    for part in parts:
        for one, other in zip(engine.run([part] * 5), reference.run([part] * 5), strict=True):
            assert np.array_equal(one, other)


@pytest.mark.slow
def test_a_thousand_random_layers_on_this_machine():
    for seed in range(100, 120):
        on_this_machine(many_wide_layers(seed, PER_MODEL), seed)


@pytest.mark.parametrize("seed", range(50, 53))
def test_random_layers_on_the_emulated_board(seed):
    on_the_board(many_wide_layers(seed, PER_MODEL), seed)
