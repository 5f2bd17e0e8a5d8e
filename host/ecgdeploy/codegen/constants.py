"""What the first step of an unrolled recurrent layer computes of its state of zeros, computed once and for all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ecgdeploy.codegen import arithmetic as ar
from ecgdeploy.graph import Graph, Operator, Tensor
from ecgdeploy.graph.moves import slice_box, split_sizes


def of_zero_states(graph: Graph) -> Graph:
    """The graph without dense layers of zeros, and without what slices and splits their results.

    Nothing but zeros is folded: the result is the bias, so that the order of float32's sums cannot matter.
    """
    tensors = list(graph.tensors)
    kept: list[Operator] = []
    for operator in graph.operators:
        results = _results(operator, tensors)
        if results is None:
            kept.append(operator)
            continue
        for index, data in zip(operator.outputs, results, strict=True):
            tensors[index] = replace(tensors[index], data=data.reshape(tensors[index].shape))
    if len(kept) == len(graph.operators) or set(graph.outputs) & {t.index for t in tensors if t.data is not None}:
        return graph
    return replace(graph, tensors=tuple(tensors), operators=tuple(kept))


def _results(operator: Operator, tensors: list[Tensor]) -> list[np.ndarray] | None:
    operands = [tensors[i] if i >= 0 else None for i in operator.inputs]
    if operator.kind == "FULLY_CONNECTED":
        result = _dense_of_zeros(operator, operands, tensors[operator.outputs[0]])
        return None if result is None else [result]
    x = operands[1 if operator.kind == "SPLIT" and len(operands) > 1 else 0] if operands else None
    if x is None or x.data is None:
        return None
    if operator.kind in ("SLICE", "STRIDED_SLICE"):
        begins, sizes, steps = slice_box(operator, operands)
        return [x.data[np.ix_(*(b + s * np.arange(n) for b, n, s in zip(begins, sizes, steps, strict=True)))]]
    if operator.kind in ("SPLIT", "SPLIT_V"):
        axis, parts = split_sizes(operator, operands)
        return np.split(x.data, np.cumsum(parts)[:-1], axis=axis)
    return None


def _dense_of_zeros(operator: Operator, operands: list[Tensor | None], out: Tensor) -> np.ndarray | None:
    x, w = operands[:2]
    bias = operands[2] if len(operands) > 2 else None
    if x is None or w is None or x.data is None or (bias is not None and bias.data is None):
        return None
    activation = operator.options.get("activation", "NONE")
    units = w.shape[0]
    sums = np.zeros(units) if bias is None or bias.data is None else bias.data.reshape(-1)
    if out.dtype == "float32":
        if x.data.any() or activation not in ("NONE", "RELU"):
            return None
        sums = np.asarray(sums, np.float32) + np.float32(0)
        result = np.maximum(sums, np.float32(0)) if activation == "RELU" else sums
        return np.broadcast_to(result, (out.elements // units, units))
    if x.quantization is None or w.quantization is None or out.quantization is None:
        return None
    if (x.data != x.quantization.zero_point).any() or out.dtype not in ("int8", "int16"):
        return None
    zero = out.quantization.zero_point
    low, high = ar.activation_range(activation, out.quantization.scale, zero, out.dtype)
    if not sums.any():
        values = np.zeros(units, np.int64)
    elif out.dtype == "int8":
        values = _requantized(sums, x.quantization.scale, w.quantization.scales, out.quantization.scale)
    else:
        return None
    result = np.clip(values + zero, low, high).astype(out.dtype)
    return np.broadcast_to(result, (out.elements // units, units))


def _requantized(sums: np.ndarray, scale: float, weights: np.ndarray, out: float) -> np.ndarray:
    if len(weights) == 1:  # TFLite multiplies these two in float32
        real = float(np.float32(scale) * weights[0]) / out
        return ar.multiply_by_quantized_multiplier(sums, *ar.quantize_multiplier(real))
    pairs = [ar.quantize_multiplier(scale * float(weight) / out) for weight in weights]
    return np.array(
        [ar.multiply_by_quantized_multiplier(int(v), *pair) for v, pair in zip(sums, pairs, strict=True)], np.int64
    )
