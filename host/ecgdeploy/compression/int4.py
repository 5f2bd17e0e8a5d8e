"""The same file with int4 tensors: what LiteRT can store of weights of at most 4 bits.

TFLM takes int4 weights of convolutions only; its FULLY_CONNECTED with int8 activations refuses them.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ecgdeploy.compression.bits import KINDS


def with_int4_tensors(content: bytes, kinds: Collection[str] = tuple(KINDS)) -> bytes:
    """The file with every weight tensor whose values are within -8..7 stored two to a byte; results are the same.

    Parameters
    ----------
    kinds : operators whose weights may be so

    Raises
    ------
    ModelError
        Not a model file.
    """
    from ai_edge_litert import schema_py_generated as schema

    from ecgdeploy.graph.rewrite import opcode, pack, prune, unpack

    model = unpack(content)
    graph = model.subgraphs[0]
    for operator in graph.operators:
        if opcode(model, operator) not in kinds:
            continue
        tensor = graph.tensors[operator.inputs[1]]
        data = model.buffers[tensor.buffer].data
        if tensor.type != schema.TensorType.INT8 or data is None or not len(data):
            continue
        values = np.asarray(data, np.uint8).view(np.int8)
        if values.min() < -8 or values.max() > 7:
            continue
        nibbles = np.append(values, np.zeros(len(values) % 2, np.int8)).view(np.uint8) & 15
        buffer = schema.BufferT()
        buffer.data = (nibbles[::2] | nibbles[1::2] << 4).astype(np.uint8)
        model.buffers.append(buffer)
        tensor.buffer = len(model.buffers) - 1
        tensor.type = schema.TensorType.INT4
    prune(model)
    return pack(model)
