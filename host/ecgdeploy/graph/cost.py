"""What each operator costs before any engine is chosen: multiply-accumulates, weight and activation bytes."""

from __future__ import annotations

from dataclasses import dataclass

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
    for operator in graph.operators:
        inputs = [graph.tensors[i] for i in operator.inputs if i >= 0]
        result.append(
            OperatorCost(
                operator.index, operator.kind, macs(graph, operator),
                sum(t.bytes for t in inputs if t.data is not None),
                sum(graph.tensors[i].bytes for i in operator.outputs),
                graph.tensors[operator.outputs[0]].shape if operator.outputs else (),
            )
        )  # fmt: skip
    return result


def total_macs(graph: Graph) -> int:
    """Multiply-accumulates of one inference."""
    return sum(macs(graph, operator) for operator in graph.operators)
