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


def _lstm(low: Lowering, operator: Operator) -> None:
    from ecgdeploy.codegen.lower import layout

    value, x = low.source(operator)
    out = low.output(operator)
    inputs = [low.graph.tensors[i] if i >= 0 else None for i in operator.inputs]
    inputs += [None] * (24 - len(inputs))
    hidden, cell = inputs[18], inputs[19]
    if any(t is not None for t in (*inputs[9:12], *inputs[16:18], *inputs[20:24])):
        raise low.refuse(operator, "with peepholes, a projection or layer norm inside", "use the plain LSTM of Keras")
    if operator.options["activation"] != "TANH":
        raise low.refuse(operator, f"cell activation {operator.options['activation']}", "use tanh")
    if hidden is None or cell is None or hidden.quantization is None or cell.quantization is None:
        raise low.refuse(operator, "its states are not quantized", "quantize the model again")
    assert x.quantization is not None and out.quantization is not None
    power, exact = math.frexp(cell.quantization.scale)
    if cell.dtype != "int16" or power != 0.5 or not -24 <= exact - 1 <= -9:
        raise low.refuse(
            operator, "its cell state is not int16 with a power of two as scale", "quantize the model again"
        )
    if hidden.dtype != "int8" or hidden.quantization.zero_point != out.quantization.zero_point:
        raise low.refuse(operator, "its hidden state and output are quantized differently", "quantize the model again")
    units = out.shape[-1]
    order = (1, 0, 2, 3)  # the file has input, forget, cell, output
    gates = []
    for source, first in ((x, 1), (hidden, 5)):
        for gate in order:
            weights, bias = inputs[first + gate], inputs[12 + gate]
            assert weights is not None and weights.data is not None and weights.quantization is not None
            product = float(np.float32(source.quantization.scale) * weights.quantization.scales[0])  # type: ignore[union-attr]
            multiplier, shift = ar.quantize_multiplier(product / 2.0**-12)
            if shift > 8:
                raise low.refuse(operator, "its scales are absurd", "quantize the model again")
            bias_data = bias.data if source is x and bias is not None and bias.data is not None else np.zeros(units)
            requant = ir.Requant(np.full(units, multiplier, np.int32), np.full(units, shift, np.int32), -32768, 32767)
            kernel = weights.data.reshape(units, 1, -1)
            gates.append(ir.Conv(kernel, bias_data.reshape(-1).astype(np.int32), 1, 1, 1, requant))
    half = 2.0**-15
    cell_scale, hidden_scale = cell.quantization.scale, hidden.quantization.scale
    products = (half * cell_scale / cell_scale, half * half / cell_scale, half * half / hidden_scale)
    pairs = [ar.quantize_multiplier(p) for p in products]
    zero = hidden.quantization.zero_point
    clip = int(min(max(float(operator.options["cell_clip"]) / cell_scale, -32768.0), 32767.0))
    result = low.new_value(out)
    work = ir.Lstm(
        units, tuple(gates), tuple(m for m, _ in pairs), tuple(s for _, s in pairs), max(clip, 0), exact - 1,
        -128 - zero, 127 - zero,
    )  # fmt: skip
    low.add(operator.index, operator.kind, (low.read(value, *layout(x.shape)),), result, work)


def _reverse(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    axes = [int(v) % len(x.shape) for v in low.constant(operator, 1)]
    steps = strides_of(x.shape)
    offset = sum((x.shape[a] - 1) * steps[a] for a in axes)
    turned = [-s if i in axes else s for i, s in enumerate(steps)]
    _move(low, operator, value, x, low.output(operator), list(x.shape), turned, offset)


GENERAL_HANDLERS: dict[str, Callable[[Lowering, Operator], None]] = {
    "TRANSPOSE": _transpose, "STRIDED_SLICE": _slice, "SLICE": _slice, "SPLIT": _split, "SPLIT_V": _split,
    "BATCH_MATMUL": _batch_matmul, "DEQUANTIZE": _convert, "REDUCE_MAX": _maximum_over_time,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm, "REVERSE_V2": _reverse,
}  # fmt: skip


def convert(low: Lowering, operator: Operator) -> None:
    """QUANTIZE from float32."""
    _convert(low, operator)
