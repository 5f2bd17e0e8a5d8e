"""Float32 operators to stages; called by `lower` where an operator's activations are float32."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.lower_shape import as_time, repeated
from ecgdeploy.codegen.lowering import Lowering, layout, operand_pattern, spread
from ecgdeploy.graph import Operator
from ecgdeploy.graph.shapes import reduction_axes

_LARGEST = float(np.finfo(np.float32).max)
_LIMITS = {"NONE": (-_LARGEST, _LARGEST), "RELU": (0.0, _LARGEST), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}


def _limits(low: Lowering, operator: Operator) -> tuple[float, float]:
    activation = operator.options.get("activation", "NONE")
    if activation not in _LIMITS:
        raise low.refuse(operator, f"fused activation {activation}")
    return _LIMITS[activation]


def _bias(low: Lowering, operator: Operator, channels: int) -> np.ndarray:
    if len(operator.inputs) < 3 or operator.inputs[2] < 0:
        return np.zeros(channels, np.float32)
    bias = low.graph.tensors[operator.inputs[2]]
    if bias.dtype != "float32" or bias.data is None:
        raise low.refuse(operator, f"its bias is {bias.dtype}, not constant float32")
    return bias.data.reshape(-1)


def add_float_conv(
    low: Lowering, operator: Operator, value: int, kernel: np.ndarray, view: tuple[int, int], taps: int, stride: int,
    dilation: int, before: int, depthwise: bool,
) -> None:  # fmt: skip
    """A convolution, dense layer or depthwise convolution (kernel [taps, channels])."""
    result = low.new_value(low.output(operator))
    reach = (taps - 1) * dilation + 1
    after = max((low.values[result].time - 1) * stride + reach - before - view[0], 0)
    read = low.read(value, *view, reach=reach, stride=stride, before=before, after=after)
    work = float_conv(low, operator, kernel, taps, stride, dilation, depthwise)
    low.add(operator.index, operator.kind, (read,), result, work)


def float_conv(
    low: Lowering, operator: Operator, kernel: np.ndarray, taps: int, stride: int, dilation: int, depthwise: bool
) -> ir.FloatConv:
    """The work of a float32 convolution with its bias and activation."""
    channels = kernel.shape[1] if depthwise else kernel.shape[0]
    return ir.FloatConv(
        np.ascontiguousarray(kernel, np.float32), _bias(low, operator, channels), taps, stride, dilation,
        *_limits(low, operator), depthwise,
    )  # fmt: skip


def _elementwise(low: Lowering, operator: Operator) -> None:
    out = low.output(operator)
    time, channels = layout(out.shape)
    patterns: list[str] = []
    constants: list[np.ndarray | None] = []
    reads: list[ir.Read] = []
    for position, tensor in enumerate(low.tensors(operator)[:2]):
        pattern = operand_pattern(low, operator, tensor.shape, out.shape)
        patterns.append("full" if pattern == "repeat" else pattern)
        if tensor.data is not None:
            constants.append(spread(tensor.data, pattern, out.shape))
            continue
        constants.append(None)
        value = low.source(operator, position)[0]
        if pattern == "repeat":
            reads.append(ir.Read(repeated(low, operator, value, tensor, out.shape)))
            continue
        full = pattern in ("full", "position")
        reads.append(
            low.read(value, time, channels if pattern == "full" else 1) if full else ir.Read(value, whole=True)
        )
    if not reads:
        raise low.refuse(operator, "both operands are constants")
    result = low.new_value(out)
    operation = operator.kind.lower()
    work = ir.Elementwise(
        operation, (patterns[0], patterns[1]), (constants[0], constants[1]), (), (), 0, *_limits(low, operator)
    )
    low.add(operator.index, operator.kind, tuple(reads), result, work)


def _mean(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    if reduction_axes(low.tensors(operator), len(x.shape)) == (len(x.shape) - 1,):
        time, channels = layout(x.shape)
        result = low.new_value(low.output(operator), (time, 1))
        function = ir.FloatFunction("sum_rows", parameter=float(channels if operator.kind == "MEAN" else 0))
        low.add(operator.index, operator.kind, (low.read(value, time, channels),), result, function)
        return
    axes = reduction_axes(low.tensors(operator), len(x.shape))
    value, time, channels = as_time(low, operator, value, x, axes)
    result = low.new_value(low.output(operator), (1, channels))
    work = ir.Mean(0, 0, divisor=time if operator.kind == "MEAN" else 0)
    low.add(operator.index, operator.kind, (low.read(value, time, channels),), result, work)


def _function(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    result = low.new_value(low.output(operator))
    kind = operator.kind
    limits = _LIMITS.get(kind, (0.0, 0.0))
    parameter = float(operator.options.get("alpha", operator.options.get("beta", 0.0)))
    function = "clamp" if kind in _LIMITS else kind.lower()
    work = ir.FloatFunction(function, *limits, parameter)
    low.add(operator.index, kind, (low.read(value, *layout(x.shape)),), result, work)


def _batch_matmul(low: Lowering, operator: Operator) -> None:
    (a_value, a), (b_value, b) = low.source(operator, 0), low.source(operator, 1)
    batches, (rows, depth) = math.prod(a.shape[:-2]), a.shape[-2:]
    adjoint_a, adjoint_b = bool(operator.options["adj_x"]), bool(operator.options["adj_y"])
    if adjoint_a:
        rows, depth = depth, rows
    columns = b.shape[-2] if adjoint_b else b.shape[-1]
    result = low.new_value(low.output(operator))
    work = ir.MatMul(
        batches, rows, columns, depth, 1 if adjoint_a else depth, rows if adjoint_a else 1,
        1 if adjoint_b else columns, depth if adjoint_b else 1, 0, 0, 0, 0,
    )  # fmt: skip
    reads = (ir.Read(a_value, whole=True), ir.Read(b_value, whole=True))
    low.add(operator.index, operator.kind, reads, result, work)


def float_pool_limits(low: Lowering, operator: Operator) -> tuple[float, float]:
    """Clamp of a float32 pool."""
    return _limits(low, operator)



FLOAT_HANDLERS: dict[str, Callable[[Lowering, Operator], None]] = {
    "ADD": _elementwise, "SUB": _elementwise, "MUL": _elementwise, "MEAN": _mean, "SUM": _mean, "RELU": _function,
    "RELU6": _function, "LEAKY_RELU": _function, "LOGISTIC": _function, "SOFTMAX": _function,
    "TANH": _function, "ELU": _function, "HARD_SWISH": _function, "NEG": _function, "ABS": _function,
    "SQUARE": _function, "SQRT": _function, "RSQRT": _function, "EXP": _function, "BATCH_MATMUL": _batch_matmul,
    "DIV": _elementwise, "MAXIMUM": _elementwise, "MINIMUM": _elementwise, "SQUARED_DIFFERENCE": _elementwise,
}  # fmt: skip
