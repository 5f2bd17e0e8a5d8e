"""Change a ``.tflite`` file: cut it after an operator, drop what nothing uses, write it with aligned constants.

The reader of this package gives a view; this module edits the file itself, so that quantization, metadata and all
else that is not touched stays as the converter wrote it.
"""

from __future__ import annotations

import struct
from typing import Any

import flatbuffers
import numpy as np

from ecgdeploy.errors import ModelError, UsageError
from ecgdeploy.graph.reader import read_tflite

IDENTIFIER = b"TFL3"
ALIGNMENT = 16  # of constant data: the schema's force_align, and what TFLM's kernels rely on


class _AlignedBuilder(flatbuffers.Builder):
    """flatbuffers' Python builder forgets the schema's force_align; this one keeps it for byte vectors."""

    def CreateNumpyVector(self, x: np.ndarray) -> int:
        if x.dtype != np.uint8:
            return super().CreateNumpyVector(x)
        data = np.ascontiguousarray(x)
        self.StartVector(1, data.size, ALIGNMENT)
        start = int(self.head - data.size)  # type: ignore[has-type]
        self.head = start
        self.Bytes[start : start + data.size] = data.tobytes()
        return self.EndVector()


def unpack(model: bytes) -> Any:
    """The schema's object of a model file.

    Raises
    ------
    ModelError
        Not a ``.tflite`` file, damaged, or not exactly one subgraph.
    """
    from ai_edge_litert import schema_py_generated as schema

    read_tflite(model, supported=False)  # the schema's own reader does not check offsets
    try:
        found = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    except (ArithmeticError, AttributeError, LookupError, MemoryError, struct.error, TypeError, ValueError) as error:
        # in a field that the reader of this package does not look at
        raise ModelError(f"damaged .tflite file: {error}", "export it again and copy the whole file") from error
    return found


def pack(model: Any) -> bytes:
    """The file of a schema object; equal objects give equal bytes."""
    builder = _AlignedBuilder(1 << 20)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def opcode(model: Any, operator: Any) -> str:
    """Name of an operator's kind, as the reader spells it."""
    from ai_edge_litert import schema_py_generated as schema

    code = model.operatorCodes[operator.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    return names.get(number, str(number))


def used(indices: Any) -> list[int]:
    """Tensor indices of an operator's inputs or outputs; an absent optional one is left out."""
    return [int(index) for index in (indices if indices is not None else ()) if index >= 0]


def prune(model: Any) -> None:
    """Drop operators whose outputs nothing needs, and tensors, constants and operator codes that nothing uses."""
    graph = model.subgraphs[0]
    needed = set(used(graph.outputs))
    kept = []
    for operator in reversed(graph.operators):
        if needed & set(used(operator.outputs)):
            kept.append(operator)
            needed |= set(used(operator.inputs)) | set(used(getattr(operator, "intermediates", None)))
            needed |= set(used(operator.outputs))
    graph.operators = kept[::-1]
    needed |= set(used(graph.inputs))
    _renumber_tensors(model, sorted(needed))
    _renumber_buffers(model)
    _renumber_opcodes(model)


def _renumber_tensors(model: Any, kept: list[int]) -> None:
    graph = model.subgraphs[0]
    number = {old: new for new, old in enumerate(kept)} | {-1: -1}
    graph.tensors = [graph.tensors[index] for index in kept]

    def moved(indices: Any) -> Any:
        return None if indices is None else np.array([number[int(index)] for index in indices], dtype=np.int32)

    for operator in graph.operators:
        operator.inputs, operator.outputs = moved(operator.inputs), moved(operator.outputs)
        operator.intermediates = moved(operator.intermediates)
    graph.inputs, graph.outputs = moved(graph.inputs), moved(graph.outputs)
    for signature in model.signatureDefs or ():
        signature.inputs = [item for item in signature.inputs if item.tensorIndex in number]
        signature.outputs = [item for item in signature.outputs if item.tensorIndex in number]
        for item in (*signature.inputs, *signature.outputs):
            item.tensorIndex = number[item.tensorIndex]


def _renumber_buffers(model: Any) -> None:
    # metadata is nobody's computation: an entry whose buffer is not there goes
    metadata = [item for item in model.metadata or () if item.buffer < len(model.buffers)]
    model.metadata = metadata or None
    wanted = {0} | {tensor.buffer for tensor in model.subgraphs[0].tensors}
    wanted |= {item.buffer for item in metadata}
    kept = sorted(wanted)
    number = {old: new for new, old in enumerate(kept)}
    model.buffers = [model.buffers[index] for index in kept]
    for item in (*model.subgraphs[0].tensors, *metadata):
        item.buffer = number[item.buffer]
    model.metadataBuffer = None  # superseded by `metadata`


def _renumber_opcodes(model: Any) -> None:
    kept = sorted({operator.opcodeIndex for operator in model.subgraphs[0].operators})
    number = {old: new for new, old in enumerate(kept)}
    model.operatorCodes = [model.operatorCodes[index] for index in kept]
    for operator in model.subgraphs[0].operators:
        operator.opcodeIndex = number[operator.opcodeIndex]


def cut(model: bytes, operator: int) -> bytes:
    """The model up to and with operator number `operator`, whose outputs become the model's.

    Raises
    ------
    UsageError
        No such operator.
    """
    found = unpack(model)
    graph = found.subgraphs[0]
    if not 0 <= operator < len(graph.operators):
        raise UsageError(f"the model has no operator {operator}", f"operators: 0 to {len(graph.operators) - 1}")
    graph.outputs = np.array(used(graph.operators[operator].outputs), dtype=np.int32)
    graph.operators = graph.operators[: operator + 1]
    found.signatureDefs = None  # they name the old outputs
    prune(found)
    return pack(found)
