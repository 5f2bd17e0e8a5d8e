"""Which leads a model sees, in which order; limb leads that are not there are derived from those that are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ecgdeploy.ecg.preprocessing.pipeline import Step
from ecgdeploy.ecg.record import Record, canonical_lead
from ecgdeploy.errors import DataError, unknown

ABSENT = ("error", "zero")
# every limb lead is a I + b II: Einthoven's law (III = II - I) and Goldberger's definitions of the augmented leads
_LIMB = {
    "I": (1.0, 0.0),
    "II": (0.0, 1.0),
    "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5),
    "aVL": (1.0, -0.5),
    "aVF": (-0.5, 1.0),
}


@dataclass(frozen=True)
class SelectLeads(Step):
    """The leads of a model, by name.

    Parameters
    ----------
    leads : tuple of str
        In the model's order.
    absent : {"error", "zero"}
        What to do about a lead that is neither there nor derivable.
    derive : bool
        Compute missing limb leads from any two others (I and II give III, aVR, aVL, aVF, and so on).
    """

    kind: ClassVar[str] = "select-leads"
    leads: tuple[str, ...]
    absent: str = "error"
    derive: bool = True

    def __post_init__(self) -> None:
        if self.absent not in ABSENT:
            raise unknown("way to treat an absent lead", self.absent, ABSENT)
        if not self.leads or len(set(map(canonical_lead, self.leads))) != len(self.leads):
            raise DataError(f"step '{self.kind}': leads {self.leads}", "name each lead once")

    def __call__(self, record: Record) -> Record:
        """The record with exactly these leads."""
        columns, remarks = [], []
        for name in map(canonical_lead, self.leads):
            if name in record.leads:
                columns.append(record.lead(name))
                continue
            derived = derive_limb_lead(record, name) if self.derive else None
            if derived is not None:
                columns.append(derived)
                remarks.append(f"lead {name} was derived")
            elif self.absent == "zero":
                columns.append(np.zeros(record.samples, np.float32))
                remarks.append(f"lead {name} is missing and was set to zero")
            else:
                raise DataError(
                    f"record {record.name} has no lead {name} (it has {', '.join(record.leads)})",
                    "choose another lead, or absent = zero",
                )
        leads = tuple(map(canonical_lead, self.leads))
        return record.with_signal(np.stack(columns, axis=1), leads=leads, remarks=(*record.remarks, *remarks))


def derive_limb_lead(record: Record, name: str) -> np.ndarray | None:
    """A limb lead from two others, float32 [samples] in mV; None where that cannot be done."""
    if name not in _LIMB:
        return None
    present = [lead for lead in record.leads if lead in _LIMB]
    for i, first in enumerate(present):
        for second in present[i + 1 :]:
            matrix = np.array([_LIMB[first], _LIMB[second]]).T
            if abs(np.linalg.det(matrix)) > 1e-9:
                a, b = np.linalg.solve(matrix, np.array(_LIMB[name]))
                pair = record.lead(first).astype(np.float64), record.lead(second).astype(np.float64)
                return (a * pair[0] + b * pair[1]).astype(np.float32)
    return None
