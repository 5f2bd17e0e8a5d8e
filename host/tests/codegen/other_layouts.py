"""The same model with values that run in another layout than their readers': what a RESHAPE in a network leads to."""

import copy

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ecgdeploy.graph import read_tflite
from ecgdeploy.graph.rewrite import pack, unpack

WAYS = ("row", "column", "pairs")
"""One position of all channels, one channel at all positions, two channels."""


def behind_reshapes(model: bytes, seed: int, share: float = 1.0) -> bytes:
    """`model` with a LEAKY_RELU in another layout, between two RESHAPEs, on `share` of its activations."""
    draw = np.random.default_rng(seed)
    graph, found = read_tflite(model), unpack(model)
    edit = _Edit(found)
    written = {index: number for number, o in enumerate(graph.operators) for index in o.outputs}
    read = {index for o in graph.operators for index in o.inputs}
    for tensor in graph.tensors:
        index = tensor.index
        inside = index in written or index in graph.inputs
        if not inside or index not in read or tensor.dtype not in ("int8", "int16", "float32") or draw.random() > share:
            continue
        edit.stand_between(index, written.get(index, -1), _other(tensor.shape, str(draw.choice(WAYS))))
    edit.finish()
    return pack(found)


def _other(shape: tuple[int, ...], way: str) -> tuple[int, ...]:
    elements = int(np.prod(shape))
    return {"row": (1, elements), "column": (elements, 1), "pairs": (elements // 2, 2)}[
        way if way != "pairs" or elements % 2 == 0 else "column"
    ]


class _Edit:
    def __init__(self, model) -> None:
        self.model, self.graph = model, model.subgraphs[0]
        self.after: dict[int, list] = {}
        self.old = list(self.graph.operators)

    def stand_between(self, index: int, number: int, shape: tuple[int, ...]) -> None:
        """Let every reader of tensor `index`, which operator `number` writes, read it behind the three operators."""
        there, back = self.tensor(index, shape), self.tensor(index, shape)
        again = self.tensor(index, tuple(int(v) for v in self.graph.tensors[index].shape))
        for operator in self.old:
            operator.inputs = [again if int(i) == index else int(i) for i in operator.inputs]
        leaky = self.operator("LEAKY_RELU", [there], back)
        leaky.builtinOptionsType = schema.BuiltinOptions.LeakyReluOptions
        leaky.builtinOptions = schema.LeakyReluOptionsT()
        leaky.builtinOptions.alpha = 0.9
        made = [self.reshape(index, there, shape), leaky, self.reshape(back, again, self.graph.tensors[again].shape)]
        self.after.setdefault(number, []).extend(made)

    def finish(self) -> None:
        kept = list(self.after.get(-1, []))
        for number, operator in enumerate(self.old):
            kept += [operator, *self.after.get(number, [])]
        self.graph.operators = kept

    def tensor(self, like: int, shape: tuple[int, ...]) -> int:
        made = copy.deepcopy(self.graph.tensors[like])
        made.shape, made.buffer, made.shapeSignature = np.array(shape, np.int32), 0, None
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def reshape(self, source: int, target: int, shape):
        buffer, tensor = schema.BufferT(), schema.TensorT()
        buffer.data = np.frombuffer(np.array(shape, np.int32).tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        tensor.name, tensor.shape = b"shape", np.array([len(shape)], np.int32)
        tensor.type, tensor.buffer = schema.TensorType.INT32, len(self.model.buffers) - 1
        self.graph.tensors.append(tensor)
        return self.operator("RESHAPE", [source, len(self.graph.tensors) - 1], target)

    def operator(self, kind: str, inputs: list[int], output: int):
        number = getattr(schema.BuiltinOperator, kind)
        codes = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in self.model.operatorCodes]
        if number not in codes:
            code = schema.OperatorCodeT()
            code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 1
            self.model.operatorCodes.append(code)
            codes.append(number)
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = codes.index(number), inputs, [output]
        return made
