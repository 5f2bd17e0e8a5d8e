"""Operators that only place elements: concatenation, padding, slices, splits, transposes, reversal."""

from __future__ import annotations

import math
from collections.abc import Callable

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.lowering import Lowering, layout, same_quantization, zero_point_of
from ecgdeploy.graph import Operator, Tensor
from ecgdeploy.graph.shapes import slice_box, split_sizes

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
    reads = []
    along_channels = axis == len(out.shape) - 1
    for position, tensor in enumerate(low.tensors(operator)):
        value = low.source(operator, position)[0]
        if out.dtype != "float32" and zero_point_of(tensor) != zero_point_of(out):
            raise low.refuse(operator, "inputs and output have different zero points", "quantize the model again")
        read = low.read(value, *layout(tensor.shape))
        reads.append(read if along_channels else ir.Read(value, whole=True))
    if not along_channels and any(e != 1 for e in out.shape[:axis]):
        raise low.refuse(operator, f"along dimension {axis} of {list(out.shape)}", "concatenate channels or time")
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
    if len(x.shape) - 1 in padded or len(rest) > 1:
        raise low.refuse(operator, f"pads {paddings.tolist()} of {list(x.shape)}", "pad in time only")
    before, after = (int(v) for v in paddings[padded[0]]) if padded else (0, 0)
    result = low.new_value(out)
    low.add(operator.index, operator.kind, (ir.Read(value, whole=True),), result, ir.Pad(before, after))


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
    "SPLIT": _split, "SPLIT_V": _split, "REVERSE_V2": _reverse,
}  # fmt: skip
