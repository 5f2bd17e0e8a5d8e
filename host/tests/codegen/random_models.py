"""Random models for the property test: many small layers in one file, each with an input and an output of its own."""

from __future__ import annotations

import numpy as np
from tflite_builder import ACTIVATIONS, SAME, VALID, Builder


def _scale(draw, low=-2.3, high=-0.5):
    return float(np.float32(10 ** draw.uniform(low, high)))


def _zero(draw):
    return int(draw.choice([-128, -128, int(draw.integers(-128, 128)), 0, 127]))


def _activation(draw):
    return ACTIVATIONS[str(draw.choice(["NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1"]))]


def _weights(draw, shape, channels, axis):
    """Weights, their scales and axis: per channel or per tensor, sometimes extreme."""
    w = draw.integers(-127, 128, shape).astype(np.int8)
    if draw.random() < 0.2:
        w = np.where(draw.random(shape) < 0.5, -128, 127).astype(np.int8)
    count = channels if draw.random() < 0.7 else 1
    return w, np.float32(10 ** draw.uniform(-3.2, -1.8, count)), axis


def _bias(b, draw, channels, scales):
    if draw.random() < 0.15:
        return None
    values = draw.integers(-30000, 30000, channels).astype(np.int32)
    return b.constant(values, scale=np.broadcast_to(scales, channels) * 1.0)


def _window_extent(draw, taps, dilation, valid):
    reach = (taps - 1) * dilation + 1
    return int(draw.integers(reach if valid else 1, reach + 24))


def conv(b, draw):
    taps, stride, dilation = int(draw.integers(1, 10)), int(draw.integers(1, 4)), int(draw.choice([1, 1, 1, 2, 3]))
    if stride > 1:
        dilation = 1
    cin, cout = int(draw.integers(1, 18)), int(draw.integers(1, 18))
    padding = SAME if draw.random() < 0.6 else VALID
    time = _window_extent(draw, taps, dilation, padding == VALID)
    across = draw.random() < 0.15  # a k x 1 kernel on a column
    scale_in = _scale(draw)
    x = b.input((1, time, 1, cin) if across else (1, 1, time, cin), "int8", scale_in, _zero(draw))
    w, scales, axis = _weights(draw, (cout, taps, 1, cin) if across else (cout, 1, taps, cin), cout, 0)
    wt = b.constant(w, scale=scales, axis=axis)
    bias = _bias(b, draw, cout, scales * scale_in)
    out_time = -(-time // stride) if padding == SAME else (time - (taps - 1) * dilation - 1) // stride + 1
    spread = scale_in * float(scales.mean()) * 60 * np.sqrt(taps * cin)
    out_shape = (1, out_time, 1, cout) if across else (1, 1, out_time, cout)
    y = b.tensor(out_shape, "int8", spread * draw.uniform(0.1, 2), _zero(draw))
    sides = ("H", "W") if across else ("W", "H")
    options = {"padding": padding, f"stride{sides[0]}": stride, f"stride{sides[1]}": int(draw.choice([1, stride])),
               f"dilation{sides[0]}Factor": dilation, f"dilation{sides[1]}Factor": 1,
               "fusedActivationFunction": _activation(draw)}  # fmt: skip
    b.operator("CONV_2D", [x, wt, -1 if bias is None else bias], [y], ("Conv2DOptions", options))
    return y


def depthwise(b, draw):
    taps, stride, dilation = int(draw.integers(1, 12)), int(draw.integers(1, 4)), int(draw.choice([1, 1, 1, 2, 3]))
    if stride > 1:
        dilation = 1
    cin, multiplier = int(draw.integers(1, 20)), int(draw.choice([1, 1, 1, 2, 3]))
    cout = cin * multiplier
    padding = SAME if draw.random() < 0.6 else VALID
    time = _window_extent(draw, taps, dilation, padding == VALID)
    scale_in = _scale(draw)
    x = b.input((1, 1, time, cin), "int8", scale_in, _zero(draw))
    w, scales, _ = _weights(draw, (1, 1, taps, cout), cout, 3)
    wt = b.constant(w, scale=scales, axis=3)
    bias = None
    while bias is None:  # TFLM crashes on a depthwise convolution without bias
        bias = _bias(b, draw, cout, scales * scale_in)
    out_time = -(-time // stride) if padding == SAME else (time - (taps - 1) * dilation - 1) // stride + 1
    spread = scale_in * float(scales.mean()) * 60 * np.sqrt(taps)
    y = b.tensor((1, 1, out_time, cout), "int8", spread * draw.uniform(0.1, 2), _zero(draw))
    options = {"padding": padding, "strideW": stride, "strideH": stride, "dilationWFactor": dilation,
               "dilationHFactor": 1, "depthMultiplier": multiplier,
               "fusedActivationFunction": _activation(draw)}  # fmt: skip
    b.operator("DEPTHWISE_CONV_2D", [x, wt, bias], [y], ("DepthwiseConv2DOptions", options))
    return y


def pool(b, draw):
    taps, stride = int(draw.integers(1, 8)), int(draw.integers(1, 5))
    channels, padding = int(draw.integers(1, 12)), SAME if draw.random() < 0.5 else VALID
    time = _window_extent(draw, taps, 1, padding == VALID)
    scale, zero = _scale(draw), _zero(draw)
    x = b.input((1, 1, time, channels), "int8", scale, zero)
    out_time = -(-time // stride) if padding == SAME else (time - taps) // stride + 1
    y = b.tensor((1, 1, out_time, channels), "int8", scale, zero)
    options = {"padding": padding, "strideW": stride, "strideH": 1, "filterWidth": taps, "filterHeight": 1,
               "fusedActivationFunction": _activation(draw)}  # fmt: skip
    kind = "MAX_POOL_2D" if draw.random() < 0.5 else "AVERAGE_POOL_2D"
    b.operator(kind, [x], [y], ("Pool2DOptions", options))
    return y


def dense(b, draw):
    depth, units = int(draw.integers(1, 70)), int(draw.integers(1, 40))
    rows = int(draw.choice([1, 1, 1, 5]))
    scale_in = _scale(draw)
    x = b.input((rows, depth), "int8", scale_in, _zero(draw))
    w, scales, _ = _weights(draw, (units, depth), units, 0)
    bias = _bias(b, draw, units, scales * scale_in)
    y = b.tensor((rows, units), "int8", scale_in * float(scales.mean()) * 60 * np.sqrt(depth), _zero(draw))
    b.operator("FULLY_CONNECTED", [x, b.constant(w, scale=scales), -1 if bias is None else bias], [y],
               ("FullyConnectedOptions", {"fusedActivationFunction": _activation(draw)}))  # fmt: skip
    return y


def elementwise(b, draw):
    time, channels = int(draw.integers(1, 20)), int(draw.integers(1, 14))
    full = (1, time, channels)
    shapes = [full, full]
    which = int(draw.integers(0, 6))
    if which < 3:
        other = [(1, 1, channels), (channels,), (1,), (1, time, 1), (1, 1, 1), (1, time, channels)][
            int(draw.integers(0, 6))
        ]
        shapes[int(draw.integers(0, 2))] = other
    kind = str(draw.choice(["ADD", "SUB", "MUL"]))
    scales = [_scale(draw), _scale(draw)]
    operands = []
    constant = int(draw.integers(0, 2)) if draw.random() < 0.3 else -1
    for i, shape in enumerate(shapes):
        if i == constant:
            operands.append(
                b.constant(draw.integers(-128, 128, shape).astype(np.int8), scale=scales[i], zero_point=_zero(draw))
            )
        else:
            operands.append(b.input(shape, "int8", scales[i], _zero(draw)))
    spread = scales[0] * scales[1] * 90 if kind == "MUL" else sum(scales)
    y = b.tensor(full, "int8", spread * draw.uniform(0.4, 1.5), _zero(draw))
    name = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions"}[kind]
    b.operator(kind, operands, [y], (name, {"fusedActivationFunction": _activation(draw)}))
    return y


def reduction(b, draw):
    time, channels = int(draw.integers(1, 200)), int(draw.integers(1, 20))
    kind = "MEAN" if draw.random() < 0.7 else "SUM"
    scale = _scale(draw)
    keep = bool(draw.random() < 0.5)
    four = draw.random() < 0.5
    x = b.input((1, 1, time, channels) if four else (1, time, channels), "int8", scale, _zero(draw))
    axes = b.constant(np.array([1, 2] if four else [1], np.int32))
    shape = ((1, 1, 1, channels) if four else (1, 1, channels)) if keep else (1, channels)
    out = scale * draw.uniform(0.05, 1.2) if kind == "MEAN" else scale * np.sqrt(time) * draw.uniform(0.5, 4)
    y = b.tensor(shape, "int8", out, _zero(draw))
    b.operator(kind, [x, axes], [y], ("ReducerOptions", {"keepDims": keep}))
    return y


def function(b, draw):
    shape = (1, int(draw.integers(1, 20)), int(draw.integers(1, 12)))
    kind = str(draw.choice(["LOGISTIC", "TANH", "RELU", "LEAKY_RELU", "HARD_SWISH", "SOFTMAX"]))
    x = b.input(shape, "int8", _scale(draw, -2.5, 0.1), _zero(draw))
    fixed = {"LOGISTIC": (1 / 256, -128), "SOFTMAX": (1 / 256, -128), "TANH": (1 / 128, 0)}
    scale, zero = fixed.get(kind, (_scale(draw, -2, -0.3), _zero(draw)))
    if kind == "HARD_SWISH":
        scale = _scale(draw, -1.8, -0.3)
    y = b.tensor(shape, "int8", scale, zero)
    options = {
        "SOFTMAX": ("SoftmaxOptions", {"beta": float(draw.choice([1.0, 1.0, 0.5]))}),
        "LEAKY_RELU": ("LeakyReluOptions", {"alpha": float(np.float32(draw.uniform(0, 0.6)))}),
    }
    b.operator(kind, [x], [y], options.get(kind))
    return y


def join(b, draw):
    time = int(draw.integers(1, 12))
    scale, zero = _scale(draw), _zero(draw)
    if draw.random() < 0.5:
        shapes = [(1, time, int(draw.integers(1, 8))) for _ in range(int(draw.integers(2, 4)))]
        axis, out = int(draw.choice([2, -1])), (1, time, sum(s[2] for s in shapes))
    else:
        shapes = [(1, int(draw.integers(1, 8)), time) for _ in range(2)]
        axis, out = 1, (1, sum(s[1] for s in shapes), time)
    inputs = [b.input(s, "int8", scale, zero) for s in shapes]
    y = b.tensor(out, "int8", scale, zero)
    b.operator("CONCATENATION", inputs, [y], ("ConcatenationOptions", {"axis": axis}))
    return y


def pad(b, draw):
    time, channels = int(draw.integers(1, 20)), int(draw.integers(1, 9))
    before, after = int(draw.integers(0, 5)), int(draw.integers(0, 5))
    scale, zero = _scale(draw), _zero(draw)
    x = b.input((1, time, channels), "int8", scale, zero)
    p = b.constant(np.array([[0, 0], [before, after], [0, 0]], np.int32))
    y = b.tensor((1, time + before + after, channels), "int8", scale, zero)
    b.operator("PAD", [x, p], [y])
    return y


LAYERS = (
    conv,
    conv,
    conv,
    conv,
    depthwise,
    depthwise,
    pool,
    dense,
    elementwise,
    elementwise,
    reduction,
    function,
    join,
    pad,
)


def many_layers(seed: int, count: int) -> bytes:
    """A model of `count` random layers side by side."""
    draw = np.random.default_rng(seed)
    b = Builder()
    outputs = [LAYERS[(seed + i) % len(LAYERS)](b, draw) for i in range(count)]
    return b.finish(outputs)


def move(b, draw):
    shape = (1, *(int(v) for v in draw.integers(1, 9, int(draw.integers(1, 4)))))
    scale, zero = _scale(draw), _zero(draw)
    x = b.input(shape, "int8", scale, zero)
    kind = str(draw.choice(["TRANSPOSE", "SLICE", "STRIDED_SLICE", "SPLIT"]))
    if kind == "TRANSPOSE":
        order = draw.permutation(len(shape))
        y = b.tensor([shape[i] for i in order], "int8", scale, zero)
        b.operator(kind, [x, b.constant(order.astype(np.int32))], [y])
        return y
    if kind == "SPLIT":
        axis = int(draw.integers(1, len(shape)))
        count = int(draw.choice([d for d in range(1, shape[axis] + 1) if shape[axis] % d == 0]))
        part = [e // count if i == axis else e for i, e in enumerate(shape)]
        ys = [b.tensor(part, "int8", scale, zero) for _ in range(count)]
        b.operator(kind, [b.constant(np.array(axis, np.int32)), x], ys, ("SplitOptions", {"numSplits": count}))
        return ys[-1]
    begins = [int(draw.integers(0, e)) for e in shape]
    if kind == "SLICE":
        sizes = [int(draw.integers(1, e - s + 1)) for e, s in zip(shape, begins, strict=True)]
        y = b.tensor(sizes, "int8", scale, zero)
        b.operator(kind, [x, b.constant(np.array(begins, np.int32)), b.constant(np.array(sizes, np.int32))], [y])
        return y
    ends = [int(draw.integers(s + 1, e + 1)) for e, s in zip(shape, begins, strict=True)]
    steps = [int(draw.integers(1, 4)) for _ in shape]
    begin_mask, end_mask = int(draw.integers(0, 8)), int(draw.integers(0, 8))
    out = []
    for i, extent in enumerate(shape):
        first = 0 if begin_mask >> i & 1 else begins[i]
        last = extent if end_mask >> i & 1 else ends[i]
        out.append(-(-(last - first) // steps[i]))
    y = b.tensor(out, "int8", scale, zero)
    operands = [b.constant(np.array(v, np.int32)) for v in (begins, ends, steps)]
    b.operator(kind, [x, *operands], [y], ("StridedSliceOptions", {"beginMask": begin_mask, "endMask": end_mask}))
    return y


def matmul(b, draw):
    batches, rows, depth, columns = (int(v) for v in draw.integers(1, 10, 4))
    adj_x, adj_y = bool(draw.integers(0, 2)), bool(draw.integers(0, 2))
    scales = _scale(draw), _scale(draw)
    x = b.input((batches, depth, rows) if adj_x else (batches, rows, depth), "int8", scales[0], _zero(draw))
    z = b.input((batches, columns, depth) if adj_y else (batches, depth, columns), "int8", scales[1], _zero(draw))
    y = b.tensor((batches, rows, columns), "int8", scales[0] * scales[1] * 60 * np.sqrt(depth), _zero(draw))
    b.operator("BATCH_MATMUL", [x, z], [y], ("BatchMatMulOptions", {"adjX": adj_x, "adjY": adj_y}))
    return y


def normalization(b, draw):
    """The pieces of a layer norm: mean over channels, squared difference, reciprocal root; and a maximum."""
    time, channels = int(draw.integers(1, 12)), int(draw.integers(2, 14))
    scale = _scale(draw)
    kind = str(draw.choice(["MEAN", "SQUARED_DIFFERENCE", "RSQRT", "REDUCE_MAX"]))
    if kind == "MEAN":
        x = b.input((1, time, channels), "int8", scale, _zero(draw))
        y = b.tensor((1, time, 1), "int8", scale * draw.uniform(0.1, 1), _zero(draw))
        b.operator(kind, [x, b.constant(np.array([2], np.int32))], [y], ("ReducerOptions", {"keepDims": True}))
    elif kind == "REDUCE_MAX":
        zero = _zero(draw)
        x = b.input((1, time, channels), "int8", scale, zero)
        y = b.tensor((1, channels), "int8", scale, zero)
        b.operator(kind, [x, b.constant(np.array([1], np.int32))], [y], ("ReducerOptions", {"keepDims": False}))
    elif kind == "RSQRT":
        x = b.input((1, time, channels), "int8", scale, -128)
        y = b.tensor(
            (1, time, channels), "int8", 1 / np.sqrt(scale) / 100 * draw.uniform(0.1, 2), int(draw.integers(-128, 0))
        )
        b.operator(kind, [x], [y])
    else:
        x = b.input((1, time, channels), "int8", scale, _zero(draw))
        z = b.input(
            (1, time, 1) if draw.random() < 0.6 else (1, time, channels),
            "int8",
            scale * draw.uniform(0.3, 2),
            _zero(draw),
        )
        y = b.tensor((1, time, channels), "int8", scale * scale * 300 * draw.uniform(0.5, 2), -128)
        b.operator(kind, [x, z], [y])
    return y


def border(b, draw):
    shape = (1, int(draw.integers(1, 12)), int(draw.integers(1, 9)))
    if draw.random() < 0.5:
        x = b.input(shape, "float32")
        y = b.tensor(shape, "int8", _scale(draw), _zero(draw))
        b.operator("QUANTIZE", [x], [y])
    else:
        x = b.input(shape, "int8", _scale(draw), _zero(draw))
        y = b.tensor(shape, "float32")
        b.operator("DEQUANTIZE", [x], [y])
    return y


LAYERS = (*LAYERS, move, move, matmul, normalization, normalization, border)
