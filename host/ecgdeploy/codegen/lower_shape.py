"""Operators that only place elements: concatenation, padding, slices, splits, transposes, reversal."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.lowering import Lowering, layout, same_quantization, zero_point_of
from ecgdeploy.graph import Operator, Tensor
from ecgdeploy.graph.moves import slice_box, split_sizes

MOVE_RANK = 5


def strides_of(shape: tuple[int, ...]) -> list[int]:
    """Row-major steps of a shape, in elements."""
    return [math.prod(shape[i + 1 :]) for i in range(len(shape))]


def _concat(low: Lowering, operator: Operator) -> None:
    out = low.output(operator)
    axis = operator.options["axis"]
    axis = axis + len(out.shape) if axis < 0 else axis
    if operator.options["activation"] != "NONE":
        raise low.refuse(operator, "with a fused activation")
    along_channels = axis == len(out.shape) - 1
    if not along_channels and any(e != 1 for e in out.shape[:axis]):
        widths = [math.prod(tensor.shape[axis:]) for tensor in low.tensors(operator)]
        _side_by_side(low, operator, math.prod(out.shape[:axis]), widths)
        return
    reads = []
    for position, tensor in enumerate(low.tensors(operator)):
        value = low.source(operator, position)[0]
        if out.dtype != "float32" and zero_point_of(tensor) != zero_point_of(out):
            raise low.refuse(operator, "inputs and output have different zero points", "quantize the model again")
        read = low.read(value, *layout(tensor.shape))
        reads.append(read if along_channels else ir.Read(value, whole=True))
    result = low.new_value(out)
    low.add(operator.index, operator.kind, tuple(reads), result, ir.Concat("channels" if along_channels else "time"))


def _pad(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    paddings = low.tensors(operator)[1].data
    out = low.output(operator)
    assert paddings is not None
    if out.dtype != "float32" and zero_point_of(x) != zero_point_of(out):
        raise low.refuse(operator, "its input and output have different zero points", "quantize the model again")
    padded = [i for i in range(len(x.shape)) if paddings[i].any()]
    rest = [i for i in range(len(x.shape) - 1) if x.shape[i] != 1 or i in padded]
    result = low.new_value(out)
    if len(x.shape) - 1 in padded or len(rest) > 1:
        widths = [(int(a), int(b)) for a, b in paddings]
        low.add(operator.index, operator.kind, (ir.Read(value, whole=True),), result, ir.PadBox(x.shape, tuple(widths)))
        return
    before, after = (int(v) for v in paddings[padded[0]]) if padded else (0, 0)
    low.add(operator.index, operator.kind, (ir.Read(value, whole=True),), result, ir.Pad(before, after))


def _pack(low: Lowering, operator: Operator) -> None:
    out, first = low.output(operator), low.tensors(operator)[0]
    axis = operator.options["axis"] % len(out.shape)
    rows, inner = math.prod(first.shape[:axis]), math.prod(first.shape[axis:])
    _side_by_side(low, operator, rows, [inner] * len(operator.inputs))


def _side_by_side(low: Lowering, operator: Operator, rows: int, widths: list[int]) -> None:
    """Rows of the inputs next to each other."""
    out = low.output(operator)
    reads = []
    for position, (tensor, width) in enumerate(zip(low.tensors(operator), widths, strict=True)):
        same_quantization(low, operator, tensor, out)
        value = low.source(operator, position)[0]
        reads.append(low.read(value, rows, width) if rows > 1 else ir.Read(value, whole=True))
    result = low.new_value(out, (rows, sum(widths)) if rows > 1 else None)
    low.add(operator.index, operator.kind, tuple(reads), result, ir.Concat("channels" if rows > 1 else "time"))


def move(
    low: Lowering,
    operator: Operator,
    value: int,
    x: Tensor,
    out: Tensor,
    extents: list[int],
    steps: list[int],
    offset: int,
) -> None:
    """A box of elements in another order, as one stage."""
    same_quantization(low, operator, x, out)
    source = low.values[value]
    work = box(low, operator, extents, steps, offset)
    result = low.new_value(out, limits=(source.low, source.high))
    low.add(operator.index, operator.kind, (ir.Read(value, whole=True),), result, work)


def box(low: Lowering, operator: Operator, extents: list[int], steps: list[int], offset: int) -> ir.Move:
    """The work of moving a box of elements; dimensions that run on into each other are one."""
    pairs = [(e, s) for e, s in zip(extents, steps, strict=True) if e != 1] or [(1, 0)]
    merged = [pairs[0]]
    for extent, step in pairs[1:]:
        if merged[-1][1] == extent * step:
            merged[-1] = (merged[-1][0] * extent, step)
        else:
            merged.append((extent, step))
    if len(merged) > MOVE_RANK:
        raise low.refuse(operator, f"moves elements in {len(merged)} dimensions", f"at most {MOVE_RANK} differ")
    full = [(1, 0)] * (MOVE_RANK - len(merged)) + merged
    return ir.Move(tuple(e for e, _ in full), tuple(s for _, s in full), offset)


def repeated(low: Lowering, operator: Operator, value: int, x: Tensor, out: tuple[int, ...]) -> int:
    """A value broadcast to the shape of the output, written out."""
    shape = (1,) * (len(out) - len(x.shape)) + x.shape
    steps = [0 if e == 1 else s for e, s in zip(shape, strides_of(shape), strict=True)]
    work = box(low, operator, list(out), steps, 0)
    time, channels = layout(out)
    copy = replace(low.values[value], index=len(low.values), time=time, channels=channels)
    low.values.append(copy)
    low.add(-1, "BROADCAST_TO", (ir.Read(value, whole=True),), copy.index, work)
    return copy.index


def as_time(low: Lowering, operator: Operator, value: int, x: Tensor, axes: tuple[int, ...]) -> tuple[int, int, int]:
    """(value, positions, channels) in which a reduction over `axes` is one over time; moved where it is not already."""
    kept = [i for i in range(len(x.shape)) if i not in axes]
    time, channels = math.prod(x.shape[i] for i in axes), math.prod(x.shape[i] for i in kept)
    running = [i for i in range(len(x.shape)) if x.shape[i] != 1]
    if running == [i for i in (*axes, *kept) if x.shape[i] != 1]:
        return value, time, channels
    order, steps = [*axes, *kept], strides_of(x.shape)
    work = box(low, operator, [x.shape[i] for i in order], [steps[i] for i in order], 0)
    copy = replace(low.values[value], index=len(low.values), time=time, channels=channels)
    low.values.append(copy)
    low.add(-1, "TRANSPOSE", (ir.Read(value, whole=True),), copy.index, work)
    return copy.index, time, channels


def _transpose(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    order = [int(v) for v in low.constant(operator, 1)]
    if sorted(order) != list(range(len(x.shape))):
        raise low.refuse(operator, f"permutation {order} of {len(x.shape)} dimensions", "export the model again")
    steps = strides_of(x.shape)
    move(low, operator, value, x, low.output(operator), [x.shape[i] for i in order], [steps[i] for i in order], 0)


def _slice(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    begins, sizes, strides = slice_box(operator, low.tensors(operator))
    steps = strides_of(x.shape)
    offset = sum(b * s for b, s in zip(begins, steps, strict=True))
    scaled = [s * k for s, k in zip(steps, strides, strict=True)]
    move(low, operator, value, x, low.output(operator), sizes, scaled, offset)


def _split(low: Lowering, operator: Operator) -> None:
    position = 1 if operator.kind == "SPLIT" else 0
    value, x = low.source(operator, position)
    axis, sizes = split_sizes(operator, low.tensors(operator))
    steps = strides_of(x.shape)
    start = 0
    for output, size in zip(operator.outputs, sizes, strict=True):
        extents = [size if i == axis else e for i, e in enumerate(x.shape)]
        move(low, operator, value, x, low.graph.tensors[output], extents, steps, start * steps[axis])
        start += size


def _reverse(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    axes = [int(v) % len(x.shape) for v in low.constant(operator, 1)]
    steps = strides_of(x.shape)
    offset = sum((x.shape[a] - 1) * steps[a] for a in axes)
    turned = [-s if i in axes else s for i, s in enumerate(steps)]
    move(low, operator, value, x, low.output(operator), list(x.shape), turned, offset)


SHAPE_HANDLERS: dict[str, Callable[[Lowering, Operator], None]] = {
    "CONCATENATION": _concat, "PAD": _pad, "TRANSPOSE": _transpose, "STRIDED_SLICE": _slice, "SLICE": _slice,
    "SPLIT": _split, "SPLIT_V": _split, "REVERSE_V2": _reverse, "PACK": _pack,
}  # fmt: skip
