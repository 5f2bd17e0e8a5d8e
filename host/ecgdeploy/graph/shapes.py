"""Output shapes as the operators define them: a file that says otherwise is refused."""

from __future__ import annotations

from collections.abc import Callable

from ecgdeploy.errors import ModelError
from ecgdeploy.graph import moves
from ecgdeploy.graph.extents import Refusal, broadcast, integers, need, output_extent
from ecgdeploy.graph.types import Graph, Operator, Tensor


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
        need(len(given) == len(expected), f"has {len(given)} outputs, not {len(expected)}")
        for is_shape, should in zip(given, expected, strict=True):
            need(is_shape == should, f"output shape {list(is_shape)}, its inputs give {list(should)}")
    except Refusal as refusal:
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
    except Refusal as refusal:
        raise ModelError(f"{operator}: {refusal}", "export the model again") from None


def _expected(operator: Operator, tensors: list[Tensor | None]) -> list[tuple[int, ...]] | None:
    rule = _RULES.get(operator.kind)
    if rule is None:
        return None
    need(bool(tensors) and tensors[0] is not None, "its first input is absent")
    needed = _OPERANDS.get(operator.kind, 1)
    need(len(tensors) >= needed and all(t is not None for t in tensors[:needed]), f"needs {needed} inputs")
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
        need(k >= 1 and s >= 1 and d >= 1, "kernel, stride and dilation must be positive")
        need(max(k, s, d) <= 1 << 20, "kernel, stride or dilation is absurd")
        out = output_extent(extent, k, s, d, o["padding"])
        need(out >= 1, "its window is longer than its input")
        result.append(out)
    return result


def _bias(tensors: list[Tensor | None], channels: int) -> None:
    bias = tensors[2] if len(tensors) > 2 else None
    if bias is not None:
        need(bias.elements == channels, f"bias of {bias.elements} for {channels} channels")
    weights = tensors[1]
    if weights is not None and weights.quantization is not None:
        need(len(weights.quantization.scales) in (1, channels), "scales do not match the channels")


def _conv(operator: Operator, tensors: list) -> tuple[int, ...]:
    x, w = tensors[0], tensors[1]
    need(len(x.shape) == 4 and len(w.shape) == 4, "needs 4-dimensional input and weights")
    n, h, width, c = x.shape
    out_c, kh, kw, in_c = w.shape
    groups = c // in_c
    need(c % in_c == 0 and out_c % groups == 0, f"weights for {in_c} input channels, the input has {c}")
    need(w.quantization is None or not w.quantization.per_channel or w.quantization.axis == 0, "scales on a wrong axis")
    _bias(tensors, out_c)
    o = operator.options
    return (n, *_window(operator, h, width, (kh, kw), (o["dilation_h"], o["dilation_w"])), out_c)


def _depthwise(operator: Operator, tensors: list) -> tuple[int, ...]:
    x, w = tensors[0], tensors[1]
    need(len(x.shape) == 4 and len(w.shape) == 4, "needs 4-dimensional input and weights")
    n, h, width, c = x.shape
    one, kh, kw, out_c = w.shape
    need(one == 1 and out_c % c == 0, f"{out_c} output channels for {c} input channels")
    o = operator.options
    need(o["depth_multiplier"] in (0, out_c // c), "depth multiplier contradicts the weights")
    need(w.quantization is None or not w.quantization.per_channel or w.quantization.axis == 3, "scales on a wrong axis")
    _bias(tensors, out_c)
    return (n, *_window(operator, h, width, (kh, kw), (o["dilation_h"], o["dilation_w"])), out_c)


def _pool(operator: Operator, tensors: list) -> tuple[int, ...]:
    x = tensors[0]
    need(len(x.shape) == 4, "needs a 4-dimensional input")
    o = operator.options
    return (x.shape[0], *_window(operator, x.shape[1], x.shape[2], (o["filter_h"], o["filter_w"]), (1, 1)), x.shape[3])


def _dense(operator: Operator, tensors: list) -> tuple[int, ...]:
    x, w = tensors[0], tensors[1]
    need(len(w.shape) == 2, "needs 2-dimensional weights")
    units, depth = w.shape
    need(x.elements % depth == 0, f"input of {x.elements} elements for weights of depth {depth}")
    need(operator.options["weights_format"] == 0, "shuffled weights are not supported")
    need(w.quantization is None or not w.quantization.per_channel or w.quantization.axis == 0, "scales on a wrong axis")
    _bias(tensors, units)
    if operator.options["keep_num_dims"]:
        need(bool(x.shape) and x.shape[-1] == depth, "its last dimension is not the depth of the weights")
        return (*x.shape[:-1], units)
    return (x.elements // depth, units)


def _same(operator: Operator, tensors: list) -> tuple[int, ...]:  # noqa: ARG001
    return tensors[0].shape


def _elementwise(operator: Operator, tensors: list) -> tuple[int, ...]:  # noqa: ARG001
    shape = broadcast(tensors[0].shape, tensors[1].shape)
    need(shape is not None, f"shapes {list(tensors[0].shape)} and {list(tensors[1].shape)} do not match")
    return shape or ()


def reduction_axes(tensors: list, rank: int) -> tuple[int, ...]:
    """Sorted non-negative axes of MEAN, SUM... from their constant second input."""
    axes = tensors[1]
    need(axes.data is not None and axes.dtype == "int32", "its axes must be constant int32")
    values = sorted({int(a) + rank if a < 0 else int(a) for a in axes.data.reshape(-1)[:64]})
    need(all(0 <= a < rank for a in values), f"axes {values} of a tensor with {rank} dimensions")
    return tuple(values)


def _reduce(operator: Operator, tensors: list) -> tuple[int, ...]:
    x = tensors[0]
    axes = reduction_axes(tensors, len(x.shape))
    if operator.options["keep_dims"]:
        return tuple(1 if i in axes else e for i, e in enumerate(x.shape))
    return tuple(e for i, e in enumerate(x.shape) if i not in axes)


def _batch_matmul(operator: Operator, tensors: list) -> tuple[int, ...]:
    a, b = tensors[0].shape, tensors[1].shape
    need(len(a) >= 2 and len(a) == len(b) and a[:-2] == b[:-2], f"operands {list(a)} and {list(b)}")
    rows, inner = (a[-1], a[-2]) if operator.options["adj_x"] else (a[-2], a[-1])
    depth, columns = (b[-1], b[-2]) if operator.options["adj_y"] else (b[-2], b[-1])
    need(inner == depth, f"depths {inner} and {depth}")
    return (*a[:-2], rows, columns)


def _prelu(operator: Operator, tensors: list) -> tuple[int, ...]:  # noqa: ARG001
    need(broadcast(tensors[0].shape, tensors[1].shape) == tensors[0].shape, "its slopes do not match its input")
    return tensors[0].shape


def _transposed_conv(operator: Operator, tensors: list) -> tuple[int, ...]:
    w, x = tensors[1], tensors[2]
    shape = integers(tensors[0], 4)
    need(len(x.shape) == 4 and len(w.shape) == 4, "needs 4-dimensional input and weights")
    need(w.data is not None, "its weights must be constant")
    need(w.shape[3] == x.shape[3], f"weights for {w.shape[3]} input channels, the input has {x.shape[3]}")
    need(shape[0] == x.shape[0] and shape[3] == w.shape[0], f"output shape {shape}")
    _bias([x, w, tensors[3] if len(tensors) > 3 else None], w.shape[0])
    o = operator.options
    for i, stride in enumerate((o["stride_h"], o["stride_w"])):
        need(1 <= stride <= 1 << 16 and 1 <= shape[1 + i] <= 1 << 20, "stride or output is absurd")
        needed = output_extent(shape[1 + i], w.shape[1 + i], stride, 1, o["padding"])
        need(needed == x.shape[1 + i], f"output shape {shape} for an input {list(x.shape)}")
    return tuple(shape)


def _lstm(operator: Operator, tensors: list) -> tuple[int, ...]:
    x = tensors[0].shape
    need(len(tensors) in (20, 24) and len(x) == 3, "needs 20 or 24 inputs and a 3-dimensional first one")
    need(x[1 if operator.options["time_major"] else 0] == 1, "batch must be 1")
    needed = (*range(1, 9), *range(12, 16), 18, 19)
    need(all(tensors[i] is not None for i in needed), "an input is absent (coupled gates are not supported)")
    units = tensors[2].shape[0] if tensors[2].shape else 0
    for i in range(1, 9):
        need(tensors[i].shape == (units, x[2] if i < 5 else units), f"weights {tensors[i]}")
        need(tensors[i].data is not None and tensors[i].dtype == "int8", f"weights {tensors[i]} are not constant int8")
        need(tensors[i].quantization is not None and not tensors[i].quantization.per_channel, f"scales of {tensors[i]}")
    for i in range(12, 16):
        good = tensors[i].data is not None and tensors[i].dtype == "int32" and tensors[i].elements == units
        need(good, f"bias {tensors[i]}")
    need(all(tensors[i].elements == units and tensors[i].variable for i in (18, 19)), "states of another size")
    return (*x[:2], units)


_RULES: dict[str, Callable[[Operator, list], tuple[int, ...] | list[tuple[int, ...]]]] = {
    "CONV_2D": _conv, "DEPTHWISE_CONV_2D": _depthwise, "TRANSPOSE_CONV": _transposed_conv, "MAX_POOL_2D": _pool,
    "AVERAGE_POOL_2D": _pool, "FULLY_CONNECTED": _dense, "BATCH_MATMUL": _batch_matmul,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm, "PRELU": _prelu, "MEAN": _reduce, "SUM": _reduce, "REDUCE_MAX": _reduce,
    "ADD": _elementwise, "SUB": _elementwise, "MUL": _elementwise, "DIV": _elementwise, "MAXIMUM": _elementwise,
    "MINIMUM": _elementwise, "SQUARED_DIFFERENCE": _elementwise, "RELU": _same, "RELU6": _same, "LOGISTIC": _same,
    "TANH": _same, "LEAKY_RELU": _same, "HARD_SWISH": _same, "SOFTMAX": _same, "QUANTIZE": _same, "DEQUANTIZE": _same,
    "RSQRT": _same, "SQRT": _same, "SQUARE": _same, "NEG": _same, "ABS": _same, "EXP": _same, "ELU": _same,
    "GELU": _same, **moves.RULES,
}  # fmt: skip

_OPERANDS = {
    "CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "TRANSPOSE_CONV": 3, "FULLY_CONNECTED": 2, "BATCH_MATMUL": 2, "PRELU": 2,
    "MEAN": 2, "SUM": 2, "REDUCE_MAX": 2, "ADD": 2, "SUB": 2, "MUL": 2, "DIV": 2, "MAXIMUM": 2, "MINIMUM": 2,
    "SQUARED_DIFFERENCE": 2, "PAD": 2, "TRANSPOSE": 2, "SLICE": 3, "STRIDED_SLICE": 4, "SPLIT": 2, "SPLIT_V": 3,
    "REVERSE_V2": 2, "GATHER": 2, "TILE": 2, "RESIZE_NEAREST_NEIGHBOR": 2,
}  # fmt: skip
