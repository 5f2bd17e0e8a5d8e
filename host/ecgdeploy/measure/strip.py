"""A few seconds of one record with its annotated beats and the device's verdicts, for the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ecgdeploy.ecg.aami import CLASS_OF
from ecgdeploy.ecg.record import Record
from ecgdeploy.ecg.views import TestView

SECONDS = 10.0


def make_strip(test: TestView, verdicts: np.ndarray, record_of: Callable[[str], Record]) -> dict[str, Any] | None:
    """The 10 s around the beat that shows most: as many measured beats as possible, an error if there is one.

    Parameters
    ----------
    verdicts : int [n], the device's class of every window.
    record_of : name to record.

    Returns
    -------
    dict or None
        Values for ``reports.plots.ecg_strip``; None when the windows have no place in a record.
    """
    if len(test) == 0 or (test.positions < 0).all():
        return None
    rate = record_of(str(test.record_ids[0])).rate
    span = SECONDS * rate
    best, best_key = 0, (-1, -1)
    wrong = (verdicts != test.targets) & (test.targets >= 0)
    for index in np.flatnonzero(wrong) if wrong.any() else range(len(test)):
        near = (test.record_ids == test.record_ids[index]) & (abs(test.positions - test.positions[index]) < span / 2)
        key = (int(near.sum()), int((near & ~wrong).sum()))
        if key > best_key:
            best, best_key = int(index), key
    record = record_of(str(test.record_ids[best]))
    start = int(np.clip(test.positions[best] - span / 2, 0, max(0, len(record.signal) - span)))
    stop = min(start + int(span), len(record.signal))
    measured = {int(p): int(v) for name, p, v in zip(test.record_ids, test.positions, verdicts, strict=True)
                if name == record.name}
    beats = []
    if record.annotations is not None:
        for sample, symbol in zip(record.annotations.samples, record.annotations.symbols, strict=True):
            if start <= sample < stop and symbol in CLASS_OF:
                verdict = measured.get(int(sample))
                beats.append({"time_s": int(sample) / rate, "annotated": CLASS_OF[symbol],
                              "device": None if verdict is None else test.classes[verdict]})
    lead = "MLII" if "MLII" in record.leads else record.leads[0]
    return {"record": record.name, "lead": lead, "rate_hz": rate, "start_s": start / rate, "beats": beats,
            "signal_mv": [round(float(v), 4) for v in record.lead(lead)[start:stop]]}
