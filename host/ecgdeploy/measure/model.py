"""A model file as ``measure`` sees it: its hash, and how its inputs and outputs are stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.graph import read_tflite
from ecgdeploy.measure.quantized import TensorCoding
from ecgdeploy.provenance import sha256_file


def litert_coding(detail: dict[str, Any]) -> TensorCoding:
    """Coding of a LiteRT tensor detail."""
    scale, zero_point = detail["quantization"]
    shape = tuple(int(extent) for extent in detail["shape"])
    return TensorCoding(np.dtype(detail["dtype"]), float(scale), int(zero_point), shape)


@dataclass(frozen=True)
class ModelFile:
    """A ``.tflite`` file and the coding of its inputs and outputs, in tensor order."""

    path: Path
    sha256: str
    inputs: tuple[TensorCoding, ...]
    outputs: tuple[TensorCoding, ...]

    @classmethod
    def read(cls, path: Path) -> ModelFile:
        """Read and check a model file; raises ModelError when it is damaged or not supported."""
        graph = read_tflite(path)

        def coding(index: int) -> TensorCoding:
            tensor = graph.tensors[index]
            quantization, shape = tensor.quantization, tuple(tensor.shape)
            if quantization is None or not len(quantization.scales):
                return TensorCoding(np.dtype(tensor.dtype), 0.0, 0, shape)
            return TensorCoding(np.dtype(tensor.dtype), quantization.scale, quantization.zero_point, shape)

        return cls(path, sha256_file(path), tuple(map(coding, graph.inputs)), tuple(map(coding, graph.outputs)))
