"""The device's errors a cardiologist would ask for first, each with the ECG that it was made on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ecgdeploy.ecg.record import Record
from ecgdeploy.ecg.views import TestView

#: how many are kept, the missed ones first
LIMIT = 6
#: seconds shown of a record in which the answer is about one beat, and of one in which it is about the whole
BEAT_SECONDS, RECORD_SECONDS = 6.0, 10.0
#: what must not be missed, most dangerous first; other classes follow in the task's own order
URGENT = ("VF", "VT", "V", "AFIB", "AF", "A", "MI", "STTC", "CD")
#: what a miss of is a false alarm: normal, and unreadable
HARMLESS = ("N", "NORM", "SR", "SNR", "~", "Q")
#: of the leads a record has, the ones that are drawn
SHOWN = (("II", "V1", "V5"), ("MLII",), ("II",), ("I",))


def make_mistakes(
    test: TestView, scores: np.ndarray, record_of: Callable[[str], Record] | None
) -> list[dict[str, Any]]:
    """Errors to show, the gravest first.

    First, class by class in the order of `URGENT`, the miss with the lowest score of the true class; then the false
    alarm with the highest score; then the most confident of what is left. No record is shown twice while another has
    an error too.

    Parameters
    ----------
    scores : float [n, classes]
        What the device answered. One label a window: its verdict is the largest; many labels: each above 0.5.
    record_of : callable or None
        Name to record; without it the model's own input is drawn.

    Returns
    -------
    list of dict
        ``record``, ``time_s``, ``why``, ``annotated``, ``device`` (lists of classes), ``score`` (of the class in
        question), ``class``, ``rate_hz`` (None: not known), ``start_s`` and ``leads`` (name to microvolts, int).
    """
    found: list[dict[str, Any]] = []
    seen: set[str] = set()
    later: list[tuple[int, int, str]] = []
    for index, cls, why in _ranked(test, scores):
        if str(test.record_ids[index]) in seen:
            later.append((index, cls, why))
            continue
        seen.add(str(test.record_ids[index]))
        found.append(_shown(test, scores, index, cls, why, record_of))
        if len(found) == LIMIT:
            return found
    taken = {(mistake["index"], mistake["class"]) for mistake in found}
    for index, cls, why in later:
        if len(found) < LIMIT and (index, test.classes[cls]) not in taken:
            taken.add((index, test.classes[cls]))
            found.append(_shown(test, scores, index, cls, why, record_of))
    return found


def _ranked(test: TestView, scores: np.ndarray) -> Iterator[tuple[int, int, str]]:
    """Window, class and kind of every error, the ones to show first; rounds of one per class, so that none crowds."""
    true, said = _labels(test, scores)
    missed, alarms = true & ~said, said & ~true
    names = list(test.classes)
    order = [names.index(name) for name in URGENT if name in names]
    order += [k for k in range(len(names)) if k not in order and names[k] not in HARMLESS]
    by_class = {k: np.flatnonzero(missed[:, k]) for k in order}
    sure = {k: rows[np.argsort(scores[rows, k], kind="stable")] for k, rows in by_class.items()}
    false = [(float(scores[i, k]), int(i), k) for k in order for i in np.flatnonzero(alarms[:, k])]
    false.sort(key=lambda alarm: (-alarm[0], alarm[1]))
    # a window whose verdict is another class of these is a miss already, and no second error
    false = [alarm for alarm in false if not missed[alarm[1], order].any()]
    for turn in range(max([len(false), *(len(rows) for rows in sure.values())])):
        for k in order:
            if turn < len(sure[k]):
                yield int(sure[k][turn]), k, "missed"
        if turn < len(false):
            yield false[turn][1], false[turn][2], "false alarm"


def _labels(test: TestView, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Annotated and answered classes, bool [n, classes]; a window that belongs to no class has neither."""
    targets = np.asarray(test.targets)
    if targets.ndim == 2:
        return targets == 1, scores > 0.5
    classes = np.arange(scores.shape[1])
    judged = (targets >= 0)[:, None]
    return (targets[:, None] == classes) & judged, (scores.argmax(axis=1)[:, None] == classes) & judged


def _shown(
    test: TestView, scores: np.ndarray, index: int, cls: int, why: str, record_of: Callable[[str], Record] | None
) -> dict[str, Any]:
    true, said = _labels(test, scores)
    name, position = str(test.record_ids[index]), int(test.positions[index])
    mistake: dict[str, Any] = {
        "index": index, "record": name, "why": why, "class": test.classes[cls],
        "score": round(float(scores[index, cls]), 4),
        "annotated": [test.classes[k] for k in np.flatnonzero(true[index])],
        "device": [test.classes[k] for k in np.flatnonzero(said[index])],
    }  # fmt: skip
    if record_of is None:
        signal = np.nan_to_num(np.asarray(test.inputs[index]))
        return mistake | {"time_s": None, "rate_hz": None, "start_s": 0.0, "unit": "model input x 1000",
                          "leads": {"first lead": _thousandths(signal[:, 0])}}
    record = record_of(name)
    span = round((BEAT_SECONDS if position >= 0 else RECORD_SECONDS) * record.rate)
    middle = position if position >= 0 else span // 2
    start = int(np.clip(middle - span // 2, 0, max(0, len(record.signal) - span)))
    leads = next((w for w in SHOWN if all(lead in record.leads for lead in w)), record.leads[:1])
    return mistake | {
        "time_s": position / record.rate if position >= 0 else None, "rate_hz": record.rate,
        "start_s": start / record.rate, "unit": "uV",
        "leads": {lead: _thousandths(np.nan_to_num(record.lead(lead)[start : start + span])) for lead in leads},
    }  # fmt: skip


def _thousandths(values: np.ndarray) -> list[int]:
    return [int(v) for v in np.rint(1000 * values)]
