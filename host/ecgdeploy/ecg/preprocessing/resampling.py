"""Another sampling rate, by polyphase filtering or by cubic spline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar

import numpy as np

from ecgdeploy.ecg.preprocessing.pipeline import Step, positive
from ecgdeploy.ecg.record import Record
from ecgdeploy.errors import DataError, unknown

METHODS = ("polyphase", "cubic")


@dataclass(frozen=True)
class Resample(Step):
    """Bring a record to `rate`; annotations move with it.

    Parameters
    ----------
    rate : float
        Samples a second afterwards.
    method : {"polyphase", "cubic"}
        ``polyphase`` filters against aliasing; ``cubic`` interpolates (as some papers do) and does not: put a
        band-pass before it when the rate goes down.
    """

    kind: ClassVar[str] = "resample"
    rate: float
    method: str = "polyphase"

    def __post_init__(self) -> None:
        positive(self, rate=self.rate)
        if self.method not in METHODS:
            raise unknown("resampling method", self.method, METHODS)

    def __call__(self, record: Record) -> Record:
        """The record at the new rate; ``ceil(samples * new / old)`` samples."""
        if record.rate == self.rate:
            return record
        if not np.isfinite(record.signal).all():
            raise DataError(f"record {record.name}: resampling met samples without a value", "fill-missing first")
        ratio = Fraction(self.rate).limit_denominator(10_000) / Fraction(record.rate).limit_denominator(10_000)
        samples = -(-record.samples * ratio.numerator // ratio.denominator)
        if self.method == "polyphase":
            from scipy.signal import resample_poly

            # padded by its own edge values: zeros would pull the ends of an offset signal down
            signal = resample_poly(
                record.signal.astype(np.float64), ratio.numerator, ratio.denominator, axis=0, padtype="line"
            )
        else:
            from scipy.interpolate import CubicSpline

            if record.samples < 2:
                raise DataError(f"record {record.name}: one sample cannot be interpolated", "leave the record out")
            places = np.minimum(np.arange(samples) / float(ratio), record.samples - 1)
            signal = CubicSpline(np.arange(record.samples), record.signal.astype(np.float64), axis=0)(places)
        annotations = record.annotations
        if annotations is not None:
            moved = np.minimum(np.round(annotations.samples * float(ratio)).astype(np.int64), samples - 1)
            annotations = replace(annotations, samples=moved)
        return record.with_signal(signal, rate=float(self.rate), annotations=annotations)
