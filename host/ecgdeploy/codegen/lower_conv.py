"""Convolutions, dense layers and pooling to stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ecgdeploy.codegen import arithmetic as ar
from ecgdeploy.codegen import ir
from ecgdeploy.codegen.lower_float import add_float_conv, float_conv, float_pool_limits
from ecgdeploy.codegen.lower_grid import add_grid, add_grid_pool, flat_kernel, is_plane, plane_of
from ecgdeploy.codegen.lower_wide import (
    LARGEST_WIDE_SHIFT,
    check_sums,
    long_depthwise,
    rounds_once,
    wide_bias,
)
from ecgdeploy.codegen.lowering import Lowering, scale_of, zero_point_of
from ecgdeploy.graph import Operator, Tensor
from ecgdeploy.graph.extents import padding_before

LARGEST_SHIFT = 31
"""Bits that TFLM's 32-bit requantization can shift left (overflow wraps, here as there)."""


def _requant(low: Lowering, operator: Operator, channels: int, dense: bool) -> ir.Requant:
    x, w = low.tensors(operator)[:2]
    out = low.output(operator)
    assert w.quantization is not None
    scales = w.quantization.scales
    if dense and len(scales) == 1:  # TFLite multiplies these two in float32
        product = float(np.float32(scale_of(x)) * scales[0])
        pairs = [ar.quantize_multiplier(product / scale_of(out))] * channels
    else:
        real = [scale_of(x) * float(s) / scale_of(out) for s in scales]
        pairs = [ar.quantize_multiplier(r) for r in real]
        pairs = pairs * channels if len(pairs) == 1 else pairs
    wide = rounds_once(low, operator)
    largest = LARGEST_WIDE_SHIFT if wide else LARGEST_SHIFT
    if any(shift > largest for _, shift in pairs):
        raise low.refuse(operator, f"its scales differ by more than 2^{largest}", "quantize the model again")
    clamp = low.clamp(operator)
    return ir.Requant(
        np.array([m for m, _ in pairs], np.int32), np.array([s for _, s in pairs], np.int32), clamp[0], clamp[1], wide
    )


def bias_of(low: Lowering, operator: Operator, channels: int) -> np.ndarray:
    """int32 bias of a convolution (int64 of 16-bit activations), zeros where it has none."""
    if low.output(operator).dtype == "int16":
        return wide_bias(low, operator, channels)
    if len(operator.inputs) < 3 or operator.inputs[2] < 0:
        return np.zeros(channels, np.int32)
    bias = low.graph.tensors[operator.inputs[2]]
    if bias.dtype != "int32" or bias.data is None:
        raise low.refuse(operator, f"its bias is {bias.dtype}, not constant int32")
    return bias.data.reshape(-1).astype(np.int32)


def _window(operator: Operator, x: Tensor, kernel: tuple[int, int]) -> tuple[int, int, int, int, int, int]:
    """(time, kernel row offset, taps, stride, dilation, padding before) of a window that runs along one dimension."""
    o = operator.options
    _, height, width, _ = x.shape
    dilation = (o.get("dilation_h", 1), o.get("dilation_w", 1))
    if height == 1:
        axis, across = 1, 0
    elif width == 1:
        axis, across = 0, 1
    else:  # single elements of an image, one after another
        return height * width, 0, 1, 1, 1, 0
    extent = (height, width)
    stride = (o["stride_h"], o["stride_w"])
    outside = padding_before(operator, across, 1, kernel[across], stride[across], dilation[across])
    row = -1 if outside % dilation[across] else outside // dilation[across]
    before = padding_before(operator, axis, extent[axis], kernel[axis], stride[axis], dilation[axis])
    return extent[axis], row, kernel[axis], stride[axis], dilation[axis], before


def _rows_of_batch(
    low: Lowering, operator: Operator, x: Tensor, kernel: tuple[int, int]
) -> tuple[Operator, Tensor, int]:
    """A batch of signals as the rows of one image, which no window crosses: (operator, input, kernel row offset).

    Keras' TimeDistributed makes such batches: a network over beats inside one over time.
    """
    batch, height, width, channels = x.shape
    one = replace(x, shape=(1, height, width, channels))
    if height != 1 and width != 1:
        raise low.refuse(operator, f"batch {batch}", "export with batch 1")
    time, row, taps, stride, dilation, before = _window(operator, one, kernel)
    options = {
        **operator.options, "stride_h": 1, "stride_w": stride, "dilation_h": 1, "dilation_w": dilation,
        "filter_h": 1, "filter_w": taps, "explicit": (0, 0, before, 0),
    }  # fmt: skip
    return replace(operator, options=options), replace(x, shape=(1, batch, time, channels)), row


def _after(time_in: int, time_out: int, reach: int, stride: int, before: int) -> int:
    return max((time_out - 1) * stride + reach - before - time_in, 0)


def _conv(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    w = low.tensors(operator)[1]
    assert w.data is not None
    weights = ungrouped(w.data, x.shape[3])
    if x.shape[0] != 1:
        signals, (operator, x, row) = x, _rows_of_batch(low, operator, x, weights.shape[1:3])
        weights = np.expand_dims(_along(weights, 2 if signals.shape[1] != 1 else 1, row), 1)
    _, kernel_h, kernel_w, in_channels = weights.shape
    if is_plane(operator, x, (kernel_h, kernel_w)):
        _plane_conv(low, operator, value, x, weights)
        return
    time, row, taps, stride, dilation, before = _window(operator, x, (kernel_h, kernel_w))
    kernel = _along(weights, 2 if x.shape[1] != 1 else 1, row)
    _add_conv(low, operator, value, kernel, (time, in_channels), taps, stride, dilation, before, dense=False)


def _along(weights: np.ndarray, axis: int, row: int) -> np.ndarray:
    """The taps that meet the only row of an input; zeros where dilation steps over it (row -1)."""
    kernel = weights.take(max(row, 0), axis)
    return kernel if row >= 0 else np.zeros_like(kernel)


def ungrouped(weights: np.ndarray, channels: int) -> np.ndarray:
    """Weights [out, height, width, in / groups] with zeros for the other groups: same sums, same bits."""
    outputs, *kernel, own = weights.shape
    if own == channels:
        return weights
    full = np.zeros((outputs, *kernel, channels), weights.dtype)
    a_group = outputs // (channels // own)
    for c in range(outputs):
        start = c // a_group * own
        full[c, ..., start : start + own] = weights[c]
    return full


def _plane_conv(low: Lowering, operator: Operator, value: int, x: Tensor, weights: np.ndarray) -> None:
    """A convolution over two dimensions; weights [out, height, width, in]."""
    plane = plane_of(operator, x, low.output(operator), (weights.shape[1], weights.shape[2]))
    add_plane_conv(low, operator, value, plane, x.shape[3], weights)


def add_plane_conv(
    low: Lowering, operator: Operator, value: int, plane: ir.Plane, channels: int, weights: np.ndarray
) -> None:
    """A convolution over a plane, int8 or float32; weights [out, height, width, in]."""
    kernel, outputs = flat_kernel(weights), weights.shape[0]
    if kernel.dtype == np.float32:

        def inner() -> ir.Conv | ir.Depthwise | ir.FloatConv:
            return float_conv(low, operator, kernel, 1, 1, 1, depthwise=False)
    else:

        def inner() -> ir.Conv | ir.Depthwise | ir.FloatConv:
            requant = _requant(low, operator, outputs, dense=False)
            work = ir.Conv(kernel, bias_of(low, operator, outputs), 1, 1, 1, requant)
            check_sums(low, operator, work, low.values[value])
            return work

    limits = None if kernel.dtype == np.float32 else low.clamp(operator)
    add_grid(low, operator, value, plane, channels, kernel.shape[2], inner, limits)


def _plane_depthwise(low: Lowering, operator: Operator, value: int, x: Tensor, weights: np.ndarray) -> None:
    """One filter a channel over two dimensions; weights [height, width, channels]."""
    plane = plane_of(operator, x, low.output(operator), (weights.shape[0], weights.shape[1]))
    channels, taps = x.shape[3], weights.shape[0] * weights.shape[1]
    kernel = np.ascontiguousarray(weights.reshape(taps, channels))
    if kernel.dtype == np.float32:

        def inner() -> ir.Conv | ir.Depthwise | ir.FloatConv:
            return float_conv(low, operator, kernel, taps, taps, 1, depthwise=True)
    else:

        def inner() -> ir.Conv | ir.Depthwise | ir.FloatConv:
            requant = _requant(low, operator, channels, dense=False)
            return ir.Depthwise(kernel, bias_of(low, operator, channels), taps, taps, 1, requant)

    limits = None if kernel.dtype == np.float32 else low.clamp(operator)
    add_grid(low, operator, value, plane, channels, kernel.size, inner, limits)


def _add_conv(
    low: Lowering, operator: Operator, value: int, kernel: np.ndarray, view: tuple[int, int], taps: int, stride: int,
    dilation: int, before: int, dense: bool,
) -> None:  # fmt: skip
    if kernel.dtype == np.float32:
        add_float_conv(low, operator, value, kernel, view, taps, stride, dilation, before, depthwise=False)
        return
    out = low.output(operator)
    out_channels = kernel.shape[0]
    result = low.new_value(out, limits=low.clamp(operator))
    time_out = low.values[result].time
    reach = (taps - 1) * dilation + 1
    work = ir.Conv(
        np.ascontiguousarray(kernel), bias_of(low, operator, out_channels), taps, stride, dilation,
        _requant(low, operator, out_channels, dense),
    )  # fmt: skip
    check_sums(low, operator, work, low.values[value])
    after = _after(view[0], time_out, reach, stride, before)
    read = low.read(value, *view, reach=reach, stride=stride, before=before, after=after)
    low.add(operator.index, operator.kind, (read,), result, work)


LEAST_REPEATED = 6
"""Channels from which several filters a channel cost less behind a copy than as a convolution full of zeros."""


def _repeated_channels(low: Lowering, value: int, time: int, channels: int, times: int) -> int:
    """A value with every channel `times` times in a row."""
    read = low.read(value, time, channels)
    copy = replace(low.values[value], index=len(low.values), time=time, channels=channels * times)
    low.values.append(copy)
    chosen = tuple(c // times for c in range(channels * times))
    low.add(-1, "GATHER", (read,), copy.index, ir.Pick(chosen, channels, 1, time if read.whole else 0))
    return copy.index


def _depthwise(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    weights = low.tensors(operator)[1].data
    assert weights is not None
    if x.shape[0] != 1:
        signals, (operator, x, row) = x, _rows_of_batch(low, operator, x, weights.shape[1:3])
        weights = np.expand_dims(_along(weights, 2 if signals.shape[1] != 1 else 1, row), 1)
    _, kernel_h, kernel_w, out_channels = weights.shape
    channels = x.shape[3]
    if is_plane(operator, x, (kernel_h, kernel_w)):
        if out_channels == channels and not long_depthwise(low, operator, weights, low.values[value]):
            _plane_depthwise(low, operator, value, x, weights[0])
        else:
            _plane_conv(low, operator, value, x, ungrouped(weights.transpose(3, 1, 2, 0), channels))
        return
    time, row, taps, stride, dilation, before = _window(operator, x, (kernel_h, kernel_w))
    kernel = _along(weights[0], 1 if x.shape[1] != 1 else 0, row)  # [taps, out]
    multiplier = out_channels // channels
    long = long_depthwise(low, operator, kernel, low.values[value])
    if multiplier != 1 and channels >= LEAST_REPEATED and not long:  # every channel several times, one filter each
        value, channels, multiplier = _repeated_channels(low, value, time, channels, multiplier), out_channels, 1
    if multiplier != 1 or long:
        # as an ordinary convolution whose other weights are zero: same sums, same bits
        full = np.zeros((out_channels, taps, channels), kernel.dtype)
        for c in range(out_channels):
            full[c, :, c // multiplier] = kernel[:, c]
        _add_conv(low, operator, value, full, (time, channels), taps, stride, dilation, before, dense=False)
        return
    if kernel.dtype == np.float32:
        add_float_conv(low, operator, value, kernel, (time, channels), taps, stride, dilation, before, depthwise=True)
        return
    result = low.new_value(low.output(operator), limits=low.clamp(operator))
    reach = (taps - 1) * dilation + 1
    after = _after(time, low.values[result].time, reach, stride, before)
    read = low.read(value, time, channels, reach=reach, stride=stride, before=before, after=after)
    work = ir.Depthwise(
        np.ascontiguousarray(kernel), bias_of(low, operator, channels), taps, stride, dilation,
        _requant(low, operator, channels, dense=False),
    )  # fmt: skip
    low.add(operator.index, operator.kind, (read,), result, work)


def _dense(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    w = low.tensors(operator)[1]
    assert w.data is not None
    units, depth = w.shape
    view = (x.elements // depth, depth)
    _add_conv(low, operator, value, w.data.reshape(units, 1, depth), view, 1, 1, 1, 0, dense=True)


def _pool(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    out = low.output(operator)
    floats = x.dtype == "float32"
    clamp: tuple[float, float]
    if not floats and zero_point_of(x) != zero_point_of(out):
        raise low.refuse(operator, "its input and output have different zero points", "quantize the model again")
    if x.shape[0] != 1:
        operator, x, _ = _rows_of_batch(low, operator, x, (operator.options["filter_h"], operator.options["filter_w"]))
    o = operator.options
    if is_plane(operator, x, (o["filter_h"], o["filter_w"])):
        clamp = float_pool_limits(low, operator) if floats else low.clamp(operator)
        add_grid_pool(low, operator, value, x, None if floats else low.clamp(operator), clamp)
        return
    time, _, taps, stride, _, before = _window(operator, x, (o["filter_h"], o["filter_w"]))
    source = low.values[value]
    clamp = float_pool_limits(low, operator) if floats else low.clamp(operator)
    limits = (max(source.low, int(clamp[0])), min(source.high, int(clamp[1]))) if not floats else (0, 0)
    result = low.new_value(out, limits=limits)
    read = low.read(value, time, x.shape[3], reach=taps, stride=stride, before=before, clipped=True)
    mode = "max" if operator.kind == "MAX_POOL_2D" else "average"
    low.add(operator.index, operator.kind, (read,), result, ir.Pool(mode, taps, stride, before, *clamp))


CONV_HANDLERS: dict[str, Callable[[Lowering, Operator], None]] = {
    "CONV_2D": _conv, "DEPTHWISE_CONV_2D": _depthwise, "FULLY_CONNECTED": _dense, "MAX_POOL_2D": _pool,
    "AVERAGE_POOL_2D": _pool,
}  # fmt: skip
