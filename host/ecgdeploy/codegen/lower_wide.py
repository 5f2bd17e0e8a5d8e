"""Operators of 16-bit activations (int16x8) whose stages are other ones than those of int8; called by `lower`.

Convolutions, additions, reductions, pools and moves share their handlers with int8: only their constants differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ecgdeploy.codegen import arithmetic as ar
from ecgdeploy.codegen import ir, ir_wide
from ecgdeploy.codegen.lowering import Lowering, layout
from ecgdeploy.codegen.packing_wide import long_sums
from ecgdeploy.graph import Graph, Operator, Tensor
from ecgdeploy.graph.checks import activation_of

IDENTITY = (1 << 30, 1)
"""Multiplier and shift that leave a value as it is."""
LARGEST_WIDE_SHIFT = 7
"""Bits that TFLM's 64-bit requantization can shift left."""
LARGEST_MULTIPLIER = 32767
LARGEST_BIAS = 1 << 46
LONGEST_SUM = 65535
"""Values of 16 bits whose sum fits 32."""
HALF_STEP = 2.0**-15
"""Scale of the outputs of LOGISTIC, TANH and SOFTMAX."""


def is_wide(graph: Graph, operator: Operator) -> bool:
    """Whether an operator's activations are of 16 bits, at one of its sides at least."""
    return "int16" in (graph.tensors[activation_of(operator)].dtype, graph.tensors[operator.outputs[0]].dtype)


def _bias(low: Lowering, operator: Operator) -> Tensor | None:
    given = len(operator.inputs) > 2 and operator.inputs[2] >= 0
    return low.graph.tensors[operator.inputs[2]] if given else None


def rounds_once(low: Lowering, operator: Operator) -> bool:
    """Whether a layer with weights is summed in 64 bits and rounded once: TFLM chooses by the biases' type."""
    bias = _bias(low, operator)
    return low.output(operator).dtype == "int16" and (bias is None or bias.dtype == "int64")


def wide_bias(low: Lowering, operator: Operator, channels: int) -> np.ndarray:
    """int64 biases of a layer with 16-bit activations."""
    bias = _bias(low, operator)
    if bias is None:
        return np.zeros(channels, np.int64)
    if bias.dtype not in ("int64", "int32") or bias.data is None:
        raise low.refuse(operator, f"its bias is {bias.dtype}, not constant int64 or int32")
    if bias.dtype == "int32" and operator.kind == "DEPTHWISE_CONV_2D":
        raise low.refuse(operator, "its bias is int32, which TFLM reads as int64", "quantize again, with int64 biases")
    values = bias.data.reshape(-1).astype(np.int64)
    if np.any((values <= -LARGEST_BIAS) | (values >= LARGEST_BIAS)):
        raise low.refuse(operator, "a bias needs more than 47 bits", "quantize the model again")
    return values


def long_depthwise(low: Lowering, operator: Operator, kernel: np.ndarray, x: ir.Value) -> bool:
    """Whether a depthwise layer [..., channels] needs sums of 64 bits: a convolution then does its work."""
    if not rounds_once(low, operator):
        return False
    rows = kernel.reshape(-1, kernel.shape[-1]).T
    return long_sums(rows, wide_bias(low, operator, len(rows)), x)


def check_sums(low: Lowering, operator: Operator, work: ir.Conv, x: ir.Value) -> None:
    """Refuse a layer with 32-bit biases whose sums may overflow: TFLM's results would be as good as random."""
    rows = work.weights.reshape(len(work.bias), -1)
    if x.dtype == "int16" and not work.requant.wide and long_sums(rows, work.bias, x):
        raise low.refuse(operator, "its sums may need more than 32 bits", "quantize again, with int64 biases")


def _quantization(tensor: Tensor) -> tuple[float, int]:
    assert tensor.quantization is not None
    return tensor.quantization.scale, tensor.quantization.zero_point


def _rescale(low: Lowering, operator: Operator) -> None:
    """RELU, RELU6, LEAKY_RELU, and QUANTIZE between int8 and int16."""
    value, x = low.source(operator)
    out = low.output(operator)
    (scale, _), (out_scale, zero) = _quantization(x), _quantization(out)
    lowest, highest = ar.RANGES[out.dtype]
    positive = negative = ar.quantize_multiplier(scale / out_scale)
    lowest, highest = lowest - zero, highest - zero
    if operator.kind == "RELU":
        lowest = max(lowest, 0)
    elif operator.kind == "RELU6":  # TFLM only clamps, it does not rescale
        positive = negative = IDENTITY
        six = ar.round_half_away(float(np.float32(6.0) / np.float32(scale)))
        lowest, highest = 0, min(six, highest)
    elif operator.kind == "LEAKY_RELU":
        slope = scale * float(np.float32(operator.options["alpha"])) / out_scale
        multiplier, shift = ar.quantize_multiplier(slope)
        negative = (multiplier, shift)
    if max(positive[1], negative[1]) > 15:
        raise low.refuse(operator, "its scales differ by more than a factor of 32768", "quantize the model again")
    result = low.new_value(out, limits=(lowest, highest))
    pairs = (positive, negative)
    work = ir_wide.Rescale((pairs[0][0], pairs[1][0]), (pairs[0][1], pairs[1][1]), lowest, highest)
    low.add(operator.index, operator.kind, (low.read(value, *layout(x.shape)),), result, work)


def _quantize(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    out = low.output(operator)
    if {x.dtype, out.dtype} <= {"int8", "int16"}:
        _rescale(low, operator)
        return
    if (x.dtype, out.dtype) not in (("float32", "int16"), ("int16", "float32")):
        raise low.refuse(operator, f"from {x.dtype} to {out.dtype}")
    direction = "quantize" if out.dtype == "int16" else "dequantize"
    scale = _quantization(out if out.dtype == "int16" else x)[0]
    result = low.new_value(out)
    low.add(operator.index, operator.kind, (low.read(value, *layout(x.shape)),), result, ir.Convert(direction, scale))


def _sigmoid(low: Lowering, operator: Operator) -> None:
    """LOGISTIC or TANH, by TFLM's table of 256 entries and lines between them."""
    value, x = low.source(operator)
    out = low.output(operator)
    scale = _quantization(x)[0]
    if _quantization(out)[0] != HALF_STEP:
        raise low.refuse(operator, "its output must have scale 1/32768", "quantize the model again")
    fraction, exponent = math.frexp(scale)
    left = 12 + exponent - 1
    if fraction == 0.5 and left in ((0,) if operator.kind == "LOGISTIC" else (0, 1)):
        multiplier, shift = 3 << left, 0
    else:
        real, shift = scale * 4096.0 * 3.0, 0
        while real <= 32767.0 / 2.0 and shift <= 30:
            shift += 1
            real *= 2.0
        multiplier = int(real)
    if multiplier > LARGEST_MULTIPLIER or shift > 30:
        raise low.refuse(operator, f"its input scale is {scale:g}", "quantize the model again")
    result = low.new_value(out)
    work = ir_wide.Sigmoid(operator.kind.lower(), multiplier, shift)
    low.add(operator.index, operator.kind, (low.read(value, *layout(x.shape)),), result, work)


def _rsqrt(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    out = low.output(operator)
    root = float(np.float32(np.sqrt(np.float32(_quantization(x)[0]))) * np.float32(_quantization(out)[0]))
    multiplier, shift = ar.quantize_multiplier(1.0 / root)
    if shift - 20 > 31:
        raise low.refuse(operator, "its scales are absurd", "quantize the model again")
    result = low.new_value(out)
    low.add(
        operator.index, operator.kind, (low.read(value, *layout(x.shape)),), result,
        ir_wide.Rsqrt(multiplier, shift - 20),
    )  # fmt: skip


def _softmax(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    out = low.output(operator)
    if abs(_quantization(out)[0] - HALF_STEP) > 0.001 * HALF_STEP:
        raise low.refuse(operator, "its output must have scale 1/32768", "quantize the model again")
    beta = float(np.float32(operator.options["beta"]))
    multiplier, shift = ar.quantize_multiplier(_quantization(x)[0] * beta / (10.0 / 65535.0))
    if shift > 15:
        raise low.refuse(operator, "its input scale is too large", "quantize the model again")
    result = low.new_value(out)
    work = ir_wide.WideSoftmax(multiplier, shift)
    low.add(operator.index, operator.kind, (low.read(value, *layout(x.shape)),), result, work)


WIDE_HANDLERS: dict[str, Callable[[Lowering, Operator], None]] = {
    "RELU": _rescale, "RELU6": _rescale, "LEAKY_RELU": _rescale, "QUANTIZE": _quantize, "DEQUANTIZE": _quantize,
    "LOGISTIC": _sigmoid, "TANH": _sigmoid, "SOFTMAX": _softmax, "RSQRT": _rsqrt,
}  # fmt: skip

_BORDERS = ("QUANTIZE", "DEQUANTIZE")
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def check_wide(low: Lowering, operator: Operator) -> None:
    """Refuse an operator with 16-bit activations whose element types are mixed as no kernel of TFLM takes them."""
    x, out = low.graph.tensors[activation_of(operator)], low.output(operator)
    if operator.kind not in _BORDERS and x.dtype != out.dtype:
        raise low.refuse(operator, f"from {x.dtype} to {out.dtype}", "quantize the model again")
    if operator.kind in _WEIGHTED and low.tensors(operator)[1].dtype != "int8":
        raise low.refuse(operator, f"its weights are {low.tensors(operator)[1].dtype}, not int8")
    if operator.kind in ("MAX_POOL_2D", "AVERAGE_POOL_2D") and operator.options["activation"] == "RELU_N1_TO_1":
        raise low.refuse(operator, "with a fused activation RELU_N1_TO_1", "use ReLU or none")
    if operator.kind in ("MEAN", "SUM") and x.elements // max(out.elements, 1) > LONGEST_SUM:
        raise low.refuse(operator, f"sums {x.elements // out.elements} values of 16 bits", f"at most {LONGEST_SUM}")
