"""Remove what costs nothing on a device: shape arithmetic, dead operators, reshapes of constants."""

from __future__ import annotations

from dataclasses import replace

from ecgdeploy.graph.padding import own_padding
from ecgdeploy.graph.types import Graph, Operator

# operators that only rename the same bytes
FREE = ("RESHAPE", "EXPAND_DIMS", "SQUEEZE")


def simplify(graph: Graph) -> Graph:
    """Fold `graph` without changing one bit of its outputs.

    Shapes are constant here, so the second operand of a RESHAPE says nothing that its output's shape does not say:
    it is dropped, and with it the SHAPE -> STRIDED_SLICE -> PACK chains that computed it. Reshapes of constants become
    constants. Tensor indices stay those of the file, so that messages can name its tensors.
    """
    tensors = list(graph.tensors)
    kept: list[Operator] = []
    for operator in graph.operators:
        if operator.kind in FREE:
            source = tensors[operator.inputs[0]]
            target = tensors[operator.outputs[0]]
            if source.data is not None:
                tensors[target.index] = replace(target, data=source.data.reshape(target.shape))
                continue
            operator = replace(operator, inputs=operator.inputs[:1])
        elif operator.kind == "SHAPE":
            import numpy as np

            target = tensors[operator.outputs[0]]
            data = np.array(tensors[operator.inputs[0]].shape, dtype=target.dtype)
            if target.shape == data.shape:
                tensors[target.index] = replace(target, data=data)
                continue
        kept.append(operator)
    folded = own_padding(replace(graph, tensors=tuple(tensors), operators=tuple(kept)))
    return replace(folded, operators=_without_dead(folded, list(folded.operators)))


def _without_dead(graph: Graph, operators: list[Operator]) -> tuple[Operator, ...]:
    needed = set(graph.outputs)
    alive: list[Operator] = []
    for operator in reversed(operators):
        if any(i in needed for i in operator.outputs):
            alive.append(operator)
            needed.update(i for i in operator.inputs if i >= 0)
    return tuple(reversed(alive))
