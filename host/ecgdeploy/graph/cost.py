"""What each operator costs before any engine is chosen: multiply-accumulates, weight and activation bytes."""

from __future__ import annotations

from dataclasses import dataclass

from ecgdeploy.graph.simplify import simplify
from ecgdeploy.graph.types import Graph, Operator


@dataclass(frozen=True)
class OperatorCost:
    """Cost of one operator.

    Attributes
    ----------
    macs : multiply-accumulates of one inference
    weight_bytes : constants as the file stores them (weights and biases)
    activation_bytes : bytes of its outputs
    """

    index: int
    kind: str
    macs: int
    weight_bytes: int
    activation_bytes: int
    output_shape: tuple[int, ...]


def macs(graph: Graph, operator: Operator) -> int:
    """Multiply-accumulates of one operator (0 for element-wise ones)."""
    tensor = graph.tensors
    if operator.kind == "CONV_2D":
        return (
            tensor[operator.outputs[0]].elements
            * tensor[operator.inputs[1]].elements
            // tensor[operator.outputs[0]].shape[-1]
        )
    if operator.kind == "DEPTHWISE_CONV_2D":
        _, kernel_h, kernel_w, _ = tensor[operator.inputs[1]].shape
        return tensor[operator.outputs[0]].elements * kernel_h * kernel_w
    if operator.kind == "TRANSPOSE_CONV":  # every input meets every tap of every output channel
        x, weights = tensor[operator.inputs[2]], tensor[operator.inputs[1]]
        return x.elements * weights.elements // x.shape[-1]
    if operator.kind == "FULLY_CONNECTED":
        return tensor[operator.outputs[0]].elements * tensor[operator.inputs[1]].shape[-1]
    if operator.kind == "BATCH_MATMUL":
        depth = tensor[operator.inputs[0]].shape[-2 if operator.options.get("adj_x") else -1]
        return tensor[operator.outputs[0]].elements * depth
    if operator.kind == "UNIDIRECTIONAL_SEQUENCE_LSTM":
        steps = tensor[operator.inputs[0]].shape[-2]
        return steps * sum(tensor[i].elements for i in operator.inputs[1:9] if i >= 0)
    return 0


def costs(graph: Graph) -> list[OperatorCost]:
    """Cost of every operator, in execution order."""
    result = []
    counted = _counted(graph)
    for operator in graph.operators:
        inputs = [graph.tensors[i] for i in operator.inputs if i >= 0]
        result.append(
            OperatorCost(
                operator.index, operator.kind, counted.get(operator.index, 0),
                sum(t.bytes for t in inputs if t.data is not None),
                sum(graph.tensors[i].bytes for i in operator.outputs),
                graph.tensors[operator.outputs[0]].shape if operator.outputs else (),
            )
        )  # fmt: skip
    return result


def total_macs(graph: Graph) -> int:
    """Multiply-accumulates of one inference."""
    return sum(_counted(graph).values())


def _counted(graph: Graph) -> dict[int, int]:
    """MACs by operator; a stretched (dilated) convolution's file says only those of one of its batches."""
    stretched = any(operator.kind == "SPACE_TO_BATCH_ND" for operator in graph.operators)
    folded = simplify(graph) if stretched else graph
    return {operator.index: macs(folded, operator) for operator in folded.operators}


@dataclass(frozen=True)
class ModelCost:
    """What a file costs before any engine is chosen.

    Attributes
    ----------
    macs : multiply-accumulates of one inference
    macs_nonzero : those whose weight is not zero (the real value, so not the zero point)
    parameters, parameters_nonzero : values of constant weights and biases
    weight_bytes : as the file stores them
    activation_bytes : of all tensors that operators write, together
    """

    macs: int
    macs_nonzero: int
    parameters: int
    parameters_nonzero: int
    weight_bytes: int
    activation_bytes: int


def model_cost(graph: Graph) -> ModelCost:
    """Cost of a whole graph; a constant that several operators read counts once."""
    table = costs(graph)
    nonzero = 0
    constants: dict[int, tuple[int, int, int]] = {}
    for cost, operator in zip(table, graph.operators, strict=True):
        weighted = [i for i in operator.inputs if i >= 0 and graph.tensors[i].data is not None]
        if not cost.macs:
            continue
        for index in weighted:
            tensor = graph.tensors[index]
            constants[index] = (tensor.elements, _nonzero(graph, index), tensor.bytes)
        matrix = [i for i in weighted if len(graph.tensors[i].shape) > 1]
        filled = sum(constants[i][1] for i in matrix) / max(sum(constants[i][0] for i in matrix), 1) if matrix else 1.0
        nonzero += round(cost.macs * filled)
    return ModelCost(
        sum(cost.macs for cost in table), nonzero, sum(c[0] for c in constants.values()),
        sum(c[1] for c in constants.values()), sum(c[2] for c in constants.values()),
        sum(cost.activation_bytes for cost in table),
    )  # fmt: skip


def _nonzero(graph: Graph, index: int) -> int:
    tensor = graph.tensors[index]
    assert tensor.data is not None
    zero = 0 if tensor.quantization is None or tensor.quantization.per_channel else tensor.quantization.zero_point
    return int((tensor.data != zero).sum())


def energy_proxy(macs: int, milliseconds: float) -> float:
    """Kota's energy proxy: "MFLOPs" (which are multiply-accumulates there) times milliseconds an inference.

    It has no unit of energy, and it squares what a smaller network saves: half the work in half the time is a quarter.
    """
    return macs / 1e6 * milliseconds
