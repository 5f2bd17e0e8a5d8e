"""Write small .tflite files straight through the flatbuffers schema, without TensorFlow: fast enough for thousands."""

from __future__ import annotations

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_TYPES = {
    "int8": schema.TensorType.INT8,
    "int16": schema.TensorType.INT16,
    "uint8": schema.TensorType.UINT8,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
    "float32": schema.TensorType.FLOAT32,
    "float16": schema.TensorType.FLOAT16,
}
SAME, VALID = schema.Padding.SAME, schema.Padding.VALID
ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}


class Builder:
    """One subgraph; `tensor` and `operator` return tensor indices."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.description = b"test"
        empty = schema.BufferT()
        self.model.buffers = [empty]
        self.model.operatorCodes = []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs, self.graph.outputs = [], []
        self.model.subgraphs = [self.graph]

    def tensor(self, shape, dtype="int8", scale=None, zero_point=0, data=None, axis=0, variable=False):
        """A tensor; `scale` a number or an array (per channel)."""
        t = schema.TensorT()
        t.name = f"t{len(self.graph.tensors)}".encode()
        t.shape, t.type, t.isVariable = [int(v) for v in shape], _TYPES[dtype], variable
        t.hasRank = True
        t.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            t.buffer = len(self.model.buffers) - 1
        if scale is not None:
            q = schema.QuantizationParametersT()
            q.scale = np.atleast_1d(np.asarray(scale, np.float32))
            q.zeroPoint = np.broadcast_to(np.asarray(zero_point, np.int64), q.scale.shape).copy()
            q.quantizedDimension = axis
            t.quantization = q
        self.graph.tensors.append(t)
        return len(self.graph.tensors) - 1

    def constant(self, data, dtype=None, scale=None, zero_point=0, axis=0):
        """A constant tensor of `data`."""
        array = np.asarray(data)
        return self.tensor(array.shape, dtype or str(array.dtype), scale, zero_point, array, axis)

    def input(self, *args, **kwargs):
        """A tensor that is a graph input."""
        index = self.tensor(*args, **kwargs)
        self.graph.inputs.append(index)
        return index

    def operator(self, kind, inputs, outputs, options=None):
        """An operator; `options` is a (type name, {field: value}) pair."""
        code = getattr(schema.BuiltinOperator, kind)
        codes = [known.builtinCode for known in self.model.operatorCodes]
        if code in codes:
            index = codes.index(code)
        else:
            known = schema.OperatorCodeT()
            known.builtinCode, known.deprecatedBuiltinCode, known.version = code, min(code, 127), 1
            self.model.operatorCodes.append(known)
            index = len(self.model.operatorCodes) - 1
        op = schema.OperatorT()
        op.opcodeIndex, op.inputs, op.outputs = index, list(inputs), list(outputs)
        if options:
            name, fields = options
            op.builtinOptionsType = getattr(schema.BuiltinOptions, name)
            op.builtinOptions = getattr(schema, name + "T")()
            for field, value in fields.items():
                assert hasattr(op.builtinOptions, field), field
                setattr(op.builtinOptions, field, value)
        self.graph.operators.append(op)
        return outputs[0]

    def finish(self, outputs):
        """The file's bytes."""
        self.graph.outputs = list(outputs)
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(self.model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


def unary(kind, scale, zero_point, out_scale, out_zero_point, options=None, shape=(1, 256)):
    """A model of one int8 element-wise operator."""
    b = Builder()
    x = b.input(shape, "int8", scale, zero_point)
    y = b.tensor(shape, "int8", out_scale, out_zero_point)
    b.operator(kind, [x], [y], options)
    return b.finish([y])
