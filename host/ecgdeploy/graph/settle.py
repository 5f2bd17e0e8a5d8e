"""A file converted with any batch size, read with batch 1: what computes shapes is computed, and shapes follow.

Keras' Dense over [time, channels], attention and unrolled GRUs leave chains such as SHAPE, GATHER, REDUCE_PROD, PACK in
such a file, and every tensor after them has the wrong shape in it (an unknown extent is written as 1). With batch 1 all
of it is known. TFLM takes the shapes that the file gives, so that it runs what `settled_file` writes, not such a file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from ecgdeploy.errors import ModelError
from ecgdeploy.graph.moves import slice_box
from ecgdeploy.graph.shapes import infer_shapes
from ecgdeploy.graph.types import Graph, Operator, Tensor

_FREE = ("RESHAPE", "EXPAND_DIMS", "SQUEEZE")
_LEFT_TO_OTHERS = frozenset({"SHAPE", "STRIDED_SLICE", "PACK", "CONCATENATION", *_FREE})
"""What computes shapes in files whose shapes are right: `simplify` drops it, and TFLM runs it."""
_INTEGERS = ("int32", "int64")
_MOST_ELEMENTS = 1 << 20
Constants = list[np.ndarray]


def settle(graph: Graph) -> Graph:
    """The graph with constants in the place of what only computes shapes, and with the shapes that follow.

    A graph is given back as it is where its shapes are right already, or where they cannot be known.
    """
    if not any(o.kind in ("SHAPE", "FILL") for o in graph.operators):
        return graph
    try:
        with np.errstate(all="ignore"):
            return _Settling(graph).run()
    except (ModelError, ArithmeticError, LookupError, ValueError, TypeError):  # later checks say what is wrong
        return graph


def settled_file(model: bytes) -> bytes:
    """The file of a settled graph; the same bytes where nothing had to be settled.

    Raises
    ------
    ModelError
        Damaged file.
    """
    from ecgdeploy.graph.reader import read_tflite
    from ecgdeploy.graph.rewrite import pack, prune, unpack

    graph = read_tflite(model, supported=False)
    if not graph.settled:
        return model
    found = unpack(model)
    write_settled(found, graph)
    sub = found.subgraphs[0]
    sub.operators = [o for number, o in enumerate(sub.operators) if number not in graph.settled]
    prune(found)
    return pack(found)


def write_settled(model: Any, graph: Graph) -> None:
    """Give the tensors of a schema object the shapes and constants of its settled graph."""
    from ai_edge_litert import schema_py_generated as schema

    sub = model.subgraphs[0]
    known = {index for o in sub.operators for index in o.outputs}
    for tensor, stored in zip(graph.tensors, sub.tensors, strict=False):
        stored.shape, stored.shapeSignature = np.array(tensor.shape, np.int32), None
        if tensor.data is not None and tensor.index in known:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(tensor.data.tobytes(), np.uint8)
            model.buffers.append(buffer)
            stored.buffer = len(model.buffers) - 1


class _Settling:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.tensors = list(graph.tensors)
        self.computed: list[Operator] = []
        self.moved = False

    def run(self) -> Graph:
        kept: list[Operator] = []
        for operator in self.graph.operators:
            result = self.constant(operator)
            if result is None:
                self.shapes(operator)
                kept.append(operator)
                continue
            target = self.tensors[operator.outputs[0]]
            stored = np.array(result, dtype=target.dtype, order="C")
            self.reshape(target, stored.shape)
            self.tensors[target.index] = replace(self.tensors[target.index], data=stored)
            self.computed.append(operator)
        if not self.moved and all(o.kind in _LEFT_TO_OTHERS for o in self.computed):
            return self.graph
        settled = frozenset(o.index for o in self.computed)
        return replace(self.graph, tensors=tuple(self.tensors), operators=tuple(kept), settled=settled)

    def constant(self, operator: Operator) -> np.ndarray | None:
        """Value of an operator that computes with nothing but shapes and constants, or None."""
        operands = [self.tensors[i] for i in operator.inputs if i >= 0]
        if len(operator.outputs) != 1 or len(operands) != len(operator.inputs) or not operands:
            return None
        target = self.tensors[operator.outputs[0]]
        if operator.kind == "SHAPE":
            return np.array(operands[0].shape, dtype=target.dtype) if target.dtype in _INTEGERS else None
        evaluate = _OF_CONSTANTS.get(operator.kind)
        if evaluate is None or any(t.data is None for t in operands):
            return None
        if target.dtype not in _INTEGERS and operator.kind != "FILL":
            return None
        data = [t.data for t in operands if t.data is not None]
        if sum(d.size for d in data) > _MOST_ELEMENTS:
            return None
        return evaluate(operator, operands, data)

    def shapes(self, operator: Operator) -> None:
        """Let the outputs of an operator follow its inputs, where those have other shapes than in the file."""
        operands = [self.tensors[i] if i >= 0 else None for i in operator.inputs]
        first = operands[0] if operands else None
        if operator.kind in _FREE:
            if first is not None:
                self.reshape(self.tensors[operator.outputs[0]], self.free(operator, first))
            return
        if not any(t is not None and t.shape != self.graph.tensors[t.index].shape for t in operands):
            computed = {i for o in self.computed for i in o.outputs}
            if not computed & set(operator.inputs):
                return
        inferred = infer_shapes(operator, operands)
        if inferred is None:
            raise ModelError(f"{self.graph.name}: {operator}: the shape of its output is not known", "")
        for index, shape in zip(operator.outputs, inferred, strict=True):
            self.reshape(self.tensors[index], shape)

    def free(self, operator: Operator, first: Tensor) -> tuple[int, ...]:
        """Shape that an operator gives the same bytes."""
        target = self.tensors[operator.outputs[0]]
        second = self.tensors[operator.inputs[1]] if len(operator.inputs) > 1 and operator.inputs[1] >= 0 else None
        known = second.data if second is not None and second.dtype in _INTEGERS else None
        if operator.kind == "RESHAPE" and known is not None:
            shape = [int(v) for v in known.reshape(-1)]
            if shape.count(-1) == 1:
                rest = prod(v for v in shape if v != -1)
                shape[shape.index(-1)] = first.elements // max(rest, 1)
            return tuple(shape) if prod(shape) == first.elements else target.shape
        if operator.kind == "EXPAND_DIMS" and known is not None and known.size == 1:
            axis = int(known.reshape(-1)[0]) % (len(first.shape) + 1)
            return (*first.shape[:axis], 1, *first.shape[axis:])
        if operator.kind == "SQUEEZE" and target.elements != first.elements:
            return tuple(e for e in first.shape if e != 1)
        return target.shape

    def reshape(self, tensor: Tensor, shape: tuple[int, ...]) -> None:
        if tensor.shape == tuple(shape):
            return
        if prod(shape) > _MOST_ELEMENTS * 64 or any(v < 1 for v in shape):
            raise ModelError(f"{self.graph.name}: {tensor} would be {list(shape)}", "")
        self.moved = True
        self.tensors[tensor.index] = replace(tensor, shape=tuple(int(v) for v in shape))


def _strided_slice(operator: Operator, tensors: list[Tensor], data: Constants) -> np.ndarray:
    begins, sizes, steps = slice_box(operator, tensors)
    box = tuple(np.arange(b, b + n * s, s) for b, n, s in zip(begins, sizes, steps, strict=True))
    result = data[0][np.ix_(*box)]
    shrink = operator.options.get("shrink_axis_mask", 0)
    return result.reshape(tuple(n for i, n in enumerate(sizes) if not shrink >> i & 1))


def _gather(operator: Operator, tensors: list[Tensor], data: Constants) -> np.ndarray:  # noqa: ARG001
    if operator.options["batch_dims"]:
        raise ValueError
    return np.take(data[0], data[1], axis=operator.options["axis"])


def _product(operator: Operator, tensors: list[Tensor], data: Constants) -> np.ndarray:  # noqa: ARG001
    axes = tuple(int(v) for v in data[1].reshape(-1))
    return np.prod(data[0], axis=axes, keepdims=bool(operator.options["keep_dims"]), dtype=data[0].dtype)


def _fill(operator: Operator, tensors: list[Tensor], data: Constants) -> np.ndarray:  # noqa: ARG001
    shape = [int(v) for v in data[0].reshape(-1)]
    if prod(shape) > _MOST_ELEMENTS or any(v < 1 for v in shape):
        raise ValueError
    return np.full(shape, data[1].reshape(-1)[0])


_OF_CONSTANTS: dict[str, Callable[[Operator, list[Tensor], Constants], np.ndarray]] = {
    "STRIDED_SLICE": _strided_slice,
    "SLICE": _strided_slice,
    "GATHER": _gather,
    "REDUCE_PROD": _product,
    "FILL": _fill,
    "PACK": lambda operator, _, data: np.stack(data, axis=operator.options["axis"]),
    "CONCATENATION": lambda operator, _, data: np.concatenate(data, axis=operator.options["axis"]),
    "RESHAPE": lambda _, __, data: data[0].reshape([int(v) for v in data[1].reshape(-1)]),
    "EXPAND_DIMS": lambda _, __, data: np.expand_dims(data[0], int(data[1].reshape(-1)[0])),
    "CAST": lambda _, __, data: data[0],
    "ADD": lambda _, __, data: data[0] + data[1],
    "SUB": lambda _, __, data: data[0] - data[1],
    "MUL": lambda _, __, data: data[0] * data[1],
    "MAXIMUM": lambda _, __, data: np.maximum(data[0], data[1]),
    "MINIMUM": lambda _, __, data: np.minimum(data[0], data[1]),
}
"""Arithmetic of shapes; a FILL (the first state of a recurrent layer) of any type."""
