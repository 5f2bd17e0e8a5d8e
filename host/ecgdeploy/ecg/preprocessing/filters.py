"""Filters over whole records: band-pass, mains notch, baseline removal. They run on the host only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ecgdeploy.ecg.preprocessing.pipeline import Step, positive
from ecgdeploy.ecg.record import Record
from ecgdeploy.errors import DataError


def _no_gaps(step: Step, record: Record) -> None:
    if not np.isfinite(record.signal).all():
        # a recursive filter would turn one missing sample into a missing lead
        raise DataError(f"record {record.name}: step '{step.kind}' met samples without a value", "fill-missing first")


def _below_nyquist(step: Step, record: Record, frequency: float) -> None:
    if frequency >= record.rate / 2:
        raise DataError(
            f"record {record.name}: step '{step.kind}' at {frequency:g} Hz, the record has {record.rate:g} Hz",
            "a filter works below half the sampling rate",
        )


@dataclass(frozen=True)
class BandPass(Step):
    """Butterworth filter, run forwards and backwards so that it shifts nothing.

    Parameters
    ----------
    low, high : float or None
        Corner frequencies in Hz; None leaves that side open.
    order : int
        Order of one pass.
    """

    kind: ClassVar[str] = "band-pass"
    low: float | None = 0.5
    high: float | None = 40.0
    order: int = 3

    def __post_init__(self) -> None:
        positive(self, low=self.low, high=self.high, order=self.order)
        if (self.low is None and self.high is None) or (self.low or 0) >= (self.high or float("inf")):
            raise DataError(f"step '{self.kind}': from {self.low} to {self.high} Hz", "low lies below high")

    def __call__(self, record: Record) -> Record:
        """The filtered record."""
        from scipy.signal import butter, sosfiltfilt

        _no_gaps(self, record)
        if self.high is not None:
            _below_nyquist(self, record, self.high)
        if self.low is not None:
            _below_nyquist(self, record, self.low)
        if self.low is not None and self.high is not None:
            corners, shape = [self.low, self.high], "bandpass"
        else:
            corners, shape = (self.low, "highpass") if self.low is not None else (self.high, "lowpass")  # type: ignore
        sections = butter(self.order, corners, shape, fs=record.rate, output="sos")
        pad = min(record.samples - 1, int(3 * record.rate))
        filtered = sosfiltfilt(sections, record.signal.astype(np.float64), axis=0, padlen=pad)
        return record.with_signal(filtered)


@dataclass(frozen=True)
class Notch(Step):
    """Second-order notch at the mains frequency, run forwards and backwards."""

    kind: ClassVar[str] = "notch"
    frequency: float = 50.0
    quality: float = 30.0

    def __post_init__(self) -> None:
        positive(self, frequency=self.frequency, quality=self.quality)

    def __call__(self, record: Record) -> Record:
        """The filtered record."""
        from scipy.signal import filtfilt, iirnotch

        _no_gaps(self, record)
        _below_nyquist(self, record, self.frequency)
        b, a = iirnotch(self.frequency, self.quality, fs=record.rate)
        pad = min(record.samples - 1, int(record.rate))
        return record.with_signal(filtfilt(b, a, record.signal.astype(np.float64), axis=0, padlen=pad))


@dataclass(frozen=True)
class RemoveBaseline(Step):
    """Subtract the baseline found by two running medians (de Chazal, O'Dwyer, Reilly 2004, section II-B).

    Parameters
    ----------
    first, second : float
        Window lengths in seconds: 0.2 s takes out P waves and QRS complexes, 0.6 s the T waves.
    """

    kind: ClassVar[str] = "remove-baseline"
    first: float = 0.2
    second: float = 0.6

    def __post_init__(self) -> None:
        positive(self, first=self.first, second=self.second)

    def __call__(self, record: Record) -> Record:
        """The record without its baseline."""
        from scipy.ndimage import median_filter

        _no_gaps(self, record)
        baseline = record.signal
        for seconds in (self.first, self.second):
            length = max(1, round(seconds * record.rate)) | 1
            baseline = np.stack([median_filter(lead, length, mode="nearest") for lead in baseline.T], axis=1)
        return record.with_signal(record.signal - baseline)
