"""The same model in operators that TFLM runs rightly, so that it can be the reference of a file that has others.

TFLM has no TILE, no GELU, no REDUCE_MAX of 16 bits, takes the batch of a stretched (dilated) convolution for 1, and
the shapes of a file converted with any batch size (`ecgdeploy.graph.settle`) as they are written.
A TILE is copies side by side, a maximum over neighbouring dimensions is a pool, and the three operators of a stretched
convolution are a PAD and one convolution with a dilation; none touches arithmetic. A GELU of bytes is a choice from the
256 results that LiteRT gives.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ecgdeploy.errors import ModelError
from ecgdeploy.graph.reader import read_tflite
from ecgdeploy.graph.rewrite import opcode, pack, prune, unpack
from ecgdeploy.graph.settle import write_settled
from ecgdeploy.graph.shapes import reduction_axes
from ecgdeploy.graph.simplify import simplify
from ecgdeploy.graph.types import Graph, Operator

_REWRITTEN = ("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", "TILE", "GELU")
_MOST_COPIES = 10
"""Inputs that TFLM's CONCATENATION takes."""
Run = Callable[[bytes, np.ndarray], np.ndarray]


def runs_in_tflm(graph: Graph) -> bool:
    """Whether TFLM runs every operator of a file rightly, as far as is known."""
    return not graph.settled and not any(o.kind in _REWRITTEN or _wide_maximum(graph, o) for o in graph.operators)


def _wide_maximum(graph: Graph, operator: Operator) -> bool:
    return operator.kind == "REDUCE_MAX" and graph.tensors[operator.inputs[0]].dtype == "int16"


def for_tflm(model: bytes, run: Run) -> bytes | None:
    """The model without such operators and with the same outputs, or None where that cannot be written.

    Parameters
    ----------
    model : bytes
        A ``.tflite`` file.
    run : callable
        LiteRT: (a file of one operator, its input) -> its output.
    """
    try:
        file = read_tflite(model)
    except ModelError:  # the shapes of operators that the static engine does not run are not checked
        return None
    graph = simplify(file)
    if any(o.kind in ("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND") for o in graph.operators):
        return None
    folded = [o for o in graph.operators if "explicit" in o.options and o.outputs[0] >= len(file.tensors)]
    if any(min(o.options["explicit"]) < 0 for o in folded):
        return None
    maxima = {o.index: _neighbours(file, o) for o in file.operators if _wide_maximum(file, o)}
    if not all(maxima.values()):
        return None
    found = unpack(model)
    if file.settled:
        write_settled(found, file)
    _Rewriting(found, graph, folded, maxima, run).run()
    prune(found)
    found.signatureDefs = None
    return pack(found)


def _neighbours(graph: Graph, operator: Operator) -> tuple[int, int, int] | None:
    """Elements before, in and after the dimensions of a reduction; None where they do not follow each other."""
    x = graph.tensors[operator.inputs[0]]
    axes = reduction_axes([x, graph.tensors[operator.inputs[1]]], len(x.shape))
    if not axes or axes != tuple(range(axes[0], axes[-1] + 1)):
        return None
    return prod(x.shape[: axes[0]]), prod(x.shape[axes[0] : axes[-1] + 1]), prod(x.shape[axes[-1] + 1 :])


class _Rewriting:
    def __init__(
        self, model: Any, graph: Graph, folded: list[Operator], maxima: dict[int, tuple[int, int, int] | None], run: Run
    ) -> None:
        self.model, self.graph, self.maxima, self.litert = model, graph, maxima, run
        self.sub, self.settled = model.subgraphs[0], graph.settled
        self.folded = {o.index: o for o in folded}
        # the reshape in the place of BATCH_TO_SPACE_ND: what a folded convolution writes -> the file's tensor
        self.results = {o.inputs[0]: o for o in graph.operators if o.kind == "RESHAPE"}

    def run(self) -> None:
        kept: list[Any] = []
        late: dict[int, list[Any]] = {}  # place of a BATCH_TO_SPACE_ND -> what stands there now
        for number, operator in enumerate(self.sub.operators):
            if number in self.settled:
                continue
            if number in late:
                kept += late[number]
            elif number in self.folded:
                end, made = self.convolution(operator, self.folded[number])
                late[end] = made
            elif size := self.maxima.get(number):
                kept += self.pool(operator, *size)
            elif opcode(self.model, operator) == "TILE":
                kept += self.copies(operator)
            elif opcode(self.model, operator) == "GELU":
                kept += self.choice(operator)
            else:
                kept.append(operator)
        self.sub.operators = kept

    def convolution(self, operator: Any, folded: Operator) -> tuple[int, list[Any]]:
        """(place, operators) of a stretched convolution: reshape, pad, dilated convolution, reshape."""
        image = self.graph.tensors[folded.inputs[0]]
        source = next(o for o in self.graph.operators if o.outputs == (image.index,)).inputs[0]
        end = self.results[folded.outputs[0]]
        top, bottom, left, right = folded.options["explicit"]
        widths = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
        padded = tuple(int(v) for v in np.array(image.shape) + widths.sum(axis=1))
        seen = self.tensor(source, image.shape)
        wide = self.tensor(source, padded)
        result = self.tensor(int(operator.outputs[0]), self.graph.tensors[folded.outputs[0]].shape)
        options = operator.builtinOptions
        options.dilationHFactor, options.dilationWFactor = folded.options["dilation_h"], folded.options["dilation_w"]
        operator.inputs = np.array([wide, *operator.inputs[1:]], np.int32)
        operator.outputs = np.array([result], np.int32)
        made = [
            self.reshape(source, seen),
            self.operator("PAD", [seen, self.constant(widths)], wide),
            operator,
            self.reshape(result, end.outputs[0]),
        ]
        return end.index, made

    def pool(self, operator: Any, before: int, count: int, after: int) -> list[Any]:
        """A REDUCE_MAX as a pool over all positions."""
        from ai_edge_litert import schema_py_generated as schema

        source, last = int(operator.inputs[0]), int(operator.outputs[0])
        seen, result = self.tensor(source, (before, 1, count, after)), self.tensor(source, (before, 1, 1, after))
        made = self.operator("MAX_POOL_2D", [seen], result)
        made.builtinOptionsType, options = schema.BuiltinOptions.Pool2DOptions, schema.Pool2DOptionsT()
        options.padding, options.strideH, options.strideW = schema.Padding.VALID, 1, 1
        options.filterHeight, options.filterWidth = 1, count
        made.builtinOptions = options
        return [self.reshape(source, seen), made, self.reshape(result, last)]

    def choice(self, operator: Any) -> list[Any]:
        """A function of bytes as a GATHER from its 256 results."""
        from ai_edge_litert import schema_py_generated as schema

        source, last = int(operator.inputs[0]), int(operator.outputs[0])
        every = np.arange(-128, 128, dtype=np.int8)
        table = self.tensor(last, (len(every),))
        buffer = schema.BufferT()
        buffer.data = self.litert(self.alone(operator), every).view(np.uint8)
        self.model.buffers.append(buffer)
        self.sub.tensors[table].buffer = len(self.model.buffers) - 1
        shape = self.sub.tensors[source].shape
        signed, place = (self.constant(np.zeros(1, np.int32)) for _ in range(2))
        for index in (signed, place):
            self.sub.tensors[index].shape, self.sub.tensors[index].buffer = shape, 0
        cast, gather = self.operator("CAST", [source], signed), self.operator("GATHER", [table, place], last)
        gather.builtinOptionsType, gather.builtinOptions = schema.BuiltinOptions.GatherOptions, schema.GatherOptionsT()
        add = self.operator("ADD", [signed, self.constant(np.array([128], np.int32))], place)
        add.builtinOptionsType, add.builtinOptions = schema.BuiltinOptions.AddOptions, schema.AddOptionsT()
        return [cast, add, gather]

    def alone(self, operator: Any) -> bytes:
        """A file of one operator, over all bytes."""
        from ai_edge_litert import schema_py_generated as schema

        made, graph, only = schema.ModelT(), schema.SubGraphT(), copy.deepcopy(operator)
        made.version, made.buffers, made.subgraphs = 3, [schema.BufferT()], [graph]
        made.operatorCodes = [self.model.operatorCodes[operator.opcodeIndex]]
        only.opcodeIndex, only.inputs, only.outputs = 0, np.array([0], np.int32), np.array([1], np.int32)
        graph.tensors = [copy.deepcopy(self.sub.tensors[int(i[0])]) for i in (operator.inputs, operator.outputs)]
        for tensor in graph.tensors:
            tensor.shape, tensor.shapeSignature, tensor.buffer = np.array([256], np.int32), None, 0
        graph.inputs, graph.outputs, graph.operators = only.inputs, only.outputs, [only]
        return pack(made)

    def copies(self, operator: Any) -> list[Any]:
        """A TILE as concatenations, at most ten inputs each."""
        source, counts = (int(i) for i in operator.inputs)
        repeats = self.graph.tensors[counts].data
        assert repeats is not None
        made: list[Any] = []
        for axis, count in enumerate(int(v) for v in repeats.reshape(-1)):
            made += self.along(source, axis, count) if count > 1 else []
            source = int(made[-1].outputs[0]) if made else source
        last = int(operator.outputs[0])
        if not made:
            return [self.reshape(source, last)]
        made[-1].outputs = np.array([last], np.int32)
        return made

    def along(self, source: int, axis: int, count: int) -> list[Any]:
        """`count` copies along an axis; more than a CONCATENATION takes are two halves."""
        made: list[Any] = []
        parts = [source] * count
        if count > _MOST_COPIES:
            made = self.along(source, axis, count // 2)
            parts = [int(made[-1].outputs[0])] * 2 + [source] * (count % 2)
        extents = [int(e) for e in self.sub.tensors[source].shape]
        target = self.tensor(source, (*extents[:axis], extents[axis] * count, *extents[axis + 1 :]))
        return [*made, self.join(parts, target, axis)]

    def join(self, sources: list[int], target: int, axis: int) -> Any:
        from ai_edge_litert import schema_py_generated as schema

        made = self.operator("CONCATENATION", sources, target)
        made.builtinOptionsType = schema.BuiltinOptions.ConcatenationOptions
        made.builtinOptions = schema.ConcatenationOptionsT()
        made.builtinOptions.axis = axis
        return made

    def reshape(self, source: int, target: int) -> Any:
        shape = np.array(self.sub.tensors[target].shape, np.int32)
        return self.operator("RESHAPE", [source, self.constant(shape)], target)

    def tensor(self, like: int, shape: tuple[int, ...]) -> int:
        """A new tensor of another shape, else as one of the file."""
        tensor = copy.deepcopy(self.sub.tensors[like])
        tensor.shape, tensor.shapeSignature, tensor.buffer = np.array(shape, np.int32), None, 0
        self.sub.tensors.append(tensor)
        return len(self.sub.tensors) - 1

    def constant(self, values: np.ndarray) -> int:
        from ai_edge_litert import schema_py_generated as schema

        buffer, tensor = schema.BufferT(), schema.TensorT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        tensor.name, tensor.shape = b"shape", np.array(values.shape, np.int32)
        tensor.type, tensor.buffer = schema.TensorType.INT32, len(self.model.buffers) - 1
        self.sub.tensors.append(tensor)
        return len(self.sub.tensors) - 1

    def operator(self, kind: str, inputs: list[int], output: int) -> Any:
        from ai_edge_litert import schema_py_generated as schema

        number = getattr(schema.BuiltinOperator, kind)
        codes = self.model.operatorCodes
        place = next((i for i, c in enumerate(codes) if max(c.builtinCode, c.deprecatedBuiltinCode) == number), None)
        if place is None:
            code = schema.OperatorCodeT()
            code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 1
            codes.append(code)
            place = len(codes) - 1
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = place, np.array(inputs, np.int32), np.array([output], np.int32)
        return made
