"""What a Jetson's bundle has besides: the float network as ``model.onnx``, checked, and golden vectors for TensorRT."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.errors import ModelError
from ecgdeploy.graph import Graph, read_tflite
from ecgdeploy.projects.bundle import BUNDLE, golden_windows
from ecgdeploy.projects.onnx_export import available, difference, export
from ecgdeploy.projects.types import Request
from ecgdeploy.provenance import sha256_bytes

ONNX = "model.onnx"
ONNX_GOLDEN = "onnx_golden.json"
# float32 sums in another order, on another kind of processor
TOLERANCE = 1e-3


def onnx_files(request: Request) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Files for the project and facts for its manifest; both empty for a board without TensorRT.

    A build that cannot have the file goes on without it, and the manifest says why.

    Raises
    ------
    ModelError
        The file was written, and onnxruntime's answers are not LiteRT's.
    """
    if request.board.linux is None or request.board.linux.gpu != "tensorrt":
        return {}, {}
    if not available():
        return {}, _without("onnx and onnxruntime are not installed: pip install 'ecgdeploy[jetson]'")
    data = _float_model(request)
    if data is None:
        return {}, _without("the model is not float and has no float sibling: --float-model")
    graph = read_tflite(data, supported=False, name=request.model.name)
    try:
        content = export(graph)
    except ModelError as error:
        return {}, _without(error.message)
    from ecgdeploy.reference import LiteRtReference

    run = LiteRtReference(data).run
    windows = golden_windows(graph, run)
    inputs = [
        [np.frombuffer(bytes.fromhex(text), np.float32).reshape(graph.tensor(index).shape)
         for text, index in zip(window["inputs"], graph.inputs, strict=True)]
        for window in windows
    ]  # fmt: skip
    facts = {"onnx": sha256_bytes(content), "onnx_difference": difference(content, inputs, run)}
    golden = json.dumps({"tolerance": TOLERANCE, "windows": windows}, sort_keys=True) + "\n"
    return {f"{BUNDLE}/{ONNX}": content, f"{BUNDLE}/{ONNX_GOLDEN}": golden.encode()}, facts


def _without(reason: str) -> dict[str, Any]:
    return {"onnx": None, "onnx_reason": reason}


def _float_model(request: Request) -> bytes | None:
    """The model itself where it is float, else its float sibling."""
    if _is_float(request.model.graph):
        return request.model.data
    given = request.options.get("float_model")
    if given is None:
        return None
    path = Path(given)
    if not path.is_file():
        raise ModelError(f"no model file {path}", "give the float32 .tflite of the same network")
    return path.read_bytes()


def _is_float(graph: Graph) -> bool:
    ends = [graph.tensor(index) for index in (*graph.inputs, *graph.outputs)]
    return all(tensor.dtype == "float32" for tensor in ends) and not any(
        tensor.data is not None and tensor.dtype == "int8" for tensor in graph.tensors
    )
