"""Offset and scale of each lead, from training records only; the one step that a device repeats to the bit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ecgdeploy.ecg import views
from ecgdeploy.ecg.preprocessing.pipeline import Step
from ecgdeploy.ecg.record import Record
from ecgdeploy.errors import DataError

# a lead that is flat in all training records would be divided by zero; 1 uV is below every amplifier's noise
SMALLEST_SCALE_MV = 1e-3


@dataclass(frozen=True)
class Standardize(Step):
    """``(x - mean) / scale`` for each lead, in float32: one subtraction, one division, each rounded once.

    Parameters
    ----------
    mean, scale : tuple of float
        In mV, one each for a lead, or one for all leads. They are rounded to float32 here, once.
    """

    kind: ClassVar[str] = "standardize"
    mean: tuple[float, ...]
    scale: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("mean", "scale"):
            values = getattr(self, name)
            if not isinstance(values, tuple) or not values or not np.isfinite(np.array(values, np.float64)).all():
                raise DataError(f"step '{self.kind}': {name} = {values}", "give one finite number a lead")
            object.__setattr__(self, name, tuple(float(np.float32(value)) for value in values))
        if len(self.mean) != len(self.scale) or min(self.scale) <= 0:
            raise DataError(f"step '{self.kind}': scales {self.scale}", "one positive scale a mean")

    def __call__(self, record: Record) -> Record:
        """The record in units of the scale."""
        if len(self.mean) not in (1, len(record.leads)):
            raise DataError(
                f"record {record.name}: {len(record.leads)} leads, statistics of {len(self.mean)}",
                "standardize after the leads are selected",
            )
        return record.with_signal(self.array(record.signal))

    def array(self, signal: np.ndarray) -> np.ndarray:
        """The same on an array whose last axis is the leads, float32 in and out."""
        mean, scale = np.array(self.mean, np.float32), np.array(self.scale, np.float32)
        return (signal.astype(np.float32, copy=False) - mean) / scale

    @classmethod
    def fit(cls, view: views.TrainView) -> Standardize:
        """Mean and standard deviation of each lead over a training view.

        Raises
        ------
        DataError
            Any other view: statistics of validation or test data would leak.
        """
        inputs = views.require(view, views.TrainView, "the statistics of standardization").inputs
        return cls.from_signals(np.asarray(inputs[i : i + 256]) for i in range(0, len(inputs), 256))

    @classmethod
    def from_signals(cls, blocks: Iterable[np.ndarray]) -> Standardize:
        """Mean and standard deviation over blocks [..., leads], held one at a time.

        The caller answers for their being training data; tasks do, by their split.
        """
        count, total, squares = 0, np.zeros(1), np.zeros(1)
        for block in blocks:
            flat = block.reshape(-1, block.shape[-1]).astype(np.float64)
            count += len(flat)
            total = total + flat.sum(axis=0)
            squares = squares + (flat**2).sum(axis=0)
        if count == 0:
            raise DataError("no training signals to standardize by", "check the split")
        mean = total / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
        if not np.isfinite(mean).all():
            raise DataError("training signals have samples without a value", "fill-missing first")
        return cls(tuple(mean.tolist()), tuple(np.maximum(deviation, SMALLEST_SCALE_MV).tolist()))
