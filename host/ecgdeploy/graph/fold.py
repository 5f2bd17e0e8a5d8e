"""Conv1D without its ballast: EXPAND_DIMS and RESHAPE pairs folded away, so that a network is 1xk Conv2D throughout.

Keras writes Conv1D as EXPAND_DIMS, CONV_2D, RESHAPE: the same bytes under another shape. TFLM runs each of them, keeps
a structure for each, and needs both kernels in flash. Here a tensor keeps the shape its producer gave it; an operator
that computes position by position (ADD, RELU, ...) or puts channels side by side takes that shape too; only where an
operator really needs the other shape does one reshape stay. No arithmetic is touched: the outputs are identical.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecgdeploy.errors import ModelError
from ecgdeploy.graph.inputs import random_inputs
from ecgdeploy.graph.rewrite import opcode, pack, prune, unpack, used

SAME_BYTES = frozenset({"EXPAND_DIMS", "RESHAPE", "SQUEEZE"})
# their result at a position depends on that position alone, whatever the rank
BY_POSITION = frozenset(
    {"ADD", "SUB", "MUL", "RELU", "RELU6", "LEAKY_RELU", "LOGISTIC", "TANH", "HARD_SWISH", "QUANTIZE", "DEQUANTIZE"}
)


@dataclass(frozen=True)
class Folded:
    """A folded model and what it saved.

    Attributes
    ----------
    model : bytes
        The new ``.tflite`` file; the old one where nothing was to be saved.
    operators_before, operators_after : int
    bytes_before, bytes_after : int
        Of the file.
    kinds_dropped : tuple of str
        Kinds of operator that the model no longer needs, so that their kernels need not be linked.
    """

    model: bytes
    operators_before: int
    operators_after: int
    bytes_before: int
    bytes_after: int
    kinds_dropped: tuple[str, ...]

    @property
    def saved(self) -> bool:
        """Whether anything was folded."""
        return self.operators_after < self.operators_before

    def line(self) -> str:
        """What it saved, one line."""
        dropped = f"; no longer needs {', '.join(self.kinds_dropped)}" if self.kinds_dropped else ""
        return (
            f"{self.operators_before} operators are {self.operators_after}, {self.bytes_before:,} bytes are "
            f"{self.bytes_after:,}{dropped}"
        )


def fold_conv1d(model: bytes) -> Folded:
    """Fold shape-only operators out of a model file.

    Parameters
    ----------
    model : bytes
        A ``.tflite`` file with batch 1.

    Raises
    ------
    ModelError
        Not a ``.tflite`` file of one subgraph.
    """
    found = unpack(model)
    graph = found.subgraphs[0]
    before = [opcode(found, operator) for operator in graph.operators]
    _Folder(found).run()
    prune(found)
    after = [opcode(found, operator) for operator in graph.operators]
    if len(after) >= len(before):
        return Folded(model, len(before), len(before), len(model), len(model), ())
    packed = pack(found)
    dropped = tuple(sorted(set(before) - set(after)))
    return Folded(packed, len(before), len(after), len(model), len(packed), dropped)


def checked_fold(
    model: bytes,
    interpreter: Callable[[bytes], Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]],
    windows: int = 4,
) -> Folded:
    """`fold_conv1d`, and the proof: an interpreter gives the same bytes before and after.

    Parameters
    ----------
    model : bytes
        A ``.tflite`` file with batch 1.
    interpreter : callable
        A model file -> a function from one inference's inputs to its outputs.
    windows : int
        Random inferences that are compared; more tell little, since no arithmetic is touched.

    Raises
    ------
    ModelError
        As `fold_conv1d`; or the outputs differ.
    """
    folded = fold_conv1d(model)
    if not folded.saved:
        return folded
    before, after = interpreter(model), interpreter(folded.model)
    for inputs in random_inputs(model, windows, 0):
        for one, other in zip(before(inputs), after(inputs), strict=True):
            if np.asarray(one).tobytes() != np.asarray(other).tobytes():
                raise ModelError(
                    "the folded model's outputs are not the model's", "deploy the model as it is, and report this"
                )
    return folded


class _Folder:
    """One pass over the operators in order; `root` says which tensor holds a tensor's bytes."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.graph = model.subgraphs[0]
        self.shapes = [_shape(tensor) for tensor in self.graph.tensors]  # as the file says
        self.now = list(self.shapes)  # as the rewritten file will say
        self.root = list(range(len(self.shapes)))
        self.made_by: dict[int, Any] = {}  # tensor -> the shape-only operator that wrote it
        self.reshaped: dict[tuple[int, tuple[int, ...]], int] = {}
        self.kept: list[Any] = []
        # what a RESHAPE looks like in this file: those that have to be added are like it
        reshapes = [made for made in self.graph.operators if opcode(model, made) == "RESHAPE"]
        self.pattern = copy.deepcopy(next((made for made in reshapes if len(used(made.inputs)) == 2), None))

    def run(self) -> None:
        outputs = set(used(self.graph.outputs))
        for operator in self.graph.operators:
            kind = opcode(self.model, operator)
            if kind in SAME_BYTES and self._only_renames(operator):
                target = used(operator.outputs)[0]
                self.root[target] = self.root[used(operator.inputs)[0]]
                self.made_by[target] = operator
                continue
            taken = (kind in BY_POSITION and self._take_over_shape(operator, outputs)) or (
                kind == "CONCATENATION" and self._take_over_channels(operator, outputs)
            )
            if not taken:
                operator.inputs = np.array([self._as_written(int(index)) for index in operator.inputs], dtype=np.int32)
            self.kept.append(operator)
        # a model's outputs keep their tensors, names and shapes
        for index in sorted(outputs):
            if self.root[index] != index:
                operator = self.made_by[index]
                operator.inputs = np.array([self.root[index], *list(operator.inputs)[1:]], dtype=np.int32)
                self.kept.append(operator)
        self._as_reshapes()
        self.graph.operators = self.kept

    def _as_reshapes(self) -> None:
        """Write what is left of EXPAND_DIMS and SQUEEZE as RESHAPE, if there is one anyway: a kernel less to link."""
        if self.pattern is None or not any(opcode(self.model, operator) == "RESHAPE" for operator in self.kept):
            return
        for operator in self.kept:
            if opcode(self.model, operator) in SAME_BYTES - {"RESHAPE"}:
                target = used(operator.outputs)[0]
                made, _ = self._new_reshape(used(operator.inputs)[0], self.shapes[target])
                operator.opcodeIndex, operator.inputs = made.opcodeIndex, made.inputs
                operator.builtinOptions, operator.builtinOptionsType = made.builtinOptions, made.builtinOptionsType

    def _only_renames(self, operator: Any) -> bool:
        source, target = used(operator.inputs)[0], used(operator.outputs)[0]
        one, two = self.graph.tensors[source], self.graph.tensors[target]
        return (
            one.type == two.type
            and not self._constant(source)
            and not one.isVariable
            and np.prod(self.shapes[source]) == np.prod(self.shapes[target])
            and _scales(one) == _scales(two)
        )

    def _constant(self, index: int) -> bool:
        data = self.model.buffers[self.graph.tensors[index].buffer].data
        return data is not None and len(data) > 0

    def _take_over_shape(self, operator: Any, outputs: set[int]) -> bool:
        """Let an operator work on its inputs' present shape, if they agree and its output is like them."""
        if self.pattern is None:  # it may have to be undone further down
            return False
        target = used(operator.outputs)[0]
        computed = [index for index in used(operator.inputs) if not self._constant(index)]
        present = {self.now[self.root[index]] for index in computed}
        if target in outputs or len(present) != 1 or len({self.shapes[index] for index in computed}) != 1:
            return False
        shape = present.pop()
        if self.shapes[target] != self.shapes[computed[0]] or not _trailing(shape, self.shapes[target]):
            return False
        constants = [self.shapes[index] for index in used(operator.inputs) if self._constant(index)]
        if any(len(constant) > 1 and int(np.prod(constant[:-1])) != 1 for constant in constants):
            return False
        operator.inputs = np.array(
            [self.root[index] if index in computed else index for index in map(int, operator.inputs)], dtype=np.int32
        )
        self.now[target] = shape
        self.graph.tensors[target].shape = np.array(shape, dtype=np.int32)
        self.graph.tensors[target].shapeSignature = None
        return True

    def _take_over_channels(self, operator: Any, outputs: set[int]) -> bool:
        """Let channels be put side by side in their present shape, if all of them have it."""
        inputs, target = used(operator.inputs), used(operator.outputs)[0]
        axis, rank = operator.builtinOptions.axis, len(self.shapes[target])
        if self.pattern is None or target in outputs or any(self._constant(index) for index in inputs):
            return False
        present = [self.now[self.root[index]] for index in inputs]
        if axis % rank != rank - 1 or len({shape[:-1] for shape in present}) != 1:
            return False
        written = [self.shapes[index] for index in inputs]
        shape = (*present[0][:-1], self.shapes[target][-1])
        if not all(map(_trailing, present, written)) or not _trailing(shape, self.shapes[target]):
            return False
        operator.inputs = np.array([self.root[index] for index in inputs], dtype=np.int32)
        operator.builtinOptions.axis = len(shape) - 1
        self.now[target] = shape
        self.graph.tensors[target].shape = np.array(shape, dtype=np.int32)
        self.graph.tensors[target].shapeSignature = None
        return True

    def _as_written(self, index: int) -> int:
        """A tensor with the bytes and the shape that the file gave tensor `index`; one reshape for each shape."""
        if index < 0:
            return index
        source, shape = self.root[index], self.shapes[index]
        if self.now[source] == shape:
            return source
        key = (source, shape)
        if key not in self.reshaped:
            self.reshaped[key] = self._reshape(index, source, shape)
        return self.reshaped[key]

    def _reshape(self, index: int, source: int, shape: tuple[int, ...]) -> int:
        operator = self.made_by.get(index)
        if operator is None:  # `index` is itself the source, and works in another shape now
            operator, index = self._new_reshape(index, shape)
        operator.inputs = np.array([source, *list(operator.inputs)[1:]], dtype=np.int32)
        self.kept.append(operator)
        return index

    def _new_reshape(self, index: int, shape: tuple[int, ...]) -> tuple[Any, int]:
        """A RESHAPE like one the file has, and the tensor it writes."""
        pattern = self.pattern
        assert pattern is not None
        operator = copy.deepcopy(pattern)
        tensor = copy.deepcopy(self.graph.tensors[index])
        tensor.shape = np.array(shape, dtype=np.int32)
        tensor.name = (tensor.name or b"") + b"/reshaped"
        wanted = copy.deepcopy(self.graph.tensors[int(pattern.inputs[1])])
        wanted.shape = np.array([len(shape)], dtype=np.int32)
        wanted.buffer = len(self.model.buffers)
        buffer = copy.deepcopy(self.model.buffers[0])
        buffer.data = np.frombuffer(np.array(shape, dtype=np.int32).tobytes(), dtype=np.uint8)
        self.model.buffers.append(buffer)
        self.graph.tensors += [tensor, wanted]
        made = len(self.graph.tensors) - 2
        self.shapes += [shape, (len(shape),)]
        self.now += [shape, (len(shape),)]
        self.root += [made, made + 1]
        operator.inputs = np.array([index, made + 1], dtype=np.int32)
        operator.outputs = np.array([made], dtype=np.int32)
        if operator.builtinOptions is not None:
            operator.builtinOptions.newShape = np.array(shape, dtype=np.int32)
        return operator, made


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(int(extent) for extent in (tensor.shape if tensor.shape is not None else ()))


def _scales(tensor: Any) -> tuple:
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None:
        return ()
    return tuple(map(float, quantization.scale)), tuple(int(point) for point in quantization.zeroPoint)


def _trailing(shape: tuple[int, ...], written: tuple[int, ...]) -> bool:
    """Whether the two differ only by extents of 1 and end in the same channels: constants still broadcast."""
    if not shape or not written or shape[-1] != written[-1]:
        return False
    return [extent for extent in shape if extent != 1] == [extent for extent in written if extent != 1]
