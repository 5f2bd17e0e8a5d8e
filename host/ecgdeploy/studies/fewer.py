"""A task with fewer examples, for the quick form of a study: which ones, and how many, is in the provenance."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np


def balanced(targets: np.ndarray, count: int, classes: int, seed: int) -> np.ndarray:
    """Rows of `count` examples: as many of each class where there are enough, the rest at random; sorted."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(targets))
    if targets.ndim > 1 or count >= len(targets):
        return np.sort(order[:count])
    chosen = np.concatenate([order[targets[order] == c][: count // classes] for c in range(classes)])
    rest = order[~np.isin(order, chosen)]
    return np.sort(np.concatenate((chosen, rest[: count - len(chosen)])))


def rows_of(view: Any, rows: np.ndarray, note: dict[str, Any]) -> Any:
    """The view with these rows; `note` goes into its provenance."""
    names = ["targets", "record_ids", "positions"] + (["person"] if getattr(view, "person", None) is not None else [])
    parts = {name: np.ascontiguousarray(getattr(view, name)[rows]) for name in names}
    inputs = np.ascontiguousarray(view.inputs[rows])
    return dataclasses.replace(view, inputs=inputs, **parts, provenance=view.provenance | {"fewer": note})


@dataclass(frozen=True)
class Fewer:
    """`task` with at most so many training and validation examples, and test examples of each record.

    Attributes
    ----------
    samples : int, optional
        Only the first so many samples of each example.
    leads : tuple of int, optional
        Only these leads.
    """

    task: Any
    training: int
    choosing: int
    test_per_record: int | None = None
    seed: int = 0
    samples: int | None = None
    leads: tuple[int, ...] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The task's."""
        return tuple(self.task.classes)

    @property
    def input_shape(self) -> tuple[int, int]:
        """Samples and leads."""
        samples, leads = self.task.input_shape
        return self.samples or samples, leads if self.leads is None else len(self.leads)

    def _cut(self, view: Any) -> Any:
        if self.samples is None and self.leads is None:
            return view
        leads = list(self.leads) if self.leads is not None else list(range(view.inputs.shape[2]))
        inputs = np.ascontiguousarray(view.inputs[:][:, : self.samples, leads])
        note = {"first_samples": self.samples, "lead_numbers": leads}
        return dataclasses.replace(view, inputs=inputs, provenance=view.provenance | note)

    def train(self) -> Any:
        """Training view, the classes as even as the data allow."""
        view = self.task.train()
        rows = balanced(np.asarray(view.targets), self.training, len(self.classes), self.seed)
        return self._cut(rows_of(view, rows, {"examples": len(rows), "of": len(view), "seed": self.seed}))

    def validation(self) -> Any:
        """Validation view, evenly spaced."""
        view = self.task.validation()
        rows = np.unique(np.linspace(0, len(view) - 1, min(self.choosing, len(view))).astype(int))
        return self._cut(rows_of(view, rows, {"examples": len(rows), "of": len(view)}))

    def calibration(self, n: int = 512, seed: int = 0) -> Any:
        """Calibration view, from training records."""
        return self._cut(self.task.calibration(n, seed))

    def test(self, limit_per_record: int | None = None) -> Any:
        """Test view."""
        return self._cut(self.task.test(limit_per_record or self.test_per_record))
