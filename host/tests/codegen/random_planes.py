"""Random layers over two dimensions for the property test, int8 and float32, each with its own input and output."""

from __future__ import annotations

import numpy as np
from random_models import _activation, _bias, _scale, _weights, _zero
from tflite_builder import SAME, VALID, Builder


def _geometry(draw, kernel, stride, dilation):
    """Options, input extents and output extents of a random window."""
    padding = SAME if draw.random() < 0.6 else VALID
    extents, outs = [], []
    for k, s, d in zip(kernel, stride, dilation, strict=True):
        reach = (k - 1) * d + 1
        extent = int(draw.integers(reach if padding == VALID else 1, reach + 9))
        extents.append(extent)
        outs.append(-(-extent // s) if padding == SAME else (extent - reach) // s + 1)
    options = {"padding": padding, "strideH": stride[0], "strideW": stride[1]}
    return options, extents, outs


def _pair(draw, low, high):
    return int(draw.integers(low, high)), int(draw.integers(low, high))


def plane_conv(b, draw, kind, floats):
    kernel = _pair(draw, 1, 5)
    stride = _pair(draw, 1, 4)
    dilation = _pair(draw, 1, 4) if stride == (1, 1) else (1, 1)
    options, extents, outs = _geometry(draw, kernel, stride, dilation)
    options |= {"dilationHFactor": dilation[0], "dilationWFactor": dilation[1],
                "fusedActivationFunction": _activation(draw)}  # fmt: skip
    depthwise = kind == "DEPTHWISE_CONV_2D"
    groups = 1 if depthwise else int(draw.choice([1, 1, 1, 2]))
    cin = int(draw.integers(1, 9)) * groups
    multiplier = int(draw.choice([1, 1, 2]))
    cout = cin * multiplier if depthwise else int(draw.integers(1, 9)) * groups
    shape = (1, *kernel, cout) if depthwise else (cout, *kernel, cin // groups)
    if depthwise:
        options["depthMultiplier"] = multiplier
    if floats:
        x = b.input((1, *extents, cin), "float32")
        w = b.constant(draw.normal(size=shape).astype(np.float32))
        bias = b.constant(draw.normal(size=cout).astype(np.float32))
        y = b.tensor((1, *outs, cout), "float32")
    else:
        scale_in = _scale(draw)
        x = b.input((1, *extents, cin), "int8", scale_in, _zero(draw))
        values, scales, _ = _weights(draw, shape, cout, 3 if depthwise else 0)
        w = b.constant(values, scale=scales, axis=3 if depthwise else 0)
        bias = None
        while bias is None:
            bias = _bias(b, draw, cout, scales * scale_in)
        spread = scale_in * float(scales.mean()) * 60 * np.sqrt(values.size / cout)
        y = b.tensor((1, *outs, cout), "int8", spread * draw.uniform(0.1, 2), _zero(draw))
    b.operator(kind, [x, w, bias], [y], ("DepthwiseConv2DOptions" if depthwise else "Conv2DOptions", options))
    return y


def plane_pool(b, draw, kind, floats):
    kernel, stride = _pair(draw, 1, 5), _pair(draw, 1, 4)
    options, extents, outs = _geometry(draw, kernel, stride, (1, 1))
    options |= {"filterHeight": kernel[0], "filterWidth": kernel[1], "fusedActivationFunction": _activation(draw)}
    channels = int(draw.integers(1, 9))
    form = ("float32",) if floats else ("int8", _scale(draw), _zero(draw))
    x = b.input((1, *extents, channels), *form)
    y = b.tensor((1, *outs, channels), *form)
    b.operator(kind, [x], [y], ("Pool2DOptions", options))
    return y


def batch_of_signals(b, draw, floats):
    """A window over each of several signals, as Keras' TimeDistributed leaves them: rows of one image to the engine."""
    batch, upright = int(draw.integers(2, 5)), draw.random() < 0.3
    kernel, stride = (1 if draw.random() < 0.7 else 3, int(draw.integers(1, 6))), (1, int(draw.integers(1, 4)))
    dilation = (1, int(draw.integers(1, 4)) if stride == (1, 1) else 1)
    kind = str(draw.choice(["CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D"]))
    dilation = (1, 1) if "POOL" in kind else dilation
    reach = (kernel[1] - 1) * dilation[1] + 1
    padding = SAME if kernel[0] > 1 or draw.random() < 0.6 else VALID
    time = int(draw.integers(reach if padding == VALID else 1, reach + 9))
    out = -(-time // stride[1]) if padding == SAME else (time - reach) // stride[1] + 1
    turn = (lambda pair: pair[::-1]) if upright else (lambda pair: pair)
    (across, along), cin = turn(("H", "W")), int(draw.integers(1, 6))
    options = {"padding": padding, f"stride{across}": stride[1] if "DEPTH" in kind else 1, f"stride{along}": stride[1],
               "fusedActivationFunction": _activation(draw)}  # fmt: skip
    form = ("float32",) if floats else ("int8", 0.02, _zero(draw))
    x = b.input((batch, *turn((1, time)), cin), *form)
    if "POOL" in kind:
        options |= {f"filter{'Height' if upright else 'Width'}": kernel[1],
                    f"filter{'Width' if upright else 'Height'}": kernel[0]}  # fmt: skip
        y = b.tensor((batch, *turn((1, out)), cin), *form)
        b.operator(kind, [x], [y], ("Pool2DOptions", options))
        return y
    depthwise = kind == "DEPTHWISE_CONV_2D"
    cout = cin * int(draw.integers(1, 3)) if depthwise else int(draw.integers(1, 6))
    shape = (1, *turn(kernel), cout) if depthwise else (cout, *turn(kernel), cin)
    options |= {f"dilation{along}Factor": dilation[1], f"dilation{across}Factor": 1}
    if depthwise:
        options["depthMultiplier"] = cout // cin
    if floats:
        w, bias = b.constant(draw.normal(size=shape).astype(np.float32)), b.constant(np.zeros(cout, np.float32))
        y = b.tensor((batch, *turn((1, out)), cout), "float32")
    else:
        values, scales, _ = _weights(draw, shape, cout, 3 if depthwise else 0)
        w = b.constant(values, scale=scales, axis=3 if depthwise else 0)
        bias = b.constant(draw.integers(-3000, 3000, cout).astype(np.int32), scale=np.broadcast_to(scales, cout) * 0.02)
        y = b.tensor((batch, *turn((1, out)), cout), "int8", float(scales.mean()) * np.sqrt(values.size), _zero(draw))
    b.operator(kind, [x, w, bias], [y], ("DepthwiseConv2DOptions" if depthwise else "Conv2DOptions", options))
    return y


PLANE_KINDS = (
    "CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "BATCH",
)  # fmt: skip


def many_planes(seed: int, count: int) -> bytes:
    """A model of `count` random layers over two dimensions; every third is float32."""
    draw = np.random.default_rng(seed)
    b = Builder()
    outputs = []
    for i in range(count):
        kind = PLANE_KINDS[(seed + i) % len(PLANE_KINDS)]
        floats = (seed + i // len(PLANE_KINDS)) % 3 == 2
        if kind == "BATCH":
            outputs.append(batch_of_signals(b, draw, floats))
            continue
        build = plane_pool if "POOL" in kind else plane_conv
        outputs.append(build(b, draw, kind, floats))
    return b.finish(outputs)
