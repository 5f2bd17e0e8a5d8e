"""Operators that seldom weigh, to stages: moves of elements, matrix products, borders of float."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ecgdeploy.codegen import arithmetic as ar
from ecgdeploy.codegen import ir
from ecgdeploy.graph import Operator, Tensor
from ecgdeploy.graph.shapes import slice_box, split_sizes

if TYPE_CHECKING:
    from ecgdeploy.codegen.lower import Lowering

MOVE_RANK = 5


def strides_of(shape: tuple[int, ...]) -> list[int]:
    """Row-major steps of a shape, in elements."""
    return [math.prod(shape[i + 1 :]) for i in range(len(shape))]


def _same_quantization(low: Lowering, operator: Operator, x: Tensor, out: Tensor) -> None:
    if x.quantization is None or out.quantization is None:
        return
    if x.quantization.zero_point != out.quantization.zero_point:
        raise low.refuse(operator, "its input and output have different zero points", "quantize the model again")


def _move(
    low: Lowering,
    operator: Operator,
    value: int,
    x: Tensor,
    out: Tensor,
    extents: list[int],
    steps: list[int],
    offset: int,
) -> None:
    _same_quantization(low, operator, x, out)
    pairs = [(e, s) for e, s in zip(extents, steps, strict=True) if e != 1] or [(1, 0)]
    merged = [pairs[0]]
    for extent, step in pairs[1:]:  # dimensions that run on into each other are one
        if merged[-1][1] == extent * step:
            merged[-1] = (merged[-1][0] * extent, step)
        else:
            merged.append((extent, step))
    if len(merged) > MOVE_RANK:
        raise low.refuse(operator, f"moves elements in {len(merged)} dimensions", f"at most {MOVE_RANK} differ")
    padding = [(1, 0)] * (MOVE_RANK - len(merged))
    full = padding + merged
    source = low.values[value]
    result = low.new_value(out, limits=(source.low, source.high))
    work = ir.Move(tuple(e for e, _ in full), tuple(s for _, s in full), offset)
    low.add(operator.index, operator.kind, (ir.Read(value, whole=True),), result, work)


def _transpose(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    order = [int(v) for v in low.constant(operator, 1)]
    if sorted(order) != list(range(len(x.shape))):
        raise low.refuse(operator, f"permutation {order} of {len(x.shape)} dimensions", "export the model again")
    steps = strides_of(x.shape)
    _move(low, operator, value, x, low.output(operator), [x.shape[i] for i in order], [steps[i] for i in order], 0)


def _slice(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    begins, sizes, strides = slice_box(operator, low.tensors(operator))
    steps = strides_of(x.shape)
    offset = sum(b * s for b, s in zip(begins, steps, strict=True))
    scaled = [s * k for s, k in zip(steps, strides, strict=True)]
    _move(low, operator, value, x, low.output(operator), sizes, scaled, offset)


def _split(low: Lowering, operator: Operator) -> None:
    position = 1 if operator.kind == "SPLIT" else 0
    value, x = low.source(operator, position)
    axis, sizes = split_sizes(operator, low.tensors(operator))
    steps = strides_of(x.shape)
    start = 0
    for output, size in zip(operator.outputs, sizes, strict=True):
        extents = [size if i == axis else e for i, e in enumerate(x.shape)]
        _move(low, operator, value, x, low.graph.tensors[output], extents, steps, start * steps[axis])
        start += size


def _batch_matmul(low: Lowering, operator: Operator) -> None:
    (a_value, a), (b_value, b) = low.source(operator, 0), low.source(operator, 1)
    out = low.output(operator)
    if a.shape[:-2] != b.shape[:-2] and math.prod(a.shape[:-2]) != math.prod(b.shape[:-2]):
        raise low.refuse(
            operator, f"batches {list(a.shape)} and {list(b.shape)}", "give both operands the same batches"
        )
    adjoint_a, adjoint_b = bool(operator.options["adj_x"]), bool(operator.options["adj_y"])
    rows, depth = (a.shape[-1], a.shape[-2]) if adjoint_a else (a.shape[-2], a.shape[-1])
    columns = b.shape[-2] if adjoint_b else b.shape[-1]
    assert a.quantization and b.quantization and out.quantization
    product = float(np.float32(a.quantization.scale) * np.float32(b.quantization.scale))
    multiplier, shift = ar.quantize_multiplier(product / out.quantization.scale)
    zero = out.quantization.zero_point
    result = low.new_value(out)
    work = ir.MatMul(
        math.prod(a.shape[:-2]), rows, columns, depth, 1 if adjoint_a else depth, rows if adjoint_a else 1,
        1 if adjoint_b else columns, depth if adjoint_b else 1, multiplier, shift, -128 - zero, 127 - zero,
    )  # fmt: skip
    reads = (ir.Read(a_value, whole=True), ir.Read(b_value, whole=True))
    low.add(operator.index, operator.kind, reads, result, work)


def _convert(low: Lowering, operator: Operator) -> None:
    from ecgdeploy.codegen.lower import layout

    value, x = low.source(operator)
    out = low.output(operator)
    pair = (x.dtype, out.dtype)
    if pair not in (("float32", "int8"), ("int8", "float32")):
        raise low.refuse(operator, f"from {x.dtype} to {out.dtype}")
    quantized = out if pair[1] == "int8" else x
    assert quantized.quantization
    direction = "quantize" if pair[1] == "int8" else "dequantize"
    result = low.new_value(out)
    read = low.read(value, *layout(x.shape))
    low.add(operator.index, operator.kind, (read,), result, ir.Convert(direction, quantized.quantization.scale))


def _maximum_over_time(low: Lowering, operator: Operator) -> None:
    from ecgdeploy.codegen.lower import layout, reduces_time
    from ecgdeploy.graph.shapes import reduction_axes

    value, x = low.source(operator)
    out = low.output(operator)
    _same_quantization(low, operator, x, out)
    reduces_time(low, operator, x, reduction_axes(low.tensors(operator), len(x.shape)))
    time, channels = layout(x.shape)
    result = low.new_value(out)
    limits: tuple[float, float] = (low.values[result].low, low.values[result].high)
    if x.dtype == "float32":
        limits = (-float(np.finfo(np.float32).max), float(np.finfo(np.float32).max))
    read = low.read(value, time, channels, reach=time, stride=time, clipped=True)
    low.add(operator.index, operator.kind, (read,), result, ir.Pool("max", time, time, 0, *limits))


GENERAL_HANDLERS: dict[str, Callable[[Lowering, Operator], None]] = {
    "TRANSPOSE": _transpose, "STRIDED_SLICE": _slice, "SLICE": _slice, "SPLIT": _split, "SPLIT_V": _split,
    "BATCH_MATMUL": _batch_matmul, "DEQUANTIZE": _convert, "REDUCE_MAX": _maximum_over_time,
}  # fmt: skip


def convert(low: Lowering, operator: Operator) -> None:
    """QUANTIZE from float32."""
    _convert(low, operator)
