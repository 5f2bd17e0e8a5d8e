"""Remove what costs nothing on a device: shape arithmetic, dead operators, reshapes of constants."""

from __future__ import annotations

from dataclasses import replace

from ecgdeploy.graph.padding import own_padding
from ecgdeploy.graph.types import Graph, Operator, Tensor

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
        elif operator.kind == "TRANSPOSE_CONV" and tensors[operator.inputs[0]].data is None:
            operator = _with_constant_shape(tensors, operator)
        kept.append(operator)
    folded = own_padding(replace(graph, tensors=tuple(tensors), operators=tuple(kept)))
    return replace(folded, operators=_without_dead(folded, list(folded.operators)))


def _with_constant_shape(tensors: list[Tensor], operator: Operator) -> Operator:
    """A transposed convolution whose output shape a dynamic batch computes, with the shape that its output has."""
    import numpy as np

    shape = tensors[operator.outputs[0]].shape
    asked = tensors[operator.inputs[0]]
    if asked.dtype != "int32" or asked.elements != len(shape):
        return operator
    tensors.append(replace(asked, index=len(tensors), shape=(len(shape),), data=np.array(shape, np.int32)))
    return replace(operator, inputs=(len(tensors) - 1, *operator.inputs[1:]))


def _without_dead(graph: Graph, operators: list[Operator]) -> tuple[Operator, ...]:
    needed = set(graph.outputs)
    alive: list[Operator] = []
    for operator in reversed(operators):
        if any(i in needed for i in operator.outputs):
            alive.append(operator)
            needed.update(i for i in operator.inputs if i >= 0)
    return tuple(reversed(alive))
