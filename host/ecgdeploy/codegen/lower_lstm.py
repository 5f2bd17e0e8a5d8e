"""An LSTM to a stage: its four gates as pairs of convolutions."""

from __future__ import annotations

import math

import numpy as np

from ecgdeploy.codegen import arithmetic as ar
from ecgdeploy.codegen import ir
from ecgdeploy.codegen.lowering import Lowering, layout
from ecgdeploy.graph import Operator


def lower_lstm(low: Lowering, operator: Operator) -> None:
    """UNIDIRECTIONAL_SEQUENCE_LSTM, int8 with a 16-bit cell."""
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
