"""A task seen through fewer leads and fewer outputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


class SomeLeads:
    """Lazy view of windows [n, samples, leads] with some leads; memory-mapped data stay on disk."""

    ndim = 3

    def __init__(self, inputs: Any, leads: Sequence[int]) -> None:
        self.inputs, self.leads = inputs, list(leads)
        self.shape = (*inputs.shape[:2], len(self.leads))
        self.dtype = np.dtype(np.float32)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        return np.asarray(self.inputs[rows])[..., self.leads]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or np.float32, copy=bool(copy))

    def setflags(self, write: bool) -> None:
        """Views freeze their arrays; this one cannot be written anyway."""


@dataclass(frozen=True)
class SubsetTask:
    """`task` with the leads and classes of the given numbers."""

    task: Any
    leads: tuple[int, ...]
    outputs: tuple[int, ...]

    def _cut(self, view: Any) -> Any:
        inputs = view.inputs if self.leads == tuple(range(view.inputs.shape[2])) else SomeLeads(view.inputs, self.leads)
        if isinstance(view.inputs, np.ndarray) and isinstance(inputs, SomeLeads):
            inputs = np.ascontiguousarray(inputs[:])
        return dataclasses.replace(
            view,
            inputs=inputs,
            targets=np.ascontiguousarray(view.targets[:, list(self.outputs)]),
            classes=tuple(view.classes[i] for i in self.outputs),
            provenance=view.provenance | {"leads": list(self.leads), "outputs": len(self.outputs)},
        )

    def train(self) -> Any:
        """Training view."""
        return self._cut(self.task.train())

    def validation(self) -> Any:
        """Validation view."""
        return self._cut(self.task.validation())

    def calibration(self, n: int = 512, seed: int = 0) -> Any:
        """Calibration view, from training records."""
        return self._cut(self.task.calibration(n, seed))

    def test(self, limit_per_record: int | None = None) -> Any:
        """Test view."""
        return self._cut(self.task.test(limit_per_record))
