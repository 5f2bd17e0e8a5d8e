"""Output shapes as the operators define them: a file that says otherwise is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ecgdeploy.errors import ModelError
from ecgdeploy.graph.types import Graph, Operator, Tensor


def output_extent(extent: int, kernel: int, stride: int, dilation: int, padding: str) -> int:
    """Positions a window operator gives along one dimension (SAME or VALID)."""
    reach = (kernel - 1) * dilation + 1
    return -(-extent // stride) if padding == "SAME" else (extent - reach + stride) // stride


def leading_padding(extent: int, kernel: int, stride: int, dilation: int, padding: str) -> tuple[int, int]:
    """Padding (before, after) along one dimension; the odd one stands after, as TensorFlow has it."""
    if padding == "VALID":
        return 0, 0
    out = output_extent(extent, kernel, stride, dilation, padding)
    total = max((out - 1) * stride + (kernel - 1) * dilation + 1 - extent, 0)
    return total // 2, total - total // 2


def padding_before(operator: Operator, dimension: int, extent: int, kernel: int, stride: int, dilation: int) -> int:
    """Padding before the rows (0) or columns (1) of a window operator."""
    explicit = operator.options.get("explicit")
    if explicit is not None:
        return int(explicit[2 * dimension])
    return leading_padding(extent, kernel, stride, dilation, operator.options["padding"])[0]


def broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    """Shape of two broadcast shapes, or None where they do not match."""
    try:
        return tuple(int(v) for v in np.broadcast_shapes(a, b))
    except ValueError:
        return None


class _Refusal(Exception):
    pass


def _need(condition: bool, text: str) -> None:
    if not condition:
        raise _Refusal(text)


def check_shapes(graph: Graph, operator: Operator) -> None:
    """Compare the output shape of `operator` with what its inputs and options give.

    Raises
    ------
    ModelError
        Shapes contradict each other, an option is senseless, or an operand that must be constant is not.
    """
    if operator.kind in ("RESHAPE", "EXPAND_DIMS", "SQUEEZE"):
        before, after = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
        if before.elements != after.elements or before.dtype != after.dtype:
            text = f"{graph.name}: {operator} turns {before} into {after}"
            raise ModelError(text, "export with batch 1 (keras.Input(..., batch_size=1)) and fixed lengths")
        return
    tensors = [graph.tensors[i] if i >= 0 else None for i in operator.inputs]
    try:
        expected = _expected(operator, tensors)
        if expected is None:
            return
        given = [graph.tensors[i].shape for i in operator.outputs]
        _need(len(given) == len(expected), f"has {len(given)} outputs, not {len(expected)}")
        for is_shape, should in zip(given, expected, strict=True):
            _need(is_shape == should, f"output shape {list(is_shape)}, its inputs give {list(should)}")
    except _Refusal as refusal:
        raise ModelError(f"{graph.name}: {operator}: {refusal}", "export the model again") from None


def infer_shapes(operator: Operator, tensors: list[Tensor | None]) -> list[tuple[int, ...]] | None:
    """Shapes of an operator's outputs from its inputs; None where no rule says them.

    Raises
    ------
    ModelError
        As `check_shapes`.
    """
    try:
        return _expected(operator, tensors)
    except _Refusal as refusal:
        raise ModelError(f"{operator}: {refusal}", "export the model again") from None


def _expected(operator: Operator, tensors: list[Tensor | None]) -> list[tuple[int, ...]] | None:
    rule = _RULES.get(operator.kind)
    if rule is None:
        return None
    _need(bool(tensors) and tensors[0] is not None, "its first input is absent")
    needed = _OPERANDS.get(operator.kind, 1)
    _need(len(tensors) >= needed and all(t is not None for t in tensors[:needed]), f"needs {needed} inputs")
    result = rule(operator, tensors)
    return result if isinstance(result, list) else [result]


def _window(
    operator: Operator, height: int, width: int, kernel: tuple[int, int], dilation: tuple[int, int]
) -> list[int]:
    o = operator.options
    result = []
    top, bottom, left, right = o.get("explicit", (0, 0, 0, 0))
    for extent, k, s, d in (
        (height + top + bottom, kernel[0], o["stride_h"], dilation[0]),
        (width + left + right, kernel[1], o["stride_w"], dilation[1]),
    ):
        _need(k >= 1 and s >= 1 and d >= 1, "kernel, stride and dilation must be positive")
        _need(max(k, s, d) <= 1 << 20, "kernel, stride or dilation is absurd")
        out = output_extent(extent, k, s, d, o["padding"])
        _need(out >= 1, "its window is longer than its input")
        result.append(out)
    return result


def _bias(tensors: list[Tensor | None], channels: int) -> None:
    bias = tensors[2] if len(tensors) > 2 else None
    if bias is not None:
        _need(bias.elements == channels, f"bias of {bias.elements} for {channels} channels")
    weights = tensors[1]
    if weights is not None and weights.quantization is not None:
        _need(len(weights.quantization.scales) in (1, channels), "scales do not match the channels")


def _conv(operator: Operator, tensors: list) -> tuple[int, ...]:
    x, w = tensors[0], tensors[1]
    _need(len(x.shape) == 4 and len(w.shape) == 4, "needs 4-dimensional input and weights")
    n, h, width, c = x.shape
    out_c, kh, kw, in_c = w.shape
    groups = c // in_c
    _need(c % in_c == 0 and out_c % groups == 0, f"weights for {in_c} input channels, the input has {c}")
    _need(
        w.quantization is None or not w.quantization.per_channel or w.quantization.axis == 0, "scales on a wrong axis"
    )
    _bias(tensors, out_c)
    o = operator.options
    return (n, *_window(operator, h, width, (kh, kw), (o["dilation_h"], o["dilation_w"])), out_c)


def _depthwise(operator: Operator, tensors: list) -> tuple[int, ...]:
    x, w = tensors[0], tensors[1]
    _need(len(x.shape) == 4 and len(w.shape) == 4, "needs 4-dimensional input and weights")
    n, h, width, c = x.shape
    one, kh, kw, out_c = w.shape
    _need(one == 1 and out_c % c == 0, f"{out_c} output channels for {c} input channels")
    o = operator.options
    _need(o["depth_multiplier"] in (0, out_c // c), "depth multiplier contradicts the weights")
    _need(
        w.quantization is None or not w.quantization.per_channel or w.quantization.axis == 3, "scales on a wrong axis"
    )
    _bias(tensors, out_c)
    return (n, *_window(operator, h, width, (kh, kw), (o["dilation_h"], o["dilation_w"])), out_c)


def _pool(operator: Operator, tensors: list) -> tuple[int, ...]:
    x = tensors[0]
    _need(len(x.shape) == 4, "needs a 4-dimensional input")
    o = operator.options
    return (x.shape[0], *_window(operator, x.shape[1], x.shape[2], (o["filter_h"], o["filter_w"]), (1, 1)), x.shape[3])


def _dense(operator: Operator, tensors: list) -> tuple[int, ...]:
    x, w = tensors[0], tensors[1]
    _need(len(w.shape) == 2, "needs 2-dimensional weights")
    units, depth = w.shape
    _need(x.elements % depth == 0, f"input of {x.elements} elements for weights of depth {depth}")
    _need(operator.options["weights_format"] == 0, "shuffled weights are not supported")
    _need(
        w.quantization is None or not w.quantization.per_channel or w.quantization.axis == 0, "scales on a wrong axis"
    )
    _bias(tensors, units)
    if operator.options["keep_num_dims"]:
        _need(bool(x.shape) and x.shape[-1] == depth, "its last dimension is not the depth of the weights")
        return (*x.shape[:-1], units)
    return (x.elements // depth, units)


def _same(operator: Operator, tensors: list) -> tuple[int, ...]:  # noqa: ARG001
    return tensors[0].shape


def _elementwise(operator: Operator, tensors: list) -> tuple[int, ...]:  # noqa: ARG001
    shape = broadcast(tensors[0].shape, tensors[1].shape)
    _need(shape is not None, f"shapes {list(tensors[0].shape)} and {list(tensors[1].shape)} do not match")
    return shape or ()


def reduction_axes(tensors: list, rank: int) -> tuple[int, ...]:
    """Sorted non-negative axes of MEAN, SUM... from their constant second input."""
    axes = tensors[1]
    _need(axes.data is not None and axes.dtype == "int32", "its axes must be constant int32")
    values = sorted({int(a) + rank if a < 0 else int(a) for a in axes.data.reshape(-1)[:64]})
    _need(all(0 <= a < rank for a in values), f"axes {values} of a tensor with {rank} dimensions")
    return tuple(values)


def _reduce(operator: Operator, tensors: list) -> tuple[int, ...]:
    x = tensors[0]
    axes = reduction_axes(tensors, len(x.shape))
    if operator.options["keep_dims"]:
        return tuple(1 if i in axes else e for i, e in enumerate(x.shape))
    return tuple(e for i, e in enumerate(x.shape) if i not in axes)


def _pad(operator: Operator, tensors: list) -> tuple[int, ...]:  # noqa: ARG001
    x, p = tensors[0], tensors[1]
    _need(p.data is not None and p.dtype in ("int32", "int64"), "its paddings must be constant")
    _need(p.shape == (len(x.shape), 2), "its paddings do not match its input")
    _need(bool((p.data >= 0).all() and (p.data < 1 << 20).all()), "its paddings are negative or absurd")
    return tuple(int(e + a + b) for e, (a, b) in zip(x.shape, p.data, strict=True))


def _concat(operator: Operator, tensors: list) -> tuple[int, ...]:
    first = tensors[0].shape
    axis = operator.options["axis"]
    axis = axis + len(first) if axis < 0 else axis
    _need(0 <= axis < len(first), f"axis {axis} of {len(first)} dimensions")
    for tensor in tensors:
        _need(tensor is not None and len(tensor.shape) == len(first), "inputs of different rank")
        _need(
            all(a == b or i == axis for i, (a, b) in enumerate(zip(first, tensor.shape, strict=True))), "shapes differ"
        )
    return (*first[:axis], sum(t.shape[axis] for t in tensors), *first[axis + 1 :])


def _integers(tensor: Tensor, count: int | None = None) -> list[int]:
    _need(tensor.data is not None and tensor.dtype in ("int32", "int64"), f"{tensor} must be constant integers")
    values = [int(v) for v in np.asarray(tensor.data).reshape(-1)[:64]]
    _need(count is None or len(values) == count, f"{tensor} must have {count} elements")
    return values


def slice_box(operator: Operator, tensors: list) -> tuple[list[int], list[int], list[int]]:
    """(begin, size, stride) per dimension of SLICE and STRIDED_SLICE."""
    shape = tensors[0].shape
    begins = _integers(tensors[1], len(shape))
    if operator.kind == "SLICE":
        asked = _integers(tensors[2], len(shape))
        sizes = [e - b if s == -1 else s for e, b, s in zip(shape, begins, asked, strict=True)]
        good = all(0 <= b and s >= 1 and b + s <= e for e, b, s in zip(shape, begins, sizes, strict=True))
        _need(good, f"slice {begins} + {sizes} of {list(shape)}")
        return begins, sizes, [1] * len(shape)
    o = operator.options
    _need(not (o["ellipsis_mask"] or o["new_axis_mask"] or o["offset"]), "masks that it does not support")
    ends, strides = _integers(tensors[2], len(shape)), _integers(tensors[3], len(shape))
    sizes = []
    for i, extent in enumerate(shape):
        stride = strides[i]
        _need(stride != 0 and abs(stride) < 1 << 20, "a stride of zero")
        low, high = (0, extent) if stride > 0 else (-1, extent - 1)
        begin = begins[i] + extent if begins[i] < 0 else begins[i]
        begin = min(max(begin, low), high)
        if o["begin_mask"] >> i & 1:
            begin = 0 if stride > 0 else extent - 1
        if o["shrink_axis_mask"] >> i & 1:
            _need(0 <= begin < extent, f"index {begins[i]} of {extent}")
            end, stride = begin + 1, 1
        else:
            end = ends[i] + extent if ends[i] < 0 else ends[i]
            end = min(max(end, low), high)
            if o["end_mask"] >> i & 1:
                end = extent if stride > 0 else -1
        size = -(-(end - begin) // stride)
        _need(size >= 1, f"slice of nothing along dimension {i}")
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
        axis, x = _integers(tensors[0], 1)[0], tensors[1]
        count = operator.options["num_splits"]
        axis = axis + len(x.shape) if axis < 0 else axis
        _need(0 <= axis < len(x.shape) and count >= 1, f"axis {axis} in {count} parts")
        _need(x.shape[axis] % count == 0, f"{x.shape[axis]} in {count} parts")
        return axis, [x.shape[axis] // count] * count
    x, sizes, axis = tensors[0], _integers(tensors[1]), _integers(tensors[2], 1)[0]
    axis = axis + len(x.shape) if axis < 0 else axis
    _need(0 <= axis < len(x.shape), f"axis {axis}")
    rest = x.shape[axis] - sum(s for s in sizes if s >= 0)
    sizes = [rest if s == -1 else s for s in sizes]
    _need(all(s >= 1 for s in sizes) and sum(sizes) == x.shape[axis], f"parts {sizes} of {x.shape[axis]}")
    return axis, sizes


def _split(operator: Operator, tensors: list) -> list[tuple[int, ...]]:
    axis, sizes = split_sizes(operator, tensors)
    x = tensors[1] if operator.kind == "SPLIT" else tensors[0]
    return [tuple(s if i == axis else e for i, e in enumerate(x.shape)) for s in sizes]


def _transpose(operator: Operator, tensors: list) -> tuple[int, ...]:  # noqa: ARG001
    order = _integers(tensors[1], len(tensors[0].shape))
    _need(sorted(order) == list(range(len(order))), f"permutation {order}")
    return tuple(tensors[0].shape[i] for i in order)


def _batch_matmul(operator: Operator, tensors: list) -> tuple[int, ...]:
    a, b = tensors[0].shape, tensors[1].shape
    _need(len(a) >= 2 and len(a) == len(b) and a[:-2] == b[:-2], f"operands {list(a)} and {list(b)}")
    rows, inner = (a[-1], a[-2]) if operator.options["adj_x"] else (a[-2], a[-1])
    depth, columns = (b[-1], b[-2]) if operator.options["adj_y"] else (b[-2], b[-1])
    _need(inner == depth, f"depths {inner} and {depth}")
    return (*a[:-2], rows, columns)


def gather_axis(operator: Operator, tensors: list) -> int:
    """Dimension along which a GATHER chooses."""
    x, index = tensors[0], tensors[1]
    o = operator.options
    axis = o["axis"] + len(x.shape) if o["axis"] < 0 else o["axis"]
    _need(
        0 <= axis < len(x.shape) and o["batch_dims"] == 0, f"axis {o['axis']} with {o['batch_dims']} batch dimensions"
    )
    _need(index.data is not None and index.dtype in ("int32", "int64"), "its indices must be constant")
    low, high = int(index.data.min()), int(index.data.max())
    _need(0 <= low and high < x.shape[axis], f"indices {low} to {high} of {x.shape[axis]}")
    return axis


def _gather(operator: Operator, tensors: list) -> tuple[int, ...]:
    axis, x = gather_axis(operator, tensors), tensors[0]
    return (*x.shape[:axis], *tensors[1].shape, *x.shape[axis + 1 :])


def _resize(operator: Operator, tensors: list) -> tuple[int, ...]:
    x = tensors[0].shape
    height, width = _integers(tensors[1], 2)
    _need(len(x) == 4 and min(height, width) >= 1 and max(height, width) < 1 << 20, f"size {height} x {width}")
    _need(height % x[1] == 0 and width % x[2] == 0, f"{height} x {width} is no multiple of {x[1]} x {x[2]}")
    _need(not operator.options["align_corners"], "aligned corners are not supported")
    return (x[0], height, width, x[3])


def _tile(operator: Operator, tensors: list) -> tuple[int, ...]:  # noqa: ARG001
    counts = _integers(tensors[1], len(tensors[0].shape))
    _need(all(1 <= c < 1 << 16 for c in counts), f"repeats {counts}")
    return tuple(e * c for e, c in zip(tensors[0].shape, counts, strict=True))


def _unpack(operator: Operator, tensors: list) -> list[tuple[int, ...]]:
    shape, axis = tensors[0].shape, operator.options["axis"]
    _need(-len(shape) <= axis < len(shape), f"axis {axis}")
    axis %= len(shape)
    return [(*shape[:axis], *shape[axis + 1 :])] * shape[axis]


def _pack(operator: Operator, tensors: list) -> tuple[int, ...]:
    shape, axis = tensors[0].shape, operator.options["axis"]
    _need(all(t is not None and t.shape == shape for t in tensors), "inputs of different shapes")
    _need(-len(shape) - 1 <= axis <= len(shape), f"axis {axis}")
    axis %= len(shape) + 1
    return (*shape[:axis], len(tensors), *shape[axis:])


def _prelu(operator: Operator, tensors: list) -> tuple[int, ...]:  # noqa: ARG001
    _need(broadcast(tensors[0].shape, tensors[1].shape) == tensors[0].shape, "its slopes do not match its input")
    return tensors[0].shape


def _transposed_conv(operator: Operator, tensors: list) -> tuple[int, ...]:
    w, x = tensors[1], tensors[2]
    shape = _integers(tensors[0], 4)
    _need(len(x.shape) == 4 and len(w.shape) == 4, "needs 4-dimensional input and weights")
    _need(w.data is not None, "its weights must be constant")
    _need(w.shape[3] == x.shape[3], f"weights for {w.shape[3]} input channels, the input has {x.shape[3]}")
    _need(shape[0] == x.shape[0] and shape[3] == w.shape[0], f"output shape {shape}")
    _bias([x, w, tensors[3] if len(tensors) > 3 else None], w.shape[0])
    o = operator.options
    for i, stride in enumerate((o["stride_h"], o["stride_w"])):
        _need(1 <= stride <= 1 << 16 and 1 <= shape[1 + i] <= 1 << 20, "stride or output is absurd")
        needed = output_extent(shape[1 + i], w.shape[1 + i], stride, 1, o["padding"])
        _need(needed == x.shape[1 + i], f"output shape {shape} for an input {list(x.shape)}")
    return tuple(shape)


def _reverse(operator: Operator, tensors: list) -> tuple[int, ...]:  # noqa: ARG001
    rank = len(tensors[0].shape)
    _need(all(-rank <= a < rank for a in _integers(tensors[1])), "axes outside its dimensions")
    return tensors[0].shape


def _lstm(operator: Operator, tensors: list) -> tuple[int, ...]:
    x = tensors[0].shape
    _need(len(tensors) in (20, 24) and len(x) == 3, "needs 20 or 24 inputs and a 3-dimensional first one")
    _need(x[1 if operator.options["time_major"] else 0] == 1, "batch must be 1")
    needed = (*range(1, 9), *range(12, 16), 18, 19)
    _need(all(tensors[i] is not None for i in needed), "an input is absent (coupled gates are not supported)")
    units = tensors[2].shape[0] if tensors[2].shape else 0
    for i in range(1, 9):
        _need(tensors[i].shape == (units, x[2] if i < 5 else units), f"weights {tensors[i]}")
        _need(tensors[i].data is not None and tensors[i].dtype == "int8", f"weights {tensors[i]} are not constant int8")
        _need(
            tensors[i].quantization is not None and not tensors[i].quantization.per_channel, f"scales of {tensors[i]}"
        )
    for i in range(12, 16):
        good = tensors[i].data is not None and tensors[i].dtype == "int32" and tensors[i].elements == units
        _need(good, f"bias {tensors[i]}")
    _need(all(tensors[i].elements == units and tensors[i].variable for i in (18, 19)), "states of another size")
    return (*x[:2], units)


_RULES: dict[str, Callable[[Operator, list], tuple[int, ...] | list[tuple[int, ...]]]] = {
    "CONV_2D": _conv, "DEPTHWISE_CONV_2D": _depthwise, "MAX_POOL_2D": _pool, "AVERAGE_POOL_2D": _pool,
    "FULLY_CONNECTED": _dense, "ADD": _elementwise, "SUB": _elementwise, "MUL": _elementwise, "MEAN": _reduce,
    "SUM": _reduce, "RELU": _same, "RELU6": _same, "LOGISTIC": _same, "TANH": _same, "LEAKY_RELU": _same,
    "HARD_SWISH": _same, "SOFTMAX": _same, "PAD": _pad, "CONCATENATION": _concat, "QUANTIZE": _same,
    "DEQUANTIZE": _same, "RSQRT": _same, "SQUARED_DIFFERENCE": _elementwise, "REDUCE_MAX": _reduce,
    "TRANSPOSE": _transpose, "SLICE": _slice, "STRIDED_SLICE": _slice, "SPLIT": _split, "SPLIT_V": _split,
    "BATCH_MATMUL": _batch_matmul, "REVERSE_V2": _reverse, "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
    "PRELU": _prelu, "PACK": _pack,
    "MAXIMUM": _elementwise, "MINIMUM": _elementwise, "DIV": _elementwise, "GATHER": _gather,
    "TILE": _tile, "UNPACK": _unpack, "TRANSPOSE_CONV": _transposed_conv, "NEG": _same, "ABS": _same, "SQUARE": _same,
    "RESIZE_NEAREST_NEIGHBOR": _resize, "SQRT": _same, "EXP": _same, "ELU": _same, "GELU": _same,
}  # fmt: skip

_OPERANDS = {
    "CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "ADD": 2, "SUB": 2, "MUL": 2, "MEAN": 2, "SUM": 2,
    "PAD": 2, "SQUARED_DIFFERENCE": 2, "REDUCE_MAX": 2, "TRANSPOSE": 2, "SLICE": 3, "STRIDED_SLICE": 4,
    "SPLIT": 2, "SPLIT_V": 3,
    "BATCH_MATMUL": 2, "REVERSE_V2": 2, "PRELU": 2, "MAXIMUM": 2, "MINIMUM": 2, "DIV": 2, "GATHER": 2, "TILE": 2,
    "TRANSPOSE_CONV": 3, "RESIZE_NEAREST_NEIGHBOR": 2,
}  # fmt: skip
