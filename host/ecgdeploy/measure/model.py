"""A model file as ``measure`` sees it: its hash, and how its inputs and outputs are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.errors import DataError
from ecgdeploy.graph import read_tflite
from ecgdeploy.measure.quantized import TensorCoding
from ecgdeploy.provenance import sha256_file


def litert_coding(detail: dict[str, Any]) -> TensorCoding:
    """Coding of a LiteRT tensor detail."""
    scale, zero_point = detail["quantization"]
    shape = tuple(int(extent) for extent in detail["shape"])
    return TensorCoding(np.dtype(detail["dtype"]), float(scale), int(zero_point), shape)


def paired(codings: Sequence[TensorCoding], arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """`arrays` [n, ...] in the order of the tensors that take them: converters reorder them, sizes tell them apart.

    Raises
    ------
    DataError
        Another number of inputs, or sizes that do not tell.
    """
    if len(codings) == len(arrays) == 1:
        return list(arrays)
    sizes = [int(np.prod(array.shape[1:])) for array in arrays]
    wanted = [int(np.prod(coding.shape)) for coding in codings]
    if sorted(sizes) != sorted(wanted) or len(set(sizes)) != len(sizes):
        raise DataError(f"inputs of {wanted} values, the task gives {sizes}", "choose a --task made for this model")
    return [arrays[sizes.index(size)] for size in wanted]


@dataclass(frozen=True)
class ModelFile:
    """A ``.tflite`` file and the coding of its inputs and outputs, in tensor order.

    Attributes
    ----------
    output_names : the file's signature names of the outputs; converters reorder outputs, so only these tell them apart.
    logits : it ends in a dense layer without an activation: its outputs are no probabilities.
    """

    path: Path
    sha256: str
    inputs: tuple[TensorCoding, ...]
    outputs: tuple[TensorCoding, ...]
    output_names: tuple[str, ...] = ()
    logits: bool = False

    @classmethod
    def read(cls, path: Path) -> ModelFile:
        """Read and check a model file; raises ModelError when it is damaged or not supported."""
        graph = read_tflite(path, supported=False)  # whether the engine runs it was asked when it was built

        def coding(index: int) -> TensorCoding:
            tensor = graph.tensors[index]
            quantization, shape = tensor.quantization, tuple(tensor.shape)
            if quantization is None or not len(quantization.scales):
                return TensorCoding(np.dtype(tensor.dtype), 0.0, 0, shape)
            return TensorCoding(np.dtype(tensor.dtype), quantization.scale, quantization.zero_point, shape)

        inputs, outputs = tuple(map(coding, graph.inputs)), tuple(map(coding, graph.outputs))
        ends = [operator for operator in graph.operators if operator.kind not in ("RESHAPE", "QUANTIZE", "DEQUANTIZE")]
        logits = bool(ends) and ends[-1].kind == "FULLY_CONNECTED" and ends[-1].options.get("activation") == "NONE"
        return cls(path, sha256_file(path), inputs, outputs, tuple(graph.output_names), logits)

    def class_order(self, groups: Mapping[str, tuple[int, int]], classes: int) -> list[int]:
        """Outputs in the order of a task's classes.

        Parameters
        ----------
        groups : name of a group of classes to its (first, one past last) class.
        classes : number of classes.

        Raises
        ------
        DataError
            The model's outputs are not the task's classes.
        """
        sizes = [int(np.prod(coding.shape)) for coding in self.outputs]
        wrong = DataError(f"{self.path.name}: outputs of {sizes} values do not match the task's {classes} classes",
                          "choose a --task made for this model")
        if sum(sizes) != classes:
            raise wrong
        if len(sizes) == 1:
            return [0]
        extents = [(group, end - first) for group, (first, end) in sorted(groups.items(), key=lambda item: item[1])]
        order = []
        for group, extent in extents:
            found = [k for k, name in enumerate(self.output_names) if group in name]
            # files without telling names: a size that only one head has tells as much
            found = found or [k for k, size in enumerate(sizes) if size == extent]
            if len(found) != 1 or sizes[found[0]] != extent:
                raise wrong
            order.append(found[0])
        if sorted(order) != list(range(len(sizes))):
            raise wrong
        return order
