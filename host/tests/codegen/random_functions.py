"""Random layers of the seldom operators: slopes, extremes, choices, transposed convolutions, functions of float32."""

from __future__ import annotations

import numpy as np
from random_models import _scale, _zero
from tflite_builder import SAME, VALID, Builder


def prelu(b, draw, floats):
    time, channels = int(draw.integers(1, 20)), int(draw.integers(1, 12))
    shape = (1, time, channels)
    slopes = [(channels,), (1, channels), (time, channels), (1, 1)][int(draw.integers(0, 4))]
    if floats:
        x, y = b.input(shape, "float32"), b.tensor(shape, "float32")
        slope = b.constant(draw.normal(size=slopes).astype(np.float32))
    else:
        x = b.input(shape, "int8", _scale(draw), _zero(draw))
        slope = b.constant(draw.integers(-128, 128, slopes).astype(np.int8), scale=_scale(draw), zero_point=_zero(draw))
        y = b.tensor(shape, "int8", _scale(draw), _zero(draw))
    b.operator("PRELU", [x, slope], [y])
    return y


def extreme(b, draw, floats):
    time, channels = int(draw.integers(1, 12)), int(draw.integers(1, 9))
    full = (1, time, channels)
    other = [full, (1, 1, channels), (1, time, 1), (1,), (channels,)][int(draw.integers(0, 5))]
    form = ("float32",) if floats else ("int8", _scale(draw), _zero(draw))
    operands = [b.input(full, *form), b.input(other, *form)]
    if draw.random() < 0.5:
        operands.reverse()
    y = b.tensor(full, *form)
    kinds = ["MAXIMUM", "MINIMUM", "DIV", "SQUARED_DIFFERENCE"] if floats else ["MAXIMUM", "MINIMUM"]
    b.operator(str(draw.choice(kinds)), operands, [y])
    return y


def gather(b, draw, floats):
    shape = (1, *(int(v) for v in draw.integers(1, 8, 2)))
    axis = int(draw.integers(1, 3))
    index = draw.integers(0, shape[axis], int(draw.integers(1, 9))).astype(np.int32)
    form = ("float32",) if floats else ("int8", _scale(draw), _zero(draw))
    x = b.input(shape, *form)
    y = b.tensor((*shape[:axis], len(index), *shape[axis + 1 :]), *form)
    b.operator("GATHER", [x, b.constant(index)], [y], ("GatherOptions", {"axis": axis}))
    return y


def unpack(b, draw, floats):
    shape = (1, *(int(v) for v in draw.integers(1, 6, 2)))
    axis = int(draw.integers(1, 3))
    form = ("float32",) if floats else ("int8", _scale(draw), _zero(draw))
    x = b.input(shape, *form)
    parts = [b.tensor((*shape[:axis], *shape[axis + 1 :]), *form) for _ in range(shape[axis])]
    b.operator("UNPACK", [x], parts, ("UnpackOptions", {"axis": axis, "num": shape[axis]}))
    return parts[-1]


def transposed_conv(b, draw, floats):
    plane = draw.random() < 0.5
    taps = (int(draw.integers(1, 5)) if plane else 1, int(draw.integers(1, 6)))
    stride = (int(draw.integers(1, 4)) if plane else 1, int(draw.integers(1, 4)))
    extents = (int(draw.integers(1, 6)) if plane else 1, int(draw.integers(1, 9)))
    padding = SAME if draw.random() < 0.5 else VALID
    cin, cout = int(draw.integers(1, 9)), int(draw.integers(1, 9))
    sizes = [e * s if padding == SAME else (e - 1) * s + k for e, s, k in zip(extents, stride, taps, strict=True)]
    shape = b.constant(np.array([1, *sizes, cout], np.int32))
    if floats:
        x, y = b.input((1, *extents, cin), "float32"), b.tensor((1, *sizes, cout), "float32")
        w = b.constant(draw.normal(size=(cout, *taps, cin)).astype(np.float32))
        bias = b.constant(draw.normal(size=cout).astype(np.float32))
    else:
        scale = _scale(draw)
        scales = np.float32(10 ** draw.uniform(-3.2, -1.8, cout))
        x = b.input((1, *extents, cin), "int8", scale, _zero(draw))
        w = b.constant(draw.integers(-127, 128, (cout, *taps, cin)).astype(np.int8), scale=scales)
        bias = b.constant(draw.integers(-30000, 30000, cout).astype(np.int32), scale=scales * scale)
        y = b.tensor((1, *sizes, cout), "int8", scale * float(scales.mean()) * 60 * np.sqrt(cin * taps[1]), _zero(draw))
    options = {"padding": padding, "strideH": stride[0], "strideW": stride[1]}
    b.operator("TRANSPOSE_CONV", [shape, w, x, bias], [y], ("TransposeConvOptions", options))
    return y


def function(b, draw, floats):
    shape = (1, int(draw.integers(1, 20)), int(draw.integers(1, 9)))
    if not floats:
        x, y = b.input(shape, "int8", _scale(draw), _zero(draw)), b.tensor(shape, "int8", _scale(draw), _zero(draw))
        b.operator("ELU", [x], [y])
        return y
    kind = str(draw.choice(["TANH", "HARD_SWISH", "NEG", "ABS", "SQUARE", "SQRT", "RSQRT", "EXP", "ELU"]))
    x, y = b.input(shape, "float32"), b.tensor(shape, "float32")
    if kind in ("SQRT", "RSQRT"):
        positive = b.tensor(shape, "float32")
        b.operator("SQUARE", [x], [positive])
        x = positive
    b.operator(kind, [x], [y])
    return y


def bytes_of_both_kinds(b, draw, floats):
    shape = (1, int(draw.integers(1, 20)), int(draw.integers(1, 9)))
    if floats:
        batches, rows, depth, columns = (int(v) for v in draw.integers(1, 8, 4))
        adj_x, adj_y = bool(draw.integers(0, 2)), bool(draw.integers(0, 2))
        x = b.input((batches, depth, rows) if adj_x else (batches, rows, depth), "float32")
        z = b.input((batches, columns, depth) if adj_y else (batches, depth, columns), "float32")
        y = b.tensor((batches, rows, columns), "float32")
        b.operator("BATCH_MATMUL", [x, z], [y], ("BatchMatMulOptions", {"adjX": adj_x, "adjY": adj_y}))
        return y
    x = b.input(shape, "uint8", _scale(draw), int(draw.integers(0, 256)))
    y = b.tensor(shape, "int8", _scale(draw), _zero(draw))
    z = b.tensor(shape, "uint8", _scale(draw), int(draw.integers(0, 256)))
    b.operator("QUANTIZE", [x], [y])
    b.operator("QUANTIZE", [y], [z])
    return z


def any_reduction(b, draw, floats):
    shape = (1, *(int(v) for v in draw.integers(1, 6, 3)))
    axes = sorted(int(a) for a in draw.choice([1, 2, 3], int(draw.integers(1, 4)), replace=False))
    keep = bool(draw.integers(0, 2))
    scale, zero = _scale(draw), _zero(draw)
    kind = str(draw.choice(["MEAN", "SUM", "REDUCE_MAX"]))
    out = tuple(1 if i in axes else e for i, e in enumerate(shape) if keep or i not in axes)
    x = b.input(shape, "float32") if floats else b.input(shape, "int8", scale, zero)
    same = (scale, zero) if kind == "REDUCE_MAX" else (scale * draw.uniform(0.3, 3), _zero(draw))
    y = b.tensor(out, "float32") if floats else b.tensor(out, "int8", *same)
    b.operator(kind, [x, b.constant(np.array(axes, np.int32))], [y], ("ReducerOptions", {"keepDims": keep}))
    return y


def any_join(b, draw, floats):
    shape = (1, *(int(v) for v in draw.integers(1, 6, 2)))
    form = ("float32",) if floats else ("int8", _scale(draw), _zero(draw))
    axis, count = int(draw.integers(1, 4)), int(draw.integers(1, 4))
    inputs = [b.input(shape, *form) for _ in range(count)]
    if draw.random() < 0.5:
        y = b.tensor((*shape[:axis], count, *shape[axis:]), *form)
        b.operator("PACK", inputs, [y], ("PackOptions", {"axis": axis, "valuesCount": count}))
        return y
    axis = min(axis, 2)
    y = b.tensor([e * count if i == axis else e for i, e in enumerate(shape)], *form)
    b.operator("CONCATENATION", inputs, [y], ("ConcatenationOptions", {"axis": axis}))
    return y


def any_pad(b, draw, floats):
    """Padding in several dimensions, alone or before a convolution that takes it over."""
    shape = (1, *(int(v) for v in draw.integers(1, 6, 2)), int(draw.integers(1, 5)))
    scale, zero = _scale(draw), _zero(draw)
    form = ("float32",) if floats else ("int8", scale, zero)
    widths = np.array([[0, 0], draw.integers(0, 3, 2), draw.integers(0, 3, 2), [0, 0]], np.int32)
    padded = [int(e + a + c) for e, (a, c) in zip(shape, widths, strict=True)]
    x, y = b.input(shape, *form), b.tensor(padded, *form)
    b.operator("PAD", [x, b.constant(widths)], [y])
    if draw.random() < 0.4:
        return y
    taps = [int(draw.integers(1, e + 1)) for e in padded[1:3]]
    out = (1, padded[1] - taps[0] + 1, padded[2] - taps[1] + 1, 3)
    if floats:
        w, z = b.constant(draw.normal(size=(3, *taps, shape[3])).astype(np.float32)), b.tensor(out, "float32")
        bias = b.constant(draw.normal(size=3).astype(np.float32))
    else:
        w = b.constant(draw.integers(-127, 128, (3, *taps, shape[3])).astype(np.int8), scale=np.full(3, 0.01))
        bias = b.constant(draw.integers(-3000, 3000, 3).astype(np.int32), scale=np.full(3, 0.01) * scale)
        z = b.tensor(out, "int8", scale * draw.uniform(0.5, 4), _zero(draw))
    b.operator("CONV_2D", [y, w, bias], [z], ("Conv2DOptions", {"padding": VALID, "strideH": 1, "strideW": 1}))
    return z


def any_broadcast(b, draw, floats):
    full = (1, *(int(v) for v in draw.integers(1, 6, 3)))
    other = tuple(1 if draw.random() < 0.5 else e for e in full)
    scales = _scale(draw), _scale(draw)
    operands = [b.input(s, "float32") if floats else b.input(s, "int8", k, _zero(draw))
                for s, k in zip((full, other), scales, strict=True)]  # fmt: skip
    if draw.random() < 0.5:
        operands.reverse()
    y = b.tensor(full, "float32") if floats else b.tensor(full, "int8", sum(scales), _zero(draw))
    b.operator("ADD", operands, [y], ("AddOptions", {}))
    return y


def resize(b, draw, floats):
    """Every pixel several times, as UpSampling2D leaves it."""
    height, width, channels = (int(v) for v in draw.integers(1, 6, 3))
    size = (height * int(draw.integers(1, 4)), width * int(draw.integers(1, 4)))
    form = ("float32",) if floats else ("int8", _scale(draw), _zero(draw))
    x, y = b.input((1, height, width, channels), *form), b.tensor((1, *size, channels), *form)
    options = ("ResizeNearestNeighborOptions", {"halfPixelCenters": bool(draw.integers(0, 2))})
    b.operator("RESIZE_NEAREST_NEIGHBOR", [x, b.constant(np.array(size, np.int32))], [y], options)
    return y


KINDS = (
    prelu, extreme, gather, unpack, transposed_conv, transposed_conv, function, bytes_of_both_kinds, any_reduction,
    any_join, any_pad, any_pad, any_broadcast, resize,
)  # fmt: skip


def many_functions(seed: int, count: int) -> bytes:
    """A model of `count` random layers side by side, int8 and float32 in turn."""
    draw = np.random.default_rng(seed)
    b = Builder()
    return b.finish([KINDS[(seed + i) % len(KINDS)](b, draw, i // len(KINDS) % 2 == 1) for i in range(count)])
