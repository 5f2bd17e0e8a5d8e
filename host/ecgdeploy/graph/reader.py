"""Read a ``.tflite`` file into a `Graph`, trusting nothing in it."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ecgdeploy.errors import ModelError
from ecgdeploy.graph import schema
from ecgdeploy.graph.checks import check_graph, check_supported
from ecgdeploy.graph.flatbuffer import Damaged, Table
from ecgdeploy.graph.settle import settle
from ecgdeploy.graph.types import ITEM_BYTES, Graph, Operator, Quantization, Tensor
from ecgdeploy.provenance import sha256_bytes

MAX_FILE_BYTES = 1 << 28
MAX_TABLES = 20_000
MAX_RANK = 8
MAX_ELEMENTS = 1 << 26
MAX_OPERANDS = 1024

_REEXPORT = "export it again and copy the whole file"
_FIXED = "export with batch 1 (keras.Input(..., batch_size=1)) and fixed lengths"


def read_tflite(source: Path | str | bytes, *, supported: bool = True, name: str | None = None) -> Graph:
    """Read a model.

    Parameters
    ----------
    source : path of a ``.tflite`` file, or its bytes
    supported : bool
        Refuse operators and element types that the static engine does not run, float16 among them (else only damage
        is refused).
    name : str, optional
        What to call the model in messages; default: the file's name.

    Returns
    -------
    Graph
        As the file says it; `ecgdeploy.graph.simplify` folds what costs nothing.

    Raises
    ------
    ModelError
        Damaged or truncated file; several subgraphs; dynamic shapes; float16 or dynamic-range weights; unsupported
        operator (named, with its place and what to do).
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        data, label = bytes(source), name or "model"
    else:
        path = Path(source)
        label = name or path.name
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise ModelError(
                    f"{label}: larger than {MAX_FILE_BYTES >> 20} MiB", "no device here takes such a model"
                )
            data = path.read_bytes()
        except OSError as error:
            raise ModelError(
                f"{label}: cannot be read ({error.strerror})", "give the path of a .tflite file"
            ) from error
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise ModelError(f"{label}: not a .tflite file (no TFL3 mark)", "give a LiteRT flatbuffer model")
    try:
        graph = _read(data, label)
    except Damaged as damage:
        raise ModelError(f"{label}: damaged or truncated .tflite file: {damage}", _REEXPORT) from damage
    check_graph(graph)
    graph = settle(graph)
    if supported:
        check_supported(graph)
    return graph


def _read(data: bytes, label: str) -> Graph:
    model = Table.root(data)
    version = model.integer(schema.MODEL_VERSION, "I")
    if version != 3:
        raise Damaged(f"schema version {version}, not 3")
    subgraphs = model.tables(schema.MODEL_SUBGRAPHS, MAX_TABLES)
    kinds = [_kind(code) for code in model.tables(schema.MODEL_OPERATOR_CODES, MAX_TABLES)]
    if len(subgraphs) != 1:
        what = _loop(subgraphs[0], kinds) if subgraphs else ""
        raise ModelError(
            f"{label}: {what or 'has'} {len(subgraphs)} subgraphs (control flow such as WHILE or IF), one is supported",
            "export without loops: give LSTM and GRU layers unroll=True, or an LSTM as UNIDIRECTIONAL_SEQUENCE_LSTM",
        )
    buffers = model.tables(schema.MODEL_BUFFERS, 4 * MAX_TABLES)
    sub = subgraphs[0]
    tensors = tuple(
        _tensor(index, table, buffers, label)
        for index, table in enumerate(sub.tables(schema.SUBGRAPH_TENSORS, MAX_TABLES))
    )
    operators = tuple(
        _operator(index, table, kinds, len(tensors))
        for index, table in enumerate(sub.tables(schema.SUBGRAPH_OPERATORS, MAX_TABLES))
    )
    inputs = _indices(sub, schema.SUBGRAPH_INPUTS, len(tensors), "graph inputs")
    outputs = _indices(sub, schema.SUBGRAPH_OUTPUTS, len(tensors), "graph outputs")
    if not inputs or not outputs:
        raise Damaged("the graph has no inputs or no outputs")
    tables = sub.tables(schema.SUBGRAPH_TENSORS, MAX_TABLES)
    for index in inputs:  # a dynamic batch is 1; what follows from it has concrete shapes, which are checked
        signature = tables[index].array(schema.TENSOR_SIGNATURE, "<i4")
        if signature is not None and any(int(v) < 0 for v in signature[: MAX_RANK + 1][1:]):
            raise ModelError(
                f"{label}: input {tensors[index]} has a dynamic shape {[int(v) for v in signature[: MAX_RANK + 1]]}",
                _FIXED,
            )
    names = _signature_names(model)
    return Graph(
        tensors, operators, inputs, outputs, sha256_bytes(data), label,
        tuple(names.get(i, tensors[i].name) for i in outputs),
    )  # fmt: skip


def _loop(graph: Table, kinds: list[str]) -> str:
    """First operator that runs another subgraph, with what it writes: its name tells the layer."""
    names = [table.text(schema.TENSOR_NAME, 256) for table in graph.tables(schema.SUBGRAPH_TENSORS, MAX_TABLES)]
    for index, table in enumerate(graph.tables(schema.SUBGRAPH_OPERATORS, MAX_TABLES)):
        operator = _operator(index, table, kinds, len(names))
        if operator.kind in ("WHILE", "IF", "CALL", "CALL_ONCE"):
            written = f" (tensor {operator.outputs[-1]} '{names[operator.outputs[-1]]}')" if operator.outputs else ""
            return f"{operator}{written} runs one of"
    return ""


def _signature_names(model: Table) -> dict[int, str]:
    """Output names by tensor index from the first signature (file names of tensors say little)."""
    try:
        signatures = model.tables(schema.MODEL_SIGNATURES, 64)
        maps = signatures[0].tables(schema.SIGNATURE_OUTPUTS, 256) if signatures else []
        return {m.integer(schema.SIGNATURE_MAP_TENSOR, "I"): m.text(schema.SIGNATURE_MAP_NAME, 64) for m in maps}
    except Damaged:
        return {}


def _kind(code: Table) -> str:
    builtin = max(code.integer(schema.CODE_BUILTIN, "i"), code.integer(schema.CODE_DEPRECATED, "b"))
    name = schema.builtin_name(builtin)
    return f"CUSTOM '{code.text(schema.CODE_CUSTOM, 64)}'" if name == "CUSTOM" else name


def _indices(table: Table, slot: int, count: int, what: str, *, optional: bool = False) -> tuple[int, ...]:
    values = table.array(slot, "<i4")
    if values is None:
        return ()
    if len(values) > MAX_OPERANDS:
        raise Damaged(f"{what}: {len(values)} entries")
    result = tuple(int(v) for v in values)
    if any(v >= count or v < (-1 if optional else 0) for v in result):
        raise Damaged(f"{what}: no such tensor among {count}")
    return result


def _tensor(index: int, table: Table, buffers: list[Table], label: str) -> Tensor:
    name = table.text(schema.TENSOR_NAME, 256)
    place = f"{label}: tensor {index} '{name}'"
    code = table.integer(schema.TENSOR_TYPE, "b")
    dtype = schema.DTYPES.get(code)
    if dtype is None:
        raise Damaged(f"tensor {index} has element type {code}")
    if dtype == "bfloat16":
        raise ModelError(f"{place} is {dtype}; no engine computes in it", "export float32 or float16")
    shape_values = table.array(schema.TENSOR_SHAPE, "<i4")
    shape = tuple(int(v) for v in shape_values[: MAX_RANK + 1]) if shape_values is not None else ()
    if len(shape) > MAX_RANK:
        raise Damaged(f"tensor {index} has more than {MAX_RANK} dimensions")
    if any(v < 0 for v in shape):
        raise ModelError(f"{place} has a dynamic shape {list(shape)}", _FIXED)
    elements = 1
    for extent in shape:
        if extent == 0:
            raise Damaged(f"tensor {index} has no elements: shape {list(shape)}")
        elements *= extent
    if elements > MAX_ELEMENTS:
        raise Damaged(f"tensor {index} claims {elements} elements")
    if table.table(schema.TENSOR_SPARSITY) is not None:
        raise ModelError(f"{place} is stored sparse", "export without sparse storage (DENSIFY)")
    if dtype in ("int2", "uint4"):
        raise ModelError(f"{place} is {dtype}", "export int8 or int4 weights; the engine packs fewer bits itself")
    four_bits = dtype == "int4"  # constants only: two to a byte, read as the int8 values that they are
    dtype = "int8" if four_bits else dtype
    if dtype not in ITEM_BYTES:
        raise ModelError(f"{place} has element type {dtype}", "export an int8 or float32 network")
    buffer_index = table.integer(schema.TENSOR_BUFFER, "I")
    if buffer_index >= len(buffers):
        raise Damaged(f"tensor {index} points to buffer {buffer_index} of {len(buffers)}")
    if buffers[buffer_index].integer(schema.BUFFER_OFFSET, "Q") > 1:
        raise ModelError(f"{place} keeps its data outside the flatbuffer", "export a model smaller than 2 GB")
    raw = buffers[buffer_index].array(schema.BUFFER_DATA, "u1")
    data = None
    if raw is not None and len(raw):
        if four_bits and len(raw) == -(-elements // 2):
            raw = _nibbles(raw)[:elements]
        if len(raw) != elements * ITEM_BYTES[dtype]:
            raise Damaged(f"tensor {index} '{name}' of {elements} {dtype} has {len(raw)} bytes of data")
        stored = np.dtype(dtype if dtype != "bool" else "u1").newbyteorder("<")
        data = np.frombuffer(raw.tobytes(), dtype=stored).reshape(shape)
        if dtype in ("float32", "float64") and not np.isfinite(data).all():
            raise Damaged(f"tensor {index} '{name}' holds values that are not finite")
    if four_bits and data is None:
        raise ModelError(f"{place} is int4 and no constant", "export int8 activations")
    variable = bool(table.integer(schema.TENSOR_VARIABLE, "B"))
    return Tensor(index, name, shape, dtype, _quantization(index, table, shape, dtype), data, variable)


def _nibbles(raw: np.ndarray) -> np.ndarray:
    """Signed 4-bit values, low nibble first, as bytes."""
    both = np.stack([raw & 15, raw >> 4], axis=1).reshape(-1).astype(np.uint8)
    return ((both ^ 8) - 8).astype(np.uint8)


_ZERO_POINTS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767), "int32": (0, 0), "int64": (0, 0)}


def _quantization(index: int, table: Table, shape: tuple[int, ...], dtype: str) -> Quantization | None:
    parameters = table.table(schema.TENSOR_QUANTIZATION)
    if parameters is None:
        return None
    scales = parameters.array(schema.QUANTIZATION_SCALE, "<f4")
    zero_points = parameters.array(schema.QUANTIZATION_ZERO_POINT, "<i8")
    if scales is None or len(scales) == 0:
        return None
    axis = parameters.integer(schema.QUANTIZATION_AXIS)
    if len(scales) > 1 and (not 0 <= axis < len(shape) or len(scales) != shape[axis]):
        raise Damaged(f"tensor {index} has {len(scales)} scales along dimension {axis} of {list(shape)}")
    if zero_points is None or len(zero_points) == 0:
        zero_points = np.zeros(len(scales), np.int64)
    if len(zero_points) != len(scales):
        if len(zero_points) != 1:
            raise Damaged(f"tensor {index} has {len(scales)} scales and {len(zero_points)} zero points")
        zero_points = np.full(len(scales), zero_points[0], np.int64)
    if not np.isfinite(scales).all() or (scales < 0).any():
        raise Damaged(f"tensor {index} has a scale that is negative or not finite")
    low, high = _ZERO_POINTS.get(dtype, (0, 0))
    if dtype in _ZERO_POINTS and ((zero_points < low).any() or (zero_points > high).any()):
        raise Damaged(f"tensor {index} {dtype} has a zero point outside {low}..{high}")
    return Quantization(np.array(scales, np.float32), np.array(zero_points, np.int64), axis if len(scales) > 1 else 0)


def _operator(index: int, table: Table, kinds: list[str], tensors: int) -> Operator:
    code = table.integer(schema.OPERATOR_CODE, "I")
    if code >= len(kinds):
        raise Damaged(f"operator {index} has code {code} of {len(kinds)}")
    kind = kinds[code]
    inputs = _indices(table, schema.OPERATOR_INPUTS, tensors, f"inputs of operator {index}", optional=True)
    outputs = _indices(table, schema.OPERATOR_OUTPUTS, tensors, f"outputs of operator {index}")
    options: dict[str, Any] = {}
    options_table = schema.BUILTINS[kind][1] if kind in schema.BUILTINS else ""
    if options_table:
        number, fields = schema.OPTIONS[options_table]
        stored = table.table(schema.OPERATOR_OPTIONS)
        stored_number = table.integer(schema.OPERATOR_OPTIONS_TYPE, "B")
        if stored is not None and stored_number not in (0, number):
            raise Damaged(f"operator {index} {kind} has the options of another operator")
        for option, (slot, code_letter, default) in fields.items():
            value = stored.scalar(slot, code_letter, default) if stored is not None else default
            options[option] = value if code_letter == "f" else int(value)
        for option, names in (("padding", schema.PADDINGS), ("activation", schema.ACTIVATIONS)):
            if option in options:
                if options[option] not in names:
                    raise Damaged(f"operator {index} {kind} has {option} {options[option]}")
                options[option] = names[options[option]]
    return Operator(kind, index, inputs, outputs, MappingProxyType(options))
