"""Gaps, length and offset of a record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ecgdeploy.ecg import windows
from ecgdeploy.ecg.preprocessing.pipeline import Step, positive
from ecgdeploy.ecg.record import Record
from ecgdeploy.errors import unknown

ANCHORS = ("start", "centre")


@dataclass(frozen=True)
class FillMissing(Step):
    """Straight lines over samples without a value; a lead without any value becomes zero."""

    kind: ClassVar[str] = "fill-missing"

    def __call__(self, record: Record) -> Record:
        """The record without gaps."""
        bad = ~np.isfinite(record.signal)
        if not bad.any():
            return record
        signal = record.signal.copy()
        places = np.arange(record.samples)
        for column in np.flatnonzero(bad.any(axis=0)):
            good = ~bad[:, column]
            values = signal[good, column] if good.any() else np.zeros(1, np.float32)
            known = places[good] if good.any() else np.zeros(1)
            signal[~good, column] = np.interp(places[~good], known, values)
        return record.with_signal(signal, remarks=(*record.remarks, f"{int(bad.sum())} missing samples were filled"))


@dataclass(frozen=True)
class PadCrop(Step):
    """Exactly `samples` samples.

    Parameters
    ----------
    samples : int
    anchor : {"start", "centre"}
        Which part of a long record stays, and where a short one is put.
    value : float
        What a short record is filled up with, in mV.
    """

    kind: ClassVar[str] = "pad-crop"
    samples: int
    anchor: str = "start"
    value: float = 0.0

    def __post_init__(self) -> None:
        positive(self, samples=self.samples)
        if self.anchor not in ANCHORS:
            raise unknown("anchor", self.anchor, ANCHORS)

    def __call__(self, record: Record) -> Record:
        """The record in its new length; annotations outside it are dropped."""
        surplus = record.samples - self.samples
        first = surplus // 2 if self.anchor == "centre" else 0
        signal = np.full((self.samples, len(record.leads)), self.value, np.float32)
        kept = record.signal[max(first, 0) : max(first, 0) + self.samples]
        signal[max(-first, 0) : max(-first, 0) + len(kept)] = kept
        annotations = record.annotations
        if annotations is not None:
            moved = replace(annotations, samples=annotations.samples - first)
            annotations = moved.select((moved.samples >= 0) & (moved.samples < self.samples))
        return record.with_signal(signal, annotations=annotations)


@dataclass(frozen=True)
class Centre(Step):
    """Subtract each lead's mean over the record, by the arithmetic of `windows.centre`."""

    kind: ClassVar[str] = "centre"

    def __call__(self, record: Record) -> Record:
        """The record with leads of mean zero."""
        return record.with_signal(windows.centre(record.signal.T).T)
