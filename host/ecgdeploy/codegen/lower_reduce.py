"""Reductions to stages: MEAN, SUM and maximum, over time or over channels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ecgdeploy.codegen import arithmetic as ar
from ecgdeploy.codegen import ir
from ecgdeploy.codegen.lower_shape import as_time
from ecgdeploy.codegen.lowering import Lowering, layout, same_quantization, scale_of, zero_point_of
from ecgdeploy.graph import Operator, Tensor
from ecgdeploy.graph.shapes import reduction_axes


def _sum_channels(low: Lowering, operator: Operator, value: int, x: Tensor, out: Tensor) -> None:
    """MEAN or SUM over the channels of every position (layer normalization)."""
    time, channels = layout(x.shape)
    multiplier, shift = ar.quantize_multiplier(scale_of(x) / scale_of(out))
    if operator.kind == "MEAN":
        by = min(channels.bit_length() - 1, 32, 31 + shift)
        multiplier, shift = (multiplier << by) // channels, shift - by
    low_q, high_q = ar.RANGES[out.dtype]
    result = low.new_value(out, (time, 1))
    work = ir.SumRows(multiplier, shift, low_q - zero_point_of(out), high_q - zero_point_of(out))
    low.add(operator.index, operator.kind, (low.read(value, time, channels),), result, work)


def _mean(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    out = low.output(operator)
    axes = reduction_axes(low.tensors(operator), len(x.shape))
    if axes == (len(x.shape) - 1,):
        _sum_channels(low, operator, value, x, out)
        return
    value, time, channels = as_time(low, operator, value, x, axes)
    multiplier, shift = ar.quantize_multiplier(scale_of(x) / scale_of(out))
    if operator.kind == "MEAN":
        by = min(time.bit_length() - 1, 32, 31 + shift)
        multiplier, shift = (multiplier << by) // time, shift - by
    result = low.new_value(out, (1, channels))
    low_q, high_q = ar.RANGES[out.dtype]
    work = ir.Mean(multiplier, shift, low_q - zero_point_of(out), high_q - zero_point_of(out))
    read = low.read(value, time, channels)
    low.add(operator.index, operator.kind, (read,), result, work)


def _maximum_over_time(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    out = low.output(operator)
    same_quantization(low, operator, x, out)
    axes = reduction_axes(low.tensors(operator), len(x.shape))
    value, time, channels = as_time(low, operator, value, x, axes)
    result = low.new_value(out, (1, channels))
    limits: tuple[float, float] = (low.values[result].low, low.values[result].high)
    if x.dtype == "float32":
        limits = (-float(np.finfo(np.float32).max), float(np.finfo(np.float32).max))
    read = low.read(value, time, channels, reach=time, stride=time, clipped=True)
    low.add(operator.index, operator.kind, (read,), result, ir.Pool("max", time, time, 0, *limits))


REDUCTION_HANDLERS: dict[str, Callable[[Lowering, Operator], None]] = {
    "MEAN": _mean, "SUM": _mean, "REDUCE_MAX": _maximum_over_time,
}  # fmt: skip
