"""Random whole networks: chains with residual branches, squeeze-and-excitation, dilation, concatenation, heads."""

from __future__ import annotations

import numpy as np
from tflite_builder import SAME, VALID, Builder


class Network:
    """A growing network over [1, 1, time, channels] tensors."""

    def __init__(self, seed: int) -> None:
        self.draw = np.random.default_rng(seed)
        self.b = Builder()
        self.info: dict[int, tuple[int, int, float, int]] = {}

    def tensor(self, time, channels, relu, four=True):
        scale = float(np.float32(self.draw.uniform(0.01, 0.05)))
        zero = -128 if relu else int(self.draw.integers(-60, 60))
        index = self.b.tensor((1, 1, time, channels) if four else (1, channels), "int8", scale, zero)
        self.info[index] = (time, channels, scale, zero)
        return index

    def conv(self, x, channels, taps, stride=1, dilation=1, padding=SAME, relu=True, depthwise=False):
        time, cin, scale, _ = self.info[x]
        channels = cin if depthwise else channels
        reach = (taps - 1) * dilation + 1
        if padding == VALID and reach > time:
            padding = SAME
        out = -(-time // stride) if padding == SAME else (time - reach) // stride + 1
        y = self.tensor(out, channels, relu)
        fan = taps if depthwise else taps * cin
        shape = (1, 1, taps, cin) if depthwise else (channels, 1, taps, cin)
        w = self.draw.integers(-127, 128, shape).astype(np.int8)
        real = self.info[y][2] * 60 / (scale * 60 * 70 * np.sqrt(fan))
        scales = (real * self.draw.uniform(0.5, 2, channels)).astype(np.float32)
        weights = self.b.constant(w, scale=scales, axis=3 if depthwise else 0)
        bias = self.b.constant(self.draw.integers(-4000, 4000, channels).astype(np.int32), scale=scales * scale)
        options = {"padding": padding, "strideW": stride, "strideH": stride, "dilationWFactor": dilation,
                   "dilationHFactor": 1, "fusedActivationFunction": 1 if relu else 0}  # fmt: skip
        if depthwise:
            options["depthMultiplier"] = 1
        kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        name = "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions"
        self.b.operator(kind, [x, weights, bias], [y], (name, options))
        return y

    def pool(self, x, taps, stride, kind="MAX_POOL_2D", padding=VALID):
        time, channels, scale, zero = self.info[x]
        if taps > time:
            return x
        out = -(-time // stride) if padding == SAME else (time - taps) // stride + 1
        y = self.b.tensor((1, 1, out, channels), "int8", scale, zero)
        self.info[y] = (out, channels, scale, zero)
        self.b.operator(kind, [x], [y], ("Pool2DOptions", {"padding": padding, "strideW": stride, "strideH": 1,
                                                            "filterWidth": taps, "filterHeight": 1}))  # fmt: skip
        return y

    def binary(self, kind, a, c, relu=False):
        time, channels, _, _ = self.info[a]
        y = self.tensor(time, channels, relu)
        options = ({"ADD": "AddOptions", "MUL": "MulOptions"}[kind], {"fusedActivationFunction": 1 if relu else 0})
        self.b.operator(kind, [a, c], [y], options)
        return y

    def function(self, kind, x, scale=1 / 256, zero=-128):
        time, channels, _, _ = self.info[x]
        shape = self.b.graph.tensors[x].shape
        y = self.b.tensor(shape, "int8", scale, zero)
        self.info[y] = (time, channels, scale, zero)
        options = ("SoftmaxOptions", {"beta": 1.0}) if kind == "SOFTMAX" else None
        self.b.operator(kind, [x], [y], options)
        return y

    def mean(self, x, keep=False):
        _, channels, scale, zero = self.info[x]
        y = self.b.tensor((1, 1, 1, channels) if keep else (1, channels), "int8", scale * 0.6, zero)
        self.info[y] = (1, channels, scale * 0.6, zero)
        self.b.operator(
            "MEAN", [x, self.b.constant(np.array([1, 2], np.int32))], [y], ("ReducerOptions", {"keepDims": keep})
        )
        return y

    def dense(self, x, units, relu=False):
        shape = self.b.graph.tensors[x].shape
        depth = int(np.prod(shape))
        scale = self.info[x][2]
        y = self.tensor(1, units, relu, four=False)
        w = self.draw.integers(-127, 128, (units, depth)).astype(np.int8)
        scales = (self.info[y][2] / (scale * 60 * np.sqrt(depth)) * self.draw.uniform(0.5, 2, units)).astype(np.float32)
        bias = self.b.constant(self.draw.integers(-2000, 2000, units).astype(np.int32), scale=scales * scale)
        self.b.operator("FULLY_CONNECTED", [x, self.b.constant(w, scale=scales), bias], [y],
                        ("FullyConnectedOptions", {"fusedActivationFunction": 1 if relu else 0}))  # fmt: skip
        return y

    def concat(self, parts):
        time, _, scale, zero = self.info[parts[0]]
        channels = sum(self.info[p][1] for p in parts)
        y = self.b.tensor((1, 1, time, channels), "int8", scale, zero)
        self.info[y] = (time, channels, scale, zero)
        self.b.operator("CONCATENATION", parts, [y], ("ConcatenationOptions", {"axis": 3}))
        return y


def random_network(seed: int) -> bytes:
    """A network of 2 to 6 blocks and one to three heads."""
    n = Network(seed)
    draw = n.draw
    time, leads = int(draw.integers(20, 140)), int(draw.choice([1, 2, 3, 12]))
    x = n.b.input((1, 1, time, leads), "int8", 0.02, int(draw.integers(-20, 20)))
    n.info[x] = (time, leads, 0.02, 0)
    x = n.conv(x, int(draw.integers(3, 20)), int(draw.integers(3, 16)), int(draw.integers(1, 3)))
    for _ in range(int(draw.integers(2, 7))):
        block = str(draw.choice(["conv", "pool", "residual", "se", "tcn", "separable", "inception", "swish"]))
        channels, taps = int(draw.integers(3, 24)), int(draw.choice([1, 3, 5, 7]))
        stride = int(draw.choice([1, 1, 2]))
        if block == "conv":
            x = n.conv(x, channels, taps, stride, padding=int(draw.choice([SAME, VALID])))
        elif block == "pool":
            kind = str(draw.choice(["MAX_POOL_2D", "AVERAGE_POOL_2D"]))
            x = n.pool(x, int(draw.integers(2, 4)), int(draw.integers(1, 4)), kind, int(draw.choice([SAME, VALID])))
        elif block == "residual":
            shortcut = x if stride == 1 else n.conv(x, channels, 1, stride, relu=False)
            y = n.conv(x, channels, taps, stride)
            y = n.conv(y, n.info[shortcut][1], taps, relu=False)
            x = n.binary("ADD", y, shortcut, relu=True)
        elif block == "se":
            gate = n.mean(x, keep=True)
            gate = n.conv(gate, max(1, n.info[x][1] // 4), 1)
            gate = n.function("LOGISTIC", n.conv(gate, n.info[x][1], 1, relu=False))
            x = n.binary("MUL", x, gate)
        elif block == "tcn":
            dilation = int(draw.choice([2, 4]))
            y = n.conv(x, n.info[x][1], 3, dilation=dilation)
            x = n.binary("ADD", x, n.conv(y, n.info[x][1], 3, dilation=dilation, relu=False))
        elif block == "separable":
            x = n.conv(n.conv(x, 0, taps, stride, depthwise=True), channels, 1)
        elif block == "inception":
            y = n.conv(x, channels, taps)
            x = n.concat([y, n.pool(y, 3, 1, padding=SAME), y])
        else:
            x = n.function("HARD_SWISH", x, 0.05, -120)
    outputs = []
    body = n.mean(x) if draw.random() < 0.7 else x
    for _ in range(int(draw.integers(1, 4))):
        y = n.dense(body, int(draw.integers(2, 12)), relu=True)
        y = n.dense(y, int(draw.integers(1, 8)))
        outputs.append(n.function(str(draw.choice(["SOFTMAX", "LOGISTIC"])), y))
    return n.b.finish(outputs)
