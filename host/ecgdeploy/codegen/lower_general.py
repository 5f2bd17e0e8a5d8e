"""Matrix products of activations and the borders between float and int8, to stages."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ecgdeploy.codegen import arithmetic as ar
from ecgdeploy.codegen import ir
from ecgdeploy.codegen.lower_lstm import lower_lstm
from ecgdeploy.codegen.lower_wide import LARGEST_WIDE_SHIFT
from ecgdeploy.codegen.lowering import Lowering, layout
from ecgdeploy.codegen.packing_wide import reduced
from ecgdeploy.graph import Operator


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
    zero, (lowest, highest) = out.quantization.zero_point, ar.RANGES[out.dtype]
    if out.dtype == "int16":
        if b.dtype != "int16" or shift > LARGEST_WIDE_SHIFT:
            raise low.refuse(operator, f"{a.dtype} by {b.dtype} with these scales", "quantize the model again")
        multiplier, shift = int(reduced(np.array(multiplier))), shift - 15
    result = low.new_value(out)
    work = ir.MatMul(
        math.prod(a.shape[:-2]), rows, columns, depth, 1 if adjoint_a else depth, rows if adjoint_a else 1,
        1 if adjoint_b else columns, depth if adjoint_b else 1, multiplier, shift, lowest - zero, highest - zero,
    )  # fmt: skip
    reads = (ir.Read(a_value, whole=True), ir.Read(b_value, whole=True))
    low.add(operator.index, operator.kind, reads, result, work)


def convert(low: Lowering, operator: Operator) -> None:
    """QUANTIZE from float32, DEQUANTIZE to it."""
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


GENERAL_HANDLERS: dict[str, Callable[[Lowering, Operator], None]] = {
    "BATCH_MATMUL": _batch_matmul, "DEQUANTIZE": convert, "UNIDIRECTIONAL_SEQUENCE_LSTM": lower_lstm,
}  # fmt: skip
