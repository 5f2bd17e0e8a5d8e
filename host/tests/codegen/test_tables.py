"""The look-up tables hold, for all 256 inputs, what TFLM's reference kernels compute."""

import numpy as np
import pytest
from tflite_builder import unary

from ecgdeploy.codegen import arithmetic
from ecgdeploy.reference import TflmReference

ALL = np.arange(-128, 128).astype(np.int8)[None]
GRID = [(s, z) for s in (0.0001, 0.0037, 0.0126, 0.05, 0.0625, 0.11, 0.31, 0.7, 2.0) for z in (-128, -40, 0, 36, 127)]


def _tflm(model):
    return TflmReference(model).run([ALL])[0][0]


@pytest.mark.parametrize(("scale", "zero_point"), GRID)
def test_logistic_and_tanh_are_tflms(scale, zero_point):
    expected = _tflm(unary("LOGISTIC", scale, zero_point, 1 / 256, -128))
    assert np.array_equal(arithmetic.logistic_table(scale, zero_point), expected)
    expected = _tflm(unary("TANH", scale, zero_point, 1 / 128, 0))
    assert np.array_equal(arithmetic.tanh_table(scale, zero_point), expected)


@pytest.mark.parametrize(("scale", "zero_point"), GRID)
@pytest.mark.parametrize(("out_scale", "out_zero_point"), [(0.01, -128), (0.043, 5), (0.4, 100)])
def test_rescaling_functions_are_tflms(scale, zero_point, out_scale, out_zero_point):
    arguments = (scale, zero_point, out_scale, out_zero_point)
    assert np.array_equal(arithmetic.requantize_table(*arguments, relu=True), _tflm(unary("RELU", *arguments)))
    assert np.array_equal(arithmetic.requantize_table(*arguments, relu=False), _tflm(unary("QUANTIZE", *arguments)))
    for alpha in (0.1, 0.3, -0.2, 1.5):
        expected = _tflm(unary("LEAKY_RELU", *arguments, ("LeakyReluOptions", {"alpha": alpha})))
        assert np.array_equal(arithmetic.leaky_relu_table(*arguments, alpha), expected)


@pytest.mark.parametrize("scale", [0.003, 0.0126, 0.031, 0.07, 0.11])
@pytest.mark.parametrize("zero_point", [-128, -40, 0, 90])
def test_hard_swish_and_relu6_are_tflms(scale, zero_point):
    for out_scale, out_zero_point in ((scale, -128), (scale * 0.7, -100), (scale * 0.4, 3)):
        expected = _tflm(unary("HARD_SWISH", scale, zero_point, out_scale, out_zero_point))
        assert np.array_equal(arithmetic.hard_swish_table(scale, zero_point, out_scale, out_zero_point), expected)
    if zero_point + 6 / scale < 127:
        expected = _tflm(unary("RELU6", scale, zero_point, scale, zero_point))
        assert np.array_equal(arithmetic.relu6_table(scale, zero_point), expected)
