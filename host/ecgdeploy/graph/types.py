"""The typed, frozen graph that every later step reads: tensors, quantization, operators, inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

ITEM_BYTES = {
    "float32": 4, "float16": 2, "int32": 4, "uint8": 1, "int64": 8, "bool": 1, "int16": 2, "int8": 1, "float64": 8,
    "uint32": 4, "uint16": 2, "uint64": 8,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Quantization:
    """Affine quantization: real = scale * (q - zero_point).

    Attributes
    ----------
    scales : float32 array, shape [1] or [channels along `axis`]
    zero_points : int64 array of the same shape
    axis : int
        Tensor dimension the scales run along (0 where there is one scale).
    """

    scales: np.ndarray
    zero_points: np.ndarray
    axis: int = 0

    @property
    def scale(self) -> float:
        """Scale of a tensor quantized as a whole (float32 value)."""
        return float(self.scales[0])

    @property
    def zero_point(self) -> int:
        """Zero point of a tensor quantized as a whole."""
        return int(self.zero_points[0])

    @property
    def per_channel(self) -> bool:
        """Whether there is a scale per channel."""
        return len(self.scales) > 1


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor; `data` (read-only array of `shape`) is None unless it is constant."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None = None
    data: np.ndarray | None = None
    variable: bool = False

    @property
    def elements(self) -> int:
        """Number of elements."""
        count = 1
        for extent in self.shape:
            count *= extent
        return count

    @property
    def bytes(self) -> int:
        """Size of the tensor in bytes."""
        return self.elements * ITEM_BYTES[self.dtype]

    def __str__(self) -> str:
        name = self.name if len(self.name) <= 60 else "..." + self.name[-57:]
        return f"tensor {self.index} '{name}' {self.dtype}{list(self.shape)}"


@dataclass(frozen=True, eq=False)
class Operator:
    """One operator in execution order; an absent optional input has index -1."""

    kind: str
    index: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __str__(self) -> str:
        return f"operator {self.index} {self.kind}"


@dataclass(frozen=True, eq=False)
class Graph:
    """One network, as its file says it (or simplified: see `ecgdeploy.graph.simplify`).

    Attributes
    ----------
    tensors : tuple of Tensor, by index
    operators : tuple of Operator, in execution order
    inputs, outputs : tensor indices
    sha256 : SHA-256 of the file's bytes
    name : what to call the model in messages (file name or "model")
    settled : indices of the file's operators that were computed when it was read, and whose results' shapes are not
        those of the file (`ecgdeploy.graph.settle`): TFLM cannot run the file as it is
    """

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    sha256: str
    name: str = "model"
    output_names: tuple[str, ...] = ()
    settled: frozenset[int] = frozenset()

    def tensor(self, index: int) -> Tensor:
        """Tensor by index."""
        return self.tensors[index]

    def operator_inputs(self, operator: Operator) -> list[Tensor | None]:
        """Input tensors of `operator`; None for an absent one."""
        return [self.tensors[i] if i >= 0 else None for i in operator.inputs]
