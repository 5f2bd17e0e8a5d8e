"""Refuse a graph that is inconsistent, or that the static engine cannot run, before anything is built on it."""

from __future__ import annotations

from ecgdeploy.errors import ModelError
from ecgdeploy.graph.operators import SUPPORTED
from ecgdeploy.graph.shapes import check_shapes
from ecgdeploy.graph.simplify import FREE, simplify
from ecgdeploy.graph.types import Graph, Operator, Tensor

# operators of which only the first input is an activation and the second holds weights
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")

_WHAT_TO_DO = {
    "WHILE": "give LSTM and GRU layers unroll=True, or export an LSTM as UNIDIRECTIONAL_SEQUENCE_LSTM",
    "GELU": "quantize to int8, use ReLU or hard-swish instead, or run it on a Linux board (engine litert)",
    "DENSIFY": "export dense weights",
    "SPACE_TO_BATCH_ND": "export with batch 1: a dilated convolution then stays one CONV_2D",
    "BATCH_TO_SPACE_ND": "export with batch 1: a dilated convolution then stays one CONV_2D",
}
_OTHER_TYPE = "quantize to int8 or int16x8 with `ecgdeploy quantize`, or use --engine tflm"
_FLOAT_ONLY = (
    "replace that layer, compute it before the model, or convert in float32: `ecgdeploy quantize --precision float32`"
)
_DEFAULT_ADVICE = "replace that layer, or build with --engine tflm if `ecgdeploy preflight` allows it"


def check_graph(graph: Graph) -> None:
    """Refuse operators that read what is not there yet, write constants, or contradict the shapes."""
    ready = {t.index for t in graph.tensors if t.data is not None or t.variable} | set(graph.inputs)
    for index in graph.inputs:
        if graph.tensors[index].data is not None:
            raise ModelError(f"{graph.name}: graph input {graph.tensors[index]} is a constant", "export it again")
    for operator in graph.operators:
        for index in operator.inputs:
            if index >= 0 and index not in ready:
                raise ModelError(
                    f"{graph.name}: {operator} reads {graph.tensors[index]} before anything writes it",
                    "export it again",
                )
        for index in operator.outputs:
            if index in ready:
                raise ModelError(
                    f"{graph.name}: {operator} writes {graph.tensors[index]} a second time", "export it again"
                )
            ready.add(index)
    for index in graph.outputs:
        if index not in ready:
            raise ModelError(f"{graph.name}: nothing writes output {graph.tensors[index]}", "export it again")


def check_supported(graph: Graph) -> None:
    """Refuse operators, element types and shapes that the static engine does not run.

    What only computes shapes (a dynamic batch leaves such chains) is folded away and needs no support.
    """
    for tensor in graph.tensors:
        if tensor.dtype == "float16":
            raise ModelError(
                f"{graph.name}: {tensor} is float16; no engine for microcontrollers computes in it",
                "export float32 or full-integer int8, or run it on a Linux board (engine litert)",
            )
    for operator in graph.operators:
        if not operator.inputs or not operator.outputs or operator.inputs[0] < 0:
            raise ModelError(f"{graph.name}: {operator} has no inputs or no outputs", "export it again")
        if operator.kind in FREE:
            check_shapes(graph, operator)
    graph = simplify(graph)
    for operator in graph.operators:
        support = SUPPORTED.get(operator.kind)
        if support is None:
            advice = _WHAT_TO_DO.get(operator.kind.split()[0], _DEFAULT_ADVICE)
            raise ModelError(f"{graph.name}: {operator} is not supported by the static engine", advice)
        check_shapes(graph, operator)
        _check_types(graph, operator, support.dtypes)


def activation_of(operator: Operator) -> int:
    """Tensor of the first operand that is an activation (two operators have a constant before it)."""
    place = {"SPLIT": 1, "TRANSPOSE_CONV": 2}.get(operator.kind, 0)
    return operator.inputs[place if len(operator.inputs) > place else 0]


def _check_types(graph: Graph, operator: Operator, dtypes: tuple[str, ...]) -> None:
    first = graph.tensors[activation_of(operator)]
    place = f"{graph.name}: {operator}"
    if operator.kind in _WEIGHTED:
        weights = graph.tensors[operator.inputs[1]]
        if first.dtype == "float32" and weights.dtype == "int8":
            raise ModelError(
                f"{place}: float32 activations with int8 weights (dynamic range, hybrid)",
                "quantize in full with a representative data set: `ecgdeploy quantize`",
            )
        if weights.data is None:
            raise ModelError(f"{place}: its weights {weights} are computed, not constant", "export constant weights")
        if weights.dtype == "int8" and (weights.quantization is None or weights.quantization.zero_points.any()):
            raise ModelError(
                f"{place}: weights {weights} without scales or with a zero point", "quantize symmetrically"
            )
        third = 3 if operator.kind == "TRANSPOSE_CONV" else 2
        present = len(operator.inputs) > third and operator.inputs[third] >= 0
        bias = graph.tensors[operator.inputs[third]] if present else None
        if bias is not None and bias.data is None:
            raise ModelError(f"{place}: its bias {bias} is computed, not constant", "export constant biases")
    if first.dtype not in dtypes:
        raise ModelError(
            f"{place}: {first.dtype} activations ({first}); this operator runs in {', '.join(dtypes)}",
            _WHAT_TO_DO.get(operator.kind, _FLOAT_ONLY if dtypes == ("float32",) else _OTHER_TYPE),
        )
    if operator.kind not in ("QUANTIZE", "DEQUANTIZE"):
        for index in operator.outputs:
            if graph.tensors[index].dtype != first.dtype:
                raise ModelError(f"{place}: {first.dtype} activations give {graph.tensors[index]}", "export it again")
    if first.dtype in ("int8", "int16", "uint8"):
        for index in (first.index, *operator.outputs):
            _check_quantized(place, graph.tensors[index])


def _check_quantized(place: str, tensor: Tensor) -> None:
    if tensor.dtype not in ("int8", "int16", "uint8") or tensor.data is not None:
        return
    quantization = tensor.quantization
    if quantization is None or quantization.per_channel or quantization.scale <= 0:
        raise ModelError(f"{place}: {tensor} has no single positive scale", "quantize the model again")
    if tensor.dtype == "int16" and quantization.zero_point != 0:
        raise ModelError(f"{place}: {tensor} has a zero point; int16 is symmetric", "quantize the model again")
