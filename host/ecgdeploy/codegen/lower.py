"""Graph to network: aliases resolved, convolutions made one-dimensional, every constant computed."""

from __future__ import annotations

from collections.abc import Callable

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.constants import of_zero_states
from ecgdeploy.codegen.lower_conv import CONV_HANDLERS
from ecgdeploy.codegen.lower_elementwise import ELEMENT_HANDLERS
from ecgdeploy.codegen.lower_float import FLOAT_HANDLERS
from ecgdeploy.codegen.lower_functions import FUNCTION_HANDLERS
from ecgdeploy.codegen.lower_general import GENERAL_HANDLERS
from ecgdeploy.codegen.lower_reduce import REDUCTION_HANDLERS
from ecgdeploy.codegen.lower_shape import SHAPE_HANDLERS
from ecgdeploy.codegen.lower_wide import WIDE_HANDLERS, check_wide, is_wide
from ecgdeploy.codegen.lowering import Lowering
from ecgdeploy.errors import ModelError
from ecgdeploy.graph import Graph, Operator, simplify
from ecgdeploy.graph.checks import activation_of
from ecgdeploy.graph.cost import macs
from ecgdeploy.graph.padding import FOLDED
from ecgdeploy.graph.simplify import FREE

MOST_POSITIONS = 1 << 18
"""Longest value that is planned: 12 minutes at 360 Hz."""

Handler = Callable[[Lowering, Operator], None]

HANDLERS: dict[str, Handler] = {
    **CONV_HANDLERS, **ELEMENT_HANDLERS, **REDUCTION_HANDLERS, **SHAPE_HANDLERS, **GENERAL_HANDLERS,
    **FUNCTION_HANDLERS,
}  # fmt: skip
"""Of int8 activations, and of any where a type has no handler of its own."""

OF_TYPE: dict[str, dict[str, Handler]] = {"float32": FLOAT_HANDLERS, "int16": WIDE_HANDLERS}
"""Handlers by element type of the first operand, or of the result where it is int16."""


def lower(graph: Graph) -> ir.Network:
    """Turn a graph into values and stages.

    Raises
    ------
    ModelError
        An operator is used in a form that the static engine does not run (named, with what to do).
    """
    graph = of_zero_states(simplify(graph))
    low = Lowering(graph)
    for number, index in enumerate(graph.inputs):
        value = low.new_value(graph.tensors[index], low.input_layout(index))
        low.add(-1, "INPUT", (), value, ir.Input(number))
    for operator in graph.operators:
        if operator.kind in FREE:
            low.value_of[operator.outputs[0]] = low.value_of[operator.inputs[0]]
            continue
        dtype = graph.tensors[activation_of(operator)].dtype
        if is_wide(graph, operator):
            dtype = "int16"
            check_wide(low, operator)
        handler = OF_TYPE.get(dtype, {}).get(operator.kind, HANDLERS.get(operator.kind))
        if handler is None:
            raise low.refuse(operator, "not supported by the static engine")
        before = len(low.stages)
        handler(low, operator)
        if len(low.stages) > before:
            low.macs[len(low.stages) - 1] = macs(graph, operator)
    for number, index in enumerate(graph.outputs):
        if index not in low.value_of:
            raise ModelError(f"{graph.name}: output {graph.tensors[index]} is a constant", "export it again")
        read = ir.Read(low.value_of[index], whole=True)
        low.add(-1, "OUTPUT", (read,), -1, ir.Output(number, index))
    longest = max(value.time for value in low.values)
    if longest > MOST_POSITIONS:
        raise ModelError(
            f"{graph.name}: {longest} positions in a row, more than {MOST_POSITIONS}",
            "give the model shorter records",
        )
    return ir.Network(tuple(low.values), tuple(low.stages), graph.inputs, graph.outputs, low.macs)


def handled_operators() -> set[str]:
    """Operators that can be lowered; `ecgdeploy.graph.operators` lists the same ones."""
    return {*HANDLERS, *FREE, *FOLDED}.union(*OF_TYPE.values())
