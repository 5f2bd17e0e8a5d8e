"""Random models of 16-bit activations (int16x8): layers side by side, as `random_models` has them for int8."""

from __future__ import annotations

import numpy as np
from tflite_builder import ACTIVATIONS, SAME, VALID, Builder

HALF_STEP = 2.0**-15


def _scale(draw, low=-4.5, high=-2.5):
    return float(np.float32(10 ** draw.uniform(low, high)))


def _activation(draw, among=("NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1")):
    return ACTIVATIONS[str(draw.choice(list(among)))]


def _weights(draw, shape, channels):
    w = draw.integers(-127, 128, shape).astype(np.int8)
    if draw.random() < 0.2:
        w = np.where(draw.random(shape) < 0.5, -127, 127).astype(np.int8)
    return w, np.float32(10 ** draw.uniform(-3.2, -1.8, channels if draw.random() < 0.7 else 1))


def _bias(b, draw, channels, scales, kinds=("int64", "int64", "int64", "large", "int32", "none")):
    kind = str(draw.choice(list(kinds)))
    if kind == "none":
        return -1
    largest = 1 << 40 if kind == "large" else 1 << 22
    values = draw.integers(-largest, largest, channels)
    return b.constant(values.astype("int32" if kind == "int32" else "int64"), scale=np.broadcast_to(scales, channels))


def _window(draw, most_taps):
    taps, stride, dilation = (
        int(draw.integers(1, most_taps)),
        int(draw.integers(1, 4)),
        int(draw.choice([1, 1, 1, 2, 3])),
    )
    dilation = 1 if stride > 1 else dilation
    padding = SAME if draw.random() < 0.6 else VALID
    reach = (taps - 1) * dilation + 1
    time = int(draw.integers(reach if padding == VALID else 1, reach + 24))
    out = -(-time // stride) if padding == SAME else (time - reach) // stride + 1
    return taps, stride, dilation, padding, time, out


def conv(b, draw, many=False):
    taps, stride, dilation, padding, time, out = _window(draw, 10)
    cin, cout = int(draw.integers(1, 18)), int(draw.integers(1, 18))
    if many:  # so many products that 32 bits do not hold their sum
        cin, taps = int(draw.integers(60, 90)), 9
        stride, dilation, padding, time, out = 1, 1, VALID, 12, 4
    scale_in = _scale(draw)
    x = b.input((1, 1, time, cin), "int16", scale_in)
    w, scales = _weights(draw, (cout, 1, taps, cin), cout)
    bias = _bias(
        b, draw, cout, scales * scale_in, ("int64", "large", "none") if many else ("int64", "large", "int32", "none")
    )
    spread = scale_in * float(scales.mean()) * 60 * np.sqrt(taps * cin)
    y = b.tensor((1, 1, out, cout), "int16", spread * 10 ** draw.uniform(-2.0, 0.5))
    options = {"padding": padding, "strideW": stride, "strideH": 1, "dilationWFactor": dilation, "dilationHFactor": 1,
               "fusedActivationFunction": _activation(draw)}  # fmt: skip
    b.operator("CONV_2D", [x, b.constant(w, scale=scales, axis=0), bias], [y], ("Conv2DOptions", options))
    return y


def long_conv(b, draw):
    return conv(b, draw, many=True)


def depthwise(b, draw):
    taps, stride, dilation, padding, time, out = _window(draw, 12)
    cin, multiplier = int(draw.integers(1, 20)), int(draw.choice([1, 1, 1, 2, 3]))
    cout, scale_in = cin * multiplier, _scale(draw)
    x = b.input((1, 1, time, cin), "int16", scale_in)
    w, scales = _weights(draw, (1, 1, taps, cout), cout)
    bias = _bias(b, draw, cout, scales * scale_in, ("int64", "int64", "large"))
    spread = scale_in * float(scales.mean()) * 60 * np.sqrt(taps)
    y = b.tensor((1, 1, out, cout), "int16", spread * 10 ** draw.uniform(-2.0, 0.5))
    options = {"padding": padding, "strideW": stride, "strideH": stride, "dilationWFactor": dilation,
               "dilationHFactor": 1, "depthMultiplier": multiplier,
               "fusedActivationFunction": _activation(draw)}  # fmt: skip
    b.operator(
        "DEPTHWISE_CONV_2D", [x, b.constant(w, scale=scales, axis=3), bias], [y], ("DepthwiseConv2DOptions", options)
    )
    return y


def dense(b, draw):
    depth, units, rows = int(draw.integers(1, 70)), int(draw.integers(1, 40)), int(draw.choice([1, 1, 1, 5]))
    if draw.random() < 0.2:
        depth = int(draw.integers(500, 1200))
    scale_in = _scale(draw)
    x = b.input((rows, depth), "int16", scale_in)
    w, scales = _weights(draw, (units, depth), units)
    kinds = ("int64", "large", "none") if depth > 400 else ("int64", "large", "int32", "none")
    bias = _bias(b, draw, units, scales * scale_in, kinds)
    y = b.tensor(
        (rows, units), "int16", scale_in * float(scales.mean()) * 60 * np.sqrt(depth) * 10 ** draw.uniform(-2, 0.5)
    )
    b.operator("FULLY_CONNECTED", [x, b.constant(w, scale=scales), bias], [y],
               ("FullyConnectedOptions", {"fusedActivationFunction": _activation(draw)}))  # fmt: skip
    return y


def pool(b, draw):
    taps, stride, _, padding, time, out = _window(draw, 8)
    time = int(draw.integers(taps if padding == VALID else 1, taps + 24))
    out = -(-time // stride) if padding == SAME else (time - taps) // stride + 1
    channels, scale = int(draw.integers(1, 12)), _scale(draw)
    x = b.input((1, 1, time, channels), "int16", scale)
    y = b.tensor((1, 1, out, channels), "int16", scale)
    options = {"padding": padding, "strideW": stride, "strideH": 1, "filterWidth": taps, "filterHeight": 1,
               "fusedActivationFunction": _activation(draw, ("NONE", "NONE", "RELU", "RELU6"))}  # fmt: skip
    kind = "MAX_POOL_2D" if draw.random() < 0.5 else "AVERAGE_POOL_2D"
    b.operator(kind, [x], [y], ("Pool2DOptions", options))
    return y


def elementwise(b, draw):
    time, channels = int(draw.integers(1, 20)), int(draw.integers(1, 14))
    full = (1, time, channels)
    shapes = [full, full]
    if draw.random() < 0.5:
        shapes[int(draw.integers(0, 2))] = [(1, 1, channels), (channels,), (1,), (1, time, 1), (1, 1, 1)][
            int(draw.integers(0, 5))
        ]
    kind = str(draw.choice(["ADD", "SUB", "MUL"]))
    scales = [_scale(draw), _scale(draw)]
    if draw.random() < 0.3:
        scales[1] = scales[0]
    constant = int(draw.integers(0, 2)) if draw.random() < 0.3 else -1
    operands = [
        b.constant(draw.integers(-32768, 32768, shape).astype(np.int16), scale=scale)
        if i == constant
        else b.input(shape, "int16", scale)
        for i, (shape, scale) in enumerate(zip(shapes, scales, strict=True))
    ]
    spread = scales[0] * scales[1] * 23000 if kind == "MUL" else sum(scales)
    y = b.tensor(full, "int16", spread * draw.uniform(0.4, 1.5))
    name = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions"}[kind]
    b.operator(kind, operands, [y], (name, {"fusedActivationFunction": _activation(draw)}))
    return y


def reduction(b, draw):
    time, channels = int(draw.integers(1, 200)), int(draw.integers(1, 20))
    kind, keep = "MEAN" if draw.random() < 0.8 else "SUM", bool(draw.random() < 0.5)
    scale, over_channels = _scale(draw), bool(draw.random() < 0.3)
    four = draw.random() < 0.5
    x = b.input((1, 1, time, channels) if four else (1, time, channels), "int16", scale)
    if over_channels:
        axes, shape = [3 if four else 2], ((1, 1, time, 1) if four else (1, time, 1))
        count, keep = channels, True
    else:
        axes, count = [1, 2] if four else [1], time
        shape = ((1, 1, 1, channels) if four else (1, 1, channels)) if keep else (1, channels)
    out = scale * draw.uniform(0.05, 1.2) if kind == "MEAN" else scale * np.sqrt(count) * draw.uniform(0.5, 4)
    y = b.tensor(shape, "int16", out)
    b.operator(kind, [x, b.constant(np.array(axes, np.int32))], [y], ("ReducerOptions", {"keepDims": keep}))
    return y


def function(b, draw):
    shape = (1, int(draw.integers(1, 20)), int(draw.integers(1, 12)))
    kind = str(draw.choice(["LOGISTIC", "TANH", "RELU", "RELU6", "LEAKY_RELU", "SOFTMAX"]))
    scale = _scale(draw) if draw.random() < 0.7 else 2.0 ** -int(draw.integers(10, 14))
    x = b.input(shape, "int16", scale)
    fixed = {"LOGISTIC": HALF_STEP, "SOFTMAX": HALF_STEP, "TANH": HALF_STEP, "RELU6": scale}
    y = b.tensor(shape, "int16", fixed.get(kind, scale * 10 ** draw.uniform(-0.5, 0.5)))
    options = {
        "SOFTMAX": ("SoftmaxOptions", {"beta": float(draw.choice([1.0, 1.0, 0.5]))}),
        "LEAKY_RELU": ("LeakyReluOptions", {"alpha": float(np.float32(draw.uniform(-0.3, 1.6)))}),
    }
    b.operator(kind, [x], [y], options.get(kind))
    return y


def border(b, draw):
    shape = (1, int(draw.integers(1, 12)), int(draw.integers(1, 9)))
    kinds = [("int16", "int16"), ("int8", "int16"), ("int16", "int8"), ("float32", "int16"), ("int16", "float32")]
    before, after = kinds[int(draw.integers(0, len(kinds)))]

    def described(dtype):
        if dtype == "float32":
            return (shape, dtype)
        if dtype == "int8":
            return (shape, dtype, _scale(draw, -2.0, -0.5), int(draw.integers(-128, 128)))
        return (shape, dtype, _scale(draw))

    x = b.input(*described(before))
    y = b.tensor(*described(after))
    b.operator("DEQUANTIZE" if after == "float32" else "QUANTIZE", [x], [y])
    return y


def shape_change(b, draw):
    time, channels, scale = int(draw.integers(2, 12)), int(draw.integers(2, 9)), _scale(draw)
    kind = str(draw.choice(["PAD", "CONCATENATION", "STRIDED_SLICE", "TRANSPOSE", "SPLIT", "RESHAPE"]))
    x = b.input((1, time, channels), "int16", scale)
    if kind == "PAD":
        ends = [int(v) for v in draw.integers(0, 5, 2)]
        y = b.tensor((1, time + sum(ends), channels), "int16", scale)
        b.operator(kind, [x, b.constant(np.array([[0, 0], ends, [0, 0]], np.int32))], [y])
    elif kind == "CONCATENATION":
        axis = int(draw.integers(1, 3))
        other = b.input((1, time, 3) if axis == 2 else (1, 3, channels), "int16", scale)
        y = b.tensor((1, time, channels + 3) if axis == 2 else (1, time + 3, channels), "int16", scale)
        b.operator(kind, [x, other], [y], ("ConcatenationOptions", {"axis": axis}))
    elif kind == "STRIDED_SLICE":
        first, step = int(draw.integers(0, time)), int(draw.integers(1, 4))
        y = b.tensor((1, -(-(time - first) // step), channels), "int16", scale)
        box = [b.constant(np.array(v, np.int32)) for v in ([0, first, 0], [1, time, channels], [1, step, 1])]
        b.operator(kind, [x, *box], [y], ("StridedSliceOptions", {}))
    elif kind == "TRANSPOSE":
        y = b.tensor((1, channels, time), "int16", scale)
        b.operator(kind, [x, b.constant(np.array([0, 2, 1], np.int32))], [y])
    elif kind == "SPLIT":
        z = b.input((1, time, 2 * channels), "int16", scale)
        ys = [b.tensor((1, time, channels), "int16", scale) for _ in range(2)]
        b.operator(kind, [b.constant(np.array(2, np.int32)), z], ys, ("SplitOptions", {"numSplits": 2}))
        y = b.tensor((1, time, channels), "int16", scale * 2)
        b.operator("ADD", [ys[1], x], [y], ("AddOptions", {}))
    else:
        y = b.tensor((1, time * channels), "int16", scale * 1.5)
        z = b.tensor((1, time * channels), "int16", scale)
        shape = b.constant(np.array([1, time * channels], np.int32))
        b.operator(kind, [x, shape], [z], ("ReshapeOptions", {"newShape": [1, time * channels]}))
        b.operator("RELU", [z], [y])
    return y


def normalization(b, draw):
    """What attention and layer norm add: products of activations, squared differences, reciprocal roots."""
    kind = str(draw.choice(["BATCH_MATMUL", "SQUARED_DIFFERENCE", "RSQRT"]))
    time, channels = int(draw.integers(1, 12)), int(draw.integers(1, 12))
    scales = _scale(draw), _scale(draw)
    if kind == "BATCH_MATMUL":
        depth, columns, batches = (int(v) for v in draw.integers(1, 10, 3))
        adj_x, adj_y = bool(draw.integers(0, 2)), bool(draw.integers(0, 2))
        x = b.input((batches, depth, time) if adj_x else (batches, time, depth), "int16", scales[0])
        z = b.input((batches, columns, depth) if adj_y else (batches, depth, columns), "int16", scales[1])
        y = b.tensor((batches, time, columns), "int16", scales[0] * scales[1] * 15000 * np.sqrt(depth))
        b.operator(kind, [x, z], [y], ("BatchMatMulOptions", {"adjX": adj_x, "adjY": adj_y}))
    elif kind == "SQUARED_DIFFERENCE":
        x = b.input((1, time, channels), "int16", scales[0])
        other = (1, time, 1) if draw.random() < 0.6 else (1, time, channels)
        z = b.input(other, "int16", scales[0] * draw.uniform(0.3, 2))
        y = b.tensor((1, time, channels), "int16", scales[0] ** 2 * 65000 * draw.uniform(0.5, 2))
        b.operator(kind, [x, z], [y])
    else:  # TFLM stops at a negative value
        t = b.input((1, time, channels), "int16", scales[0])
        x = b.tensor((1, time, channels), "int16", scales[0])
        b.operator("RELU", [t], [x])
        y = b.tensor((1, time, channels), "int16", 1 / np.sqrt(scales[0]) / 10 ** draw.uniform(2, 4.6))
        b.operator(kind, [x], [y])
    return y


def transposed_conv(b, draw):
    taps, stride, extent = int(draw.integers(1, 6)), int(draw.integers(1, 4)), int(draw.integers(1, 9))
    cin, cout = int(draw.integers(1, 9)), int(draw.integers(1, 9))
    padding = SAME if draw.random() < 0.5 else VALID
    size = max(1, extent * stride - int(draw.integers(0, stride))) if padding == SAME else (extent - 1) * stride + taps
    scale_in = _scale(draw)
    x = b.input((1, 1, extent, cin), "int16", scale_in)
    w, scales = _weights(draw, (cout, 1, taps, cin), cout)
    bias = _bias(b, draw, cout, scales * scale_in, ("int64", "large", "none"))
    y = b.tensor((1, 1, size, cout), "int16", scale_in * float(scales.mean()) * 60 * np.sqrt(taps * cin))
    inputs = [b.constant(np.array([1, 1, size, cout], np.int32)), b.constant(w, scale=scales, axis=0), x]
    b.operator("TRANSPOSE_CONV", inputs + ([bias] if bias >= 0 else []), [y],
               ("TransposeConvOptions", {"padding": padding, "strideH": 1, "strideW": stride,
                                         "fusedActivationFunction": _activation(draw, ("NONE", "RELU"))}))  # fmt: skip
    return y


def extreme_or_stack(b, draw):
    shape, scale = (1, int(draw.integers(1, 12)), int(draw.integers(1, 9))), _scale(draw)
    kind = str(draw.choice(["MAXIMUM", "MINIMUM", "PACK", "UNPACK", "TILE", "REDUCE_MAX"]))
    x = b.input(shape, "int16", scale)
    if kind in ("MAXIMUM", "MINIMUM"):
        other = [shape, (1, 1, shape[2]), (1, shape[1], 1), (1,)][int(draw.integers(0, 4))]
        y = b.tensor(shape, "int16", scale)
        b.operator(kind, [x, b.input(other, "int16", scale)], [y])
    elif kind == "REDUCE_MAX":  # TFLM's is a pool here
        axis = int(draw.integers(1, 3))
        y = b.tensor((1, shape[3 - axis]), "int16", scale)
        b.operator(kind, [x, b.constant(np.array([axis], np.int32))], [y], ("ReducerOptions", {"keepDims": False}))
    elif kind == "PACK":
        y = b.tensor((1, shape[1], 2, shape[2]), "int16", scale)
        b.operator(kind, [x, x], [y], ("PackOptions", {"axis": 2, "valuesCount": 2}))
    elif kind == "UNPACK":
        parts = [b.tensor((1, shape[1]), "int16", scale) for _ in range(shape[2])]
        b.operator(kind, [x], parts, ("UnpackOptions", {"axis": 2, "num": shape[2]}))
        y = parts[-1]
    else:  # TFLM has none: the reference is the same file with copies side by side
        times = draw.integers(1, 14, 2)
        y = b.tensor((1, shape[1] * times[0], shape[2] * times[1]), "int16", scale)
        b.operator(kind, [x, b.constant(np.array([1, *times], np.int32))], [y])
    return y


LAYERS = (
    conv, conv, conv, conv, long_conv, depthwise, depthwise, pool, pool, dense, elementwise, elementwise, reduction,
    function, function, border, shape_change, normalization, transposed_conv, extreme_or_stack,
)  # fmt: skip


def many_wide_layers(seed: int, count: int) -> bytes:
    """A model of `count` random layers side by side."""
    draw = np.random.default_rng(seed)
    b = Builder()
    return b.finish([LAYERS[(seed + i) % len(LAYERS)](b, draw) for i in range(count)])
