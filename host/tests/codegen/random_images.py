"""Random whole networks of any element type over one or two dimensions: what streams from layer to layer."""

from __future__ import annotations

import numpy as np
from tflite_builder import SAME, VALID, Builder

HALF_STEP = {"int8": (1 / 256, -128), "int16": (1 / 32768, 0)}

BLOCKS = ("conv", "depthwise", "pool", "pad", "residual", "gate", "dilated", "inception", "one")


class Images:
    """A growing network over [1, height, width, channels] tensors; `info` has their shapes and scales."""

    def __init__(self, seed: int, dtype: str, rows: int) -> None:
        self.draw, self.dtype, self.b = np.random.default_rng(seed), dtype, Builder()
        self.info: dict[int, tuple[tuple[int, ...], float, int]] = {}
        self.rows = rows

    def tensor(self, shape, relu=False, like=None, given=None, graph_input=False):
        scale, zero = given or (self.info[like][1:] if like is not None else (0.0, 0))
        if like is None and given is None and self.dtype != "float32":
            scale = float(np.float32(self.draw.uniform(0.01, 0.05)))
            zero = -128 if relu else int(self.draw.integers(-60, 60))
            if self.dtype == "int16":
                scale, zero = scale / 200, 0
        make = self.b.input if graph_input else self.b.tensor
        index = make(shape, self.dtype) if self.dtype == "float32" else make(shape, self.dtype, scale, zero)
        self.info[index] = (tuple(int(e) for e in shape), scale, zero)
        return index

    def window(self, x, kernel, stride, padding, dilation=(1, 1)):
        shape = self.info[x][0]
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        if any(r > e for r, e in zip(reach, shape[1:3], strict=True)):
            padding = SAME
        sizes = zip(shape[1:3], reach, stride, strict=True)
        out = [-(-e // s) if padding == SAME else (e - r) // s + 1 for e, r, s in sizes]
        return padding, out

    def constants(self, x, y, shape, channels, axis, fan):
        if self.dtype == "float32":
            values = self.draw.normal(size=shape) / np.sqrt(fan)
            return self.b.constant(values.astype(np.float32)), self.b.constant(np.ones(channels, np.float32) / 8)
        scale, out = self.info[x][1], self.info[y][1]
        scales = (out / (scale * 60 * np.sqrt(fan)) * self.draw.uniform(0.5, 2, channels)).astype(np.float32)
        weights = self.b.constant(self.draw.integers(-127, 128, shape).astype(np.int8), scale=scales, axis=axis)
        bias = self.draw.integers(-4000, 4000, channels).astype(np.int32 if self.dtype == "int8" else np.int64)
        return weights, self.b.constant(bias, scale=scales * scale)

    def conv(self, x, channels, kernel, stride=(1, 1), dilation=(1, 1), padding=SAME, relu=True, depthwise=False):
        cin = self.info[x][0][3]
        channels = cin if depthwise else channels
        padding, out = self.window(x, kernel, stride, padding, dilation)
        y = self.tensor((1, *out, channels), relu)
        shape = (1, *kernel, cin) if depthwise else (channels, *kernel, cin)
        fan = kernel[0] * kernel[1] * (1 if depthwise else cin)
        weights, bias = self.constants(x, y, shape, channels, 3 if depthwise else 0, fan)
        options = {"padding": padding, "strideH": stride[0], "strideW": stride[1], "dilationHFactor": dilation[0],
                   "dilationWFactor": dilation[1], "fusedActivationFunction": int(relu)}  # fmt: skip
        name = "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions"
        if depthwise:
            options["depthMultiplier"] = 1
        self.b.operator("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", [x, weights, bias], [y], (name, options))
        return y

    def pool(self, x, kernel, stride, padding, kind):
        padding, out = self.window(x, kernel, stride, padding)
        y = self.tensor((1, *out, self.info[x][0][3]), like=x)
        options = {"padding": padding, "strideH": stride[0], "strideW": stride[1], "filterHeight": kernel[0],
                   "filterWidth": kernel[1]}  # fmt: skip
        self.b.operator(kind, [x], [y], ("Pool2DOptions", options))
        return y

    def pad(self, x):
        shape = self.info[x][0]
        widths = np.array([[0, 0], self.draw.integers(0, 3, 2), self.draw.integers(0, 3, 2), [0, 0]], np.int32)
        widths[1] *= self.rows > 1
        y = self.tensor([e + int(w.sum()) for e, w in zip(shape, widths, strict=True)], like=x)
        self.b.operator("PAD", [x, self.b.constant(widths)], [y])
        return y

    def binary(self, kind, a, c, relu=False):
        y = self.tensor(self.info[a][0], relu)
        self.b.operator(kind, [a, c], [y], (kind.title() + "Options", {"fusedActivationFunction": int(relu)}))
        return y

    def mean(self, x, keep):
        shape = self.info[x][0]
        y = self.tensor((1, 1, 1, shape[3]) if keep else (1, shape[3]))
        axes = self.b.constant(np.array([1, 2], np.int32))
        self.b.operator("MEAN", [x, axes], [y], ("ReducerOptions", {"keepDims": keep}))
        return y

    def function(self, kind, x):
        y = self.tensor(self.info[x][0], given=HALF_STEP.get(self.dtype, (0.0, 0)))
        self.b.operator(kind, [x], [y], ("SoftmaxOptions", {"beta": 1.0}) if kind == "SOFTMAX" else None)
        return y

    def concat(self, parts):
        channels = sum(self.info[p][0][3] for p in parts)
        y = self.tensor((*self.info[parts[0]][0][:3], channels), like=parts[0])
        self.b.operator("CONCATENATION", parts, [y], ("ConcatenationOptions", {"axis": 3}))
        return y

    def dense(self, x, units):
        depth = int(np.prod(self.info[x][0]))
        y = self.tensor((1, units))
        weights, bias = self.constants(x, y, (units, depth), units, 0, depth)
        self.b.operator("FULLY_CONNECTED", [x, weights, bias], [y], ("FullyConnectedOptions", {}))
        return y


def random_images(seed: int) -> bytes:
    """A network of 3 to 7 blocks; seeds take turns with element types, and every fourth has one dimension."""
    dtype = ("int8", "float32", "int16")[seed % 3]
    n = Images(seed, dtype, 1 if seed % 4 == 3 else int(np.random.default_rng(seed).integers(2, 14)))
    draw = n.draw
    x = n.tensor((1, n.rows, int(draw.integers(1, 40)), int(draw.choice([1, 2, 3, 6]))), graph_input=True)
    middle = []
    for _ in range(int(draw.integers(3, 8))):
        side = (1, 5) if n.rows == 1 else (4, 4)
        kernel = (int(draw.integers(1, side[0] + 1)), int(draw.integers(1, side[1] + 1)))
        stride = (int(draw.integers(1, 3)), int(draw.integers(1, 4))) if draw.random() < 0.5 else (1, 1)
        padding, channels = int(draw.choice([SAME, VALID])), int(draw.integers(1, 12))
        block = str(draw.choice(BLOCKS))
        if block == "conv":
            x = n.conv(x, channels, kernel, stride, padding=padding)
        elif block == "one":
            x = n.conv(x, channels, (1, 1), stride, padding=padding, relu=False)
        elif block == "depthwise":
            x = n.conv(n.conv(x, 0, kernel, (stride[0],) * 2, padding=padding, depthwise=True), channels, (1, 1))
        elif block == "pool":
            x = n.pool(x, kernel, stride, padding, str(draw.choice(["MAX_POOL_2D", "AVERAGE_POOL_2D"])))
        elif block == "pad":
            x = n.conv(n.pad(x), channels, kernel, stride, padding=VALID) if draw.random() < 0.7 else n.pad(x)
        elif block == "residual":
            shortcut = x if stride == (1, 1) else n.conv(x, channels, (1, 1), stride, relu=False)
            y = n.conv(n.conv(x, channels, kernel, stride), n.info[shortcut][0][3], kernel, relu=False)
            x = n.binary(str(draw.choice(["ADD", "SUB"])), *((y, shortcut) if draw.random() < 0.5 else (shortcut, y)))
        elif block == "gate":
            gate = n.function("LOGISTIC", n.conv(n.mean(x, True), n.info[x][0][3], (1, 1), relu=False))
            x = n.binary("MUL", x, gate)
        elif block == "dilated":
            x = n.conv(x, channels, kernel, (1, 1), (int(draw.integers(1, 4)), int(draw.integers(1, 4))), padding)
        else:
            y = n.conv(x, channels, kernel)
            x = n.concat([y, n.pool(y, (min(3, n.rows), 3), (1, 1), SAME, "MAX_POOL_2D"), y])
        if draw.random() < 0.15:
            middle.append(x)
    y = n.dense(n.mean(x, False) if draw.random() < 0.6 else x, int(draw.integers(1, 9)))
    return n.b.finish([n.function(str(draw.choice(["SOFTMAX", "LOGISTIC"])), y), *dict.fromkeys(middle)])
