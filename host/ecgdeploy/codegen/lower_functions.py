"""PRELU, larger and smaller of two, choice of elements, repetition, and the seldom functions of float32, to stages."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ecgdeploy.codegen import arithmetic as ar
from ecgdeploy.codegen import ir
from ecgdeploy.codegen.lower_conv import add_plane_conv
from ecgdeploy.codegen.lower_shape import move, repeated, strides_of
from ecgdeploy.codegen.lowering import (
    Lowering,
    layout,
    operand_pattern,
    same_quantization,
    scale_of,
    spread,
    zero_point_of,
)
from ecgdeploy.graph import Operator
from ecgdeploy.graph.extents import leading_padding
from ecgdeploy.graph.moves import gather_axis

MOST_PICKED = 65535
"""Largest index of a choice that the kernel's table holds."""


def _prelu(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    slope, out = low.tensors(operator)[1], low.output(operator)
    if slope.data is None or slope.dtype != x.dtype:
        raise low.refuse(operator, f"its slopes {slope} must be constant {x.dtype}", "train slopes per channel")
    pattern = operand_pattern(low, operator, slope.shape, out.shape)
    slopes = spread(slope.data, pattern, out.shape)
    pattern = "full" if pattern == "repeat" else pattern
    if x.dtype == "float32":
        work = ir.Prelu(pattern, slopes)
    else:
        product = scale_of(x) * scale_of(slope) / scale_of(out)
        pairs = [ar.quantize_multiplier(scale_of(x) / scale_of(out)), ar.quantize_multiplier(product)]
        zero = zero_point_of(out)
        work = ir.Prelu(
            pattern, slopes.astype(np.int32) - zero_point_of(slope), tuple(m for m, _ in pairs),
            tuple(s for _, s in pairs), -128 - zero, 127 - zero,
        )  # fmt: skip
    result = low.new_value(out)
    low.add(operator.index, operator.kind, (low.read(value, *layout(x.shape)),), result, work)


def _extreme(low: Lowering, operator: Operator) -> None:
    """MAXIMUM and MINIMUM of int8 operands that share their quantization."""
    out = low.output(operator)
    time, channels = layout(out.shape)
    patterns: list[str] = []
    constants: list[np.ndarray | None] = []
    reads: list[ir.Read] = []
    for position, tensor in enumerate(low.tensors(operator)[:2]):
        if tensor.dtype != out.dtype or tensor.quantization is None:
            raise low.refuse(operator, f"operands of different types: {tensor}")
        same_quantization(low, operator, tensor, out)
        pattern = operand_pattern(low, operator, tensor.shape, out.shape)
        patterns.append("full" if pattern == "repeat" else pattern)
        if tensor.data is not None:
            constants.append(spread(tensor.data, pattern, out.shape).astype(np.int32) - zero_point_of(tensor))
            continue
        constants.append(None)
        value = low.source(operator, position)[0]
        if pattern == "repeat":
            reads.append(ir.Read(repeated(low, operator, value, tensor, out.shape)))
            continue
        full = patterns[-1] in ("full", "position")
        width = channels if patterns[-1] == "full" else 1
        reads.append(low.read(value, time, width) if full else ir.Read(value, whole=True))
    if not reads:
        raise low.refuse(operator, "both operands are constants")
    result = low.new_value(out)
    limits = (low.values[result].low, low.values[result].high)
    work = ir.Elementwise(
        operator.kind.lower(),
        (patterns[0], patterns[1]),
        (constants[0], constants[1]),
        (0, 0, 0),
        (0, 0, 0),
        0,
        *limits,
    )
    low.add(operator.index, operator.kind, tuple(reads), result, work)


def _gather(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    index, out = low.tensors(operator)[1], low.output(operator)
    same_quantization(low, operator, x, out)
    if index.data is None:
        raise low.refuse(operator, f"its indices {index} are computed", "choose with constant indices")
    axis = gather_axis(operator, low.tensors(operator))
    chosen = [int(v) % x.shape[axis] for v in index.data.reshape(-1)]
    if max(chosen) > MOST_PICKED or len(chosen) > MOST_PICKED:
        raise low.refuse(operator, f"chooses among {x.shape[axis]} elements", f"at most {MOST_PICKED + 1}")
    rows, inner = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
    result = low.new_value(out, limits=(low.values[value].low, low.values[value].high))
    work = ir.Pick(tuple(chosen), x.shape[axis], inner, rows)
    if inner == 1 and low.values[result].channels == len(chosen):  # of channels: position by position
        read = low.read(value, rows, x.shape[axis])
        work = ir.Pick(tuple(chosen), x.shape[axis], 1, 0 if not read.whole else rows)
    else:
        read = ir.Read(value, whole=True)
    low.add(operator.index, operator.kind, (read,), result, work)


def _tile(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    counts = [int(v) for v in low.constant(operator, 1)]
    extents: list[int] = []
    steps: list[int] = []
    for extent, count, step in zip(x.shape, counts, strides_of(x.shape), strict=True):
        extents += [count, extent]
        steps += [0, step]
    move(low, operator, value, x, low.output(operator), extents, steps, 0)


def _resize(low: Lowering, operator: Operator) -> None:
    """Every pixel of an image several times, which is where half-pixel centres lead too."""
    value, x = low.source(operator)
    out = low.output(operator)
    _, height, width, channels = x.shape
    row = width * channels
    extents = [x.shape[0] * height, out.shape[1] // height, width, out.shape[2] // width, channels]
    move(low, operator, value, x, out, extents, [row, 0, channels, 0, 1], 0)


def _unpack(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    axis = operator.options["axis"] % len(x.shape)
    steps = strides_of(x.shape)
    extents = [1 if i == axis else e for i, e in enumerate(x.shape)]
    for number, output in enumerate(operator.outputs):
        move(low, operator, value, x, low.graph.tensors[output], extents, steps, number * steps[axis])


def _transposed_conv(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator, 2)
    w, out = low.tensors(operator)[1], low.output(operator)
    assert w.data is not None
    o = operator.options
    if x.shape[0] != 1:
        raise low.refuse(operator, f"batch {x.shape[0]}", "export with batch 1")
    before = []
    for i, stride in enumerate((o["stride_h"], o["stride_w"])):
        taps = w.shape[1 + i]
        pad, _ = leading_padding(out.shape[1 + i], taps, stride, 1, o["padding"])
        before.append(taps - 1 - pad)
    plane = ir.Plane(
        x.shape[1], x.shape[2], out.shape[1], out.shape[2], w.shape[1], w.shape[2], 1, 1, 1, 1, before[0],
        before[1], o["stride_h"], o["stride_w"],
    )  # fmt: skip
    turned = np.ascontiguousarray(w.data[:, ::-1, ::-1, :])
    inputs = (operator.inputs[2], operator.inputs[1], *operator.inputs[3:])
    as_conv = Operator(operator.kind, operator.index, inputs, operator.outputs, operator.options)
    add_plane_conv(low, as_conv, value, plane, x.shape[3], turned)


FUNCTION_HANDLERS: dict[str, Callable[[Lowering, Operator], None]] = {
    "PRELU": _prelu, "MAXIMUM": _extreme, "MINIMUM": _extreme, "GATHER": _gather, "TILE": _tile, "UNPACK": _unpack,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "TRANSPOSE_CONV": _transposed_conv,
}  # fmt: skip
