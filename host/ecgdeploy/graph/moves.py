"""Output shapes of the operators that only move elements, and what of their operands says where to."""

from __future__ import annotations

from collections.abc import Callable

from ecgdeploy.graph.extents import integers, need
from ecgdeploy.graph.types import Operator


def _pad(operator: Operator, tensors: list) -> tuple[int, ...]:  # noqa: ARG001
    x, p = tensors[0], tensors[1]
    need(p.data is not None and p.dtype in ("int32", "int64"), "its paddings must be constant")
    need(p.shape == (len(x.shape), 2), "its paddings do not match its input")
    need(bool((p.data >= 0).all() and (p.data < 1 << 20).all()), "its paddings are negative or absurd")
    return tuple(int(e + a + b) for e, (a, b) in zip(x.shape, p.data, strict=True))


def _concat(operator: Operator, tensors: list) -> tuple[int, ...]:
    first = tensors[0].shape
    axis = operator.options["axis"]
    axis = axis + len(first) if axis < 0 else axis
    need(0 <= axis < len(first), f"axis {axis} of {len(first)} dimensions")
    for tensor in tensors:
        need(tensor is not None and len(tensor.shape) == len(first), "inputs of different rank")
        need(
            all(a == b or i == axis for i, (a, b) in enumerate(zip(first, tensor.shape, strict=True))), "shapes differ"
        )
    return (*first[:axis], sum(t.shape[axis] for t in tensors), *first[axis + 1 :])


def slice_box(operator: Operator, tensors: list) -> tuple[list[int], list[int], list[int]]:
    """(begin, size, stride) per dimension of SLICE and STRIDED_SLICE."""
    shape = tensors[0].shape
    begins = integers(tensors[1], len(shape))
    if operator.kind == "SLICE":
        asked = integers(tensors[2], len(shape))
        sizes = [e - b if s == -1 else s for e, b, s in zip(shape, begins, asked, strict=True)]
        good = all(0 <= b and s >= 1 and b + s <= e for e, b, s in zip(shape, begins, sizes, strict=True))
        need(good, f"slice {begins} + {sizes} of {list(shape)}")
        return begins, sizes, [1] * len(shape)
    o = operator.options
    need(not (o["ellipsis_mask"] or o["new_axis_mask"] or o["offset"]), "masks that it does not support")
    ends, strides = integers(tensors[2], len(shape)), integers(tensors[3], len(shape))
    sizes = []
    for i, extent in enumerate(shape):
        stride = strides[i]
        need(stride != 0 and abs(stride) < 1 << 20, "a stride of zero")
        low, high = (0, extent) if stride > 0 else (-1, extent - 1)
        begin = begins[i] + extent if begins[i] < 0 else begins[i]
        begin = min(max(begin, low), high)
        if o["begin_mask"] >> i & 1:
            begin = 0 if stride > 0 else extent - 1
        if o["shrink_axis_mask"] >> i & 1:
            need(0 <= begin < extent, f"index {begins[i]} of {extent}")
            end, stride = begin + 1, 1
        else:
            end = ends[i] + extent if ends[i] < 0 else ends[i]
            end = min(max(end, low), high)
            if o["end_mask"] >> i & 1:
                end = extent if stride > 0 else -1
        size = -(-(end - begin) // stride)
        need(size >= 1, f"slice of nothing along dimension {i}")
        begins[i], strides[i] = begin, stride
        sizes.append(size)
    return begins, sizes, strides


def _slice(operator: Operator, tensors: list) -> tuple[int, ...]:
    _, sizes, _ = slice_box(operator, tensors)
    shrink = operator.options.get("shrink_axis_mask", 0)
    return tuple(s for i, s in enumerate(sizes) if not shrink >> i & 1)


def split_sizes(operator: Operator, tensors: list) -> tuple[int, list[int]]:
    """(axis, size of every part) of SPLIT and SPLIT_V."""
    if operator.kind == "SPLIT":
        axis, x = integers(tensors[0], 1)[0], tensors[1]
        count = operator.options["num_splits"]
        axis = axis + len(x.shape) if axis < 0 else axis
        need(0 <= axis < len(x.shape) and count >= 1, f"axis {axis} in {count} parts")
        need(x.shape[axis] % count == 0, f"{x.shape[axis]} in {count} parts")
        return axis, [x.shape[axis] // count] * count
    x, sizes, axis = tensors[0], integers(tensors[1]), integers(tensors[2], 1)[0]
    axis = axis + len(x.shape) if axis < 0 else axis
    need(0 <= axis < len(x.shape), f"axis {axis}")
    rest = x.shape[axis] - sum(s for s in sizes if s >= 0)
    sizes = [rest if s == -1 else s for s in sizes]
    need(all(s >= 1 for s in sizes) and sum(sizes) == x.shape[axis], f"parts {sizes} of {x.shape[axis]}")
    return axis, sizes


def _split(operator: Operator, tensors: list) -> list[tuple[int, ...]]:
    axis, sizes = split_sizes(operator, tensors)
    x = tensors[1] if operator.kind == "SPLIT" else tensors[0]
    return [tuple(s if i == axis else e for i, e in enumerate(x.shape)) for s in sizes]


def _transpose(operator: Operator, tensors: list) -> tuple[int, ...]:  # noqa: ARG001
    order = integers(tensors[1], len(tensors[0].shape))
    need(sorted(order) == list(range(len(order))), f"permutation {order}")
    return tuple(tensors[0].shape[i] for i in order)


def gather_axis(operator: Operator, tensors: list) -> int:
    """Dimension along which a GATHER chooses."""
    x, index = tensors[0], tensors[1]
    o = operator.options
    axis = o["axis"] + len(x.shape) if o["axis"] < 0 else o["axis"]
    need(0 <= axis < len(x.shape) and o["batch_dims"] == 0, f"axis {o['axis']} with {o['batch_dims']} batch dimensions")
    need(index.data is not None and index.dtype in ("int32", "int64"), "its indices must be constant")
    low, high = int(index.data.min()), int(index.data.max())
    need(0 <= low and high < x.shape[axis], f"indices {low} to {high} of {x.shape[axis]}")
    return axis


def _gather(operator: Operator, tensors: list) -> tuple[int, ...]:
    axis, x = gather_axis(operator, tensors), tensors[0]
    return (*x.shape[:axis], *tensors[1].shape, *x.shape[axis + 1 :])


def _resize(operator: Operator, tensors: list) -> tuple[int, ...]:
    x = tensors[0].shape
    height, width = integers(tensors[1], 2)
    need(len(x) == 4 and min(height, width) >= 1 and max(height, width) < 1 << 20, f"size {height} x {width}")
    need(height % x[1] == 0 and width % x[2] == 0, f"{height} x {width} is no multiple of {x[1]} x {x[2]}")
    need(not operator.options["align_corners"], "aligned corners are not supported")
    return (x[0], height, width, x[3])


def _tile(operator: Operator, tensors: list) -> tuple[int, ...]:  # noqa: ARG001
    counts = integers(tensors[1], len(tensors[0].shape))
    need(all(1 <= c < 1 << 16 for c in counts), f"repeats {counts}")
    return tuple(e * c for e, c in zip(tensors[0].shape, counts, strict=True))


def _unpack(operator: Operator, tensors: list) -> list[tuple[int, ...]]:
    shape, axis = tensors[0].shape, operator.options["axis"]
    need(-len(shape) <= axis < len(shape), f"axis {axis}")
    axis %= len(shape)
    return [(*shape[:axis], *shape[axis + 1 :])] * shape[axis]


def _pack(operator: Operator, tensors: list) -> tuple[int, ...]:
    shape, axis = tensors[0].shape, operator.options["axis"]
    need(all(t is not None and t.shape == shape for t in tensors), "inputs of different shapes")
    need(-len(shape) - 1 <= axis <= len(shape), f"axis {axis}")
    axis %= len(shape) + 1
    return (*shape[:axis], len(tensors), *shape[axis:])


def _reverse(operator: Operator, tensors: list) -> tuple[int, ...]:  # noqa: ARG001
    rank = len(tensors[0].shape)
    need(all(-rank <= a < rank for a in integers(tensors[1])), "axes outside its dimensions")
    return tensors[0].shape


RULES: dict[str, Callable[[Operator, list], tuple[int, ...] | list[tuple[int, ...]]]] = {
    "PAD": _pad, "CONCATENATION": _concat, "TRANSPOSE": _transpose, "SLICE": _slice, "STRIDED_SLICE": _slice,
    "SPLIT": _split, "SPLIT_V": _split, "REVERSE_V2": _reverse, "PACK": _pack, "UNPACK": _unpack, "GATHER": _gather,
    "TILE": _tile, "RESIZE_NEAREST_NEIGHBOR": _resize,
}  # fmt: skip
"""Operator -> its rule: from the operator and its input tensors to the shapes of its outputs."""
