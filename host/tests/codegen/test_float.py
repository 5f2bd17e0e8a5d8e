"""Float32 layers give TFLM's bits: same order of summation, same roundings."""

import numpy as np
import pytest
from same_bytes import on_the_board, on_this_machine
from tflite_builder import ACTIVATIONS, SAME, VALID, Builder

pytestmark = pytest.mark.usefixtures("any_plan")


def _normal(draw, shape):
    return draw.standard_normal(shape).astype(np.float32)


def _conv(b, draw, depthwise):
    taps, stride, dilation = int(draw.integers(1, 8)), int(draw.integers(1, 3)), int(draw.choice([1, 1, 2]))
    stride = 1 if dilation > 1 else stride
    cin = int(draw.integers(1, 13))
    cout = cin * int(draw.choice([1, 1, 2])) if depthwise else int(draw.integers(1, 20))
    padding, reach = int(draw.choice([SAME, VALID])), (taps - 1) * dilation + 1
    time = int(draw.integers(reach, reach + 20))
    x = b.input((1, 1, time, cin), "float32")
    w = b.constant(_normal(draw, (1, 1, taps, cout) if depthwise else (cout, 1, taps, cin)))
    out = -(-time // stride) if padding == SAME else (time - reach) // stride + 1
    y = b.tensor((1, 1, out, cout), "float32")
    activation = int(draw.choice(list(ACTIVATIONS.values())))
    options = {"padding": padding, "strideW": stride, "strideH": stride, "dilationWFactor": dilation,
               "dilationHFactor": 1, "fusedActivationFunction": activation}  # fmt: skip
    name = "Conv2DOptions"
    if depthwise:
        options["depthMultiplier"], name = cout // cin, "DepthwiseConv2DOptions"
    kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    b.operator(kind, [x, w, b.constant(_normal(draw, cout))], [y], (name, options))
    return y


def _pool(b, draw):
    taps, stride, channels = int(draw.integers(1, 5)), int(draw.integers(1, 4)), int(draw.integers(1, 9))
    padding, time = int(draw.choice([SAME, VALID])), int(draw.integers(5, 30))
    x = b.input((1, 1, time, channels), "float32")
    out = -(-time // stride) if padding == SAME else (time - taps) // stride + 1
    y = b.tensor((1, 1, out, channels), "float32")
    b.operator(str(draw.choice(["MAX_POOL_2D", "AVERAGE_POOL_2D"])), [x], [y], ("Pool2DOptions", {
        "padding": padding, "strideW": stride, "strideH": 1, "filterWidth": taps, "filterHeight": 1}))  # fmt: skip
    return y


def _dense(b, draw):
    depth, units, rows = int(draw.integers(1, 40)), int(draw.integers(1, 20)), int(draw.choice([1, 3]))
    x, y = b.input((rows, depth), "float32"), b.tensor((rows, units), "float32")
    b.operator("FULLY_CONNECTED", [x, b.constant(_normal(draw, (units, depth))), b.constant(_normal(draw, units))], [y],
               ("FullyConnectedOptions", {"fusedActivationFunction": int(draw.integers(0, 2))}))  # fmt: skip
    return y


def _elementwise(b, draw):
    time, channels = int(draw.integers(1, 12)), int(draw.integers(1, 9))
    full = (1, time, channels)
    others = [full, (1, 1, channels), (channels,), (1, time, 1), (1,)]
    shapes = [full, others[int(draw.integers(0, 5))]]
    if draw.random() < 0.4:
        shapes.reverse()
    operands = [
        b.constant(_normal(draw, s)) if i and draw.random() < 0.3 else b.input(s, "float32")
        for i, s in enumerate(shapes)
    ]
    kind = str(draw.choice(["ADD", "SUB", "MUL"]))
    y = b.tensor(full, "float32")
    options = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions"}[kind]
    b.operator(kind, operands, [y], (options, {"fusedActivationFunction": int(draw.integers(0, 2))}))
    return y


def _other(b, draw):
    time, channels = int(draw.integers(1, 40)), int(draw.integers(1, 9))
    x = b.input((1, time, channels), "float32")
    kind = str(draw.choice(["MEAN", "SUM", "SOFTMAX", "LOGISTIC", "RELU", "RELU6", "LEAKY_RELU", "PAD"]))
    shape, inputs, options = (1, time, channels), [x], None
    if kind in ("MEAN", "SUM"):
        shape, options = (1, channels), ("ReducerOptions", {"keepDims": False})
        inputs.append(b.constant(np.array([1], np.int32)))
    elif kind == "PAD":
        shape = (1, time + 3, channels)
        inputs.append(b.constant(np.array([[0, 0], [1, 2], [0, 0]], np.int32)))
    elif kind == "SOFTMAX":
        options = ("SoftmaxOptions", {"beta": 1.0})
    elif kind == "LEAKY_RELU":
        options = ("LeakyReluOptions", {"alpha": 0.25})
    y = b.tensor(shape, "float32")
    b.operator(kind, inputs, [y], options)
    return y


def float_layers(seed, count=40):
    draw = np.random.default_rng(seed)
    b = Builder()
    makers = [lambda: _conv(b, draw, False), lambda: _conv(b, draw, True), lambda: _pool(b, draw),
              lambda: _dense(b, draw), lambda: _elementwise(b, draw), lambda: _other(b, draw)]  # fmt: skip
    return b.finish([makers[i % len(makers)]() for i in range(count)])


@pytest.mark.parametrize("seed", range(4))
def test_random_float_layers_on_this_machine(seed):
    on_this_machine(float_layers(seed), seed, 4)


def test_random_float_layers_on_the_emulated_board():
    on_the_board(float_layers(9), 9, 3)
