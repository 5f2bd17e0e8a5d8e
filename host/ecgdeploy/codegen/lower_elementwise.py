"""Element by element: arithmetic of two operands, functions of one as tables, softmax."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ecgdeploy.codegen import arithmetic as ar
from ecgdeploy.codegen import ir
from ecgdeploy.codegen.lower_general import convert
from ecgdeploy.codegen.lower_shape import repeated
from ecgdeploy.codegen.lowering import Lowering, layout, operand_pattern, scale_of, spread, zero_point_of
from ecgdeploy.graph import Operator


def _elementwise(low: Lowering, operator: Operator) -> None:
    a, b = low.tensors(operator)[:2]
    out = low.output(operator)
    operation = operator.kind.lower()
    patterns: list[str] = []
    constants: list[np.ndarray | None] = []
    reads: list[ir.Read] = []
    result_time, result_channels = layout(out.shape)
    for position, tensor in enumerate((a, b)):
        pattern = operand_pattern(low, operator, tensor.shape, out.shape)
        patterns.append("full" if pattern == "repeat" else pattern)
        if tensor.dtype != out.dtype or tensor.quantization is None:
            raise low.refuse(operator, f"operands of different types: {tensor}")
        if tensor.data is not None:
            constants.append(spread(tensor.data, pattern, out.shape).astype(np.int32) - zero_point_of(tensor))
            continue
        constants.append(None)
        value = low.source(operator, position)[0]
        if pattern == "repeat":
            reads.append(ir.Read(repeated(low, operator, value, tensor, out.shape)))
        elif pattern in ("full", "position"):
            reads.append(low.read(value, result_time, result_channels if pattern == "full" else 1))
        else:
            reads.append(ir.Read(value, whole=True))
    if not reads:
        raise low.refuse(operator, "both operands are constants")
    if operation == "mul":
        pairs = [ar.quantize_multiplier(scale_of(a) * scale_of(b) / scale_of(out))]
        left = 0
    elif operation == "squared_difference":
        left = 0 if out.dtype == "int16" else 7
        twice = 2.0 * max(scale_of(a), scale_of(b))
        output = float(np.float32(1 << left * 2) * np.float32(scale_of(out)))
        pairs = [ar.quantize_multiplier(r) for r in (scale_of(a) / twice, scale_of(b) / twice, twice * twice / output)]
        if pairs[2][1] > 0:
            raise low.refuse(operator, "its output scale is too small", "quantize the model again")
    else:
        left = 15 if out.dtype == "int16" else 20
        twice = 2.0 * max(scale_of(a), scale_of(b))
        reals = (scale_of(a) / twice, scale_of(b) / twice, twice / ((1 << left) * scale_of(out)))
        if reals[2] >= 1.0:
            raise low.refuse(operator, "its output scale is far below its inputs' scales", "quantize the model again")
        pairs = [ar.quantize_multiplier(real) for real in reals]
    clamp = low.clamp(operator)
    result = low.new_value(out, limits=clamp)
    work = ir.Elementwise(
        operation, (patterns[0], patterns[1]), (constants[0], constants[1]), tuple(m for m, _ in pairs),
        tuple(s for _, s in pairs), left, *clamp,
    )  # fmt: skip
    low.add(operator.index, operator.kind, tuple(reads), result, work)


def _lookup(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    out = low.output(operator)
    if x.dtype == "float32":
        convert(low, operator)
        return
    scale, zero, out_scale, out_zero = scale_of(x), zero_point_of(x), scale_of(out), zero_point_of(out)
    zero, out_zero = zero - 128 * (x.dtype == "uint8"), out_zero - 128 * (out.dtype == "uint8")
    kind = operator.kind
    if kind == "LOGISTIC":
        if out_zero != -128:
            raise low.refuse(operator, "its output must have scale 1/256 and zero point -128", "quantize again")
        table = ar.logistic_table(scale, zero)
    elif kind == "TANH":
        table = ar.tanh_table(scale, zero)
    elif kind == "RELU":
        table = ar.requantize_table(scale, zero, out_scale, out_zero, relu=True)
    elif kind == "RELU6":
        table = ar.relu6_table(scale, zero)
    elif kind == "LEAKY_RELU":
        table = ar.leaky_relu_table(scale, zero, out_scale, out_zero, float(operator.options["alpha"]))
    elif kind == "HARD_SWISH":
        table = ar.hard_swish_table(scale, zero, out_scale, out_zero)
    elif kind == "RSQRT":
        table = ar.rsqrt_table(scale, zero, out_scale, out_zero)
    elif kind == "ELU":
        table = ar.elu_table(scale, zero, out_scale, out_zero)
    elif kind == "GELU":
        table = ar.gelu_table(scale, zero, out_scale, out_zero, bool(operator.options["approximate"]))
    else:
        if out.dtype not in ("int8", "uint8"):
            raise low.refuse(operator, f"requantizes to {out.dtype}")
        table = ar.requantize_table(scale, zero, out_scale, out_zero, relu=False)
    result = low.new_value(out)
    low.add(operator.index, kind, (low.read(value, *layout(x.shape)),), result, ir.Lookup(kind.lower(), table))


def _softmax(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    out = low.output(operator)
    if zero_point_of(out) != -128 or scale_of(out) != 1.0 / 256.0:
        raise low.refuse(operator, "its output must have scale 1/256 and zero point -128", "quantize again")
    beta = float(np.float32(operator.options["beta"]))
    real = min(beta * scale_of(x) * (1 << 26), float((1 << 31) - 1))
    if real <= 1.0:
        raise low.refuse(operator, "its input scale is too small", "quantize the model again")
    multiplier, shift = ar.quantize_multiplier(real)
    work = ir.Softmax(multiplier, shift, -ar.input_radius(5, shift))
    result = low.new_value(out)
    low.add(operator.index, operator.kind, (low.read(value, *layout(x.shape)),), result, work)


ELEMENT_HANDLERS: dict[str, Callable[[Lowering, Operator], None]] = {
    "ADD": _elementwise, "SUB": _elementwise, "MUL": _elementwise, "SQUARED_DIFFERENCE": _elementwise,
    "LOGISTIC": _lookup, "TANH": _lookup, "RELU": _lookup, "RELU6": _lookup, "LEAKY_RELU": _lookup,
    "HARD_SWISH": _lookup, "QUANTIZE": _lookup, "RSQRT": _lookup, "ELU": _lookup, "GELU": _lookup,
    "SOFTMAX": _softmax,
}  # fmt: skip
