"""The device as an annotator: its verdicts written as annotation files and scored by ANSI/AAMI EC57.

Done when every beat of the test records was sent; the beats' places are the reference's, so QRS sensitivity says only
that no beat was lost on the way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.ecg.record import Record
from ecgdeploy.ecg.views import TestView
from ecgdeploy.scoring.ec57 import (
    Annotation,
    Comparison,
    compare_annotations,
    device_annotations,
    line_report,
    sumstats,
    write_annotations,
)
from ecgdeploy.scoring.ec57.annotations import code_of

ANNOTATOR = "dev"


def score_as_annotator(
    test: TestView, verdicts: np.ndarray, record_of: Callable[[str], Record], folder: Path
) -> dict[str, Any]:
    """Write ``RECORD.dev`` for every record into `folder`, and compare each with the reference.

    Parameters
    ----------
    verdicts : int [n], the device's class of every window.

    Returns
    -------
    dict
        ``report`` (the reference programs' line report with its sums), ``gross`` (figures over all beats) and
        ``records`` (name to figures).
    """
    lines: list[str] = []
    counts: Counter[str] = Counter()
    records: dict[str, Any] = {}
    head = ""
    for name in dict.fromkeys(map(str, test.record_ids)):
        mine = test.record_ids == name
        answers = device_annotations(test.positions[mine], verdicts[mine], test.classes)
        write_annotations(folder, name, ANNOTATOR, answers)
        record = record_of(name)
        comparison = compare_annotations(_reference(record), answers, record.rate, end=len(record.signal))
        head, beats, figures = line_report(comparison, name, sveb=True)
        lines.append(beats + figures)
        counts.update(comparison.counts)
        records[name] = comparison.as_dict()
    gross = Comparison(dict(counts), float("nan"), 0, 0).as_dict()
    return {
        "report": sumstats(head + "".join(lines)),
        "gross": {key: value for key, value in gross.items() if not key.startswith(("rr_", "shutdown"))},
        "records": records,
    }


def _reference(record: Record) -> list[Annotation]:
    annotations = record.annotations
    assert annotations is not None  # the windows were cut at them
    fields = zip(annotations.samples, annotations.symbols, annotations.subtypes, annotations.channels,
                 annotations.numbers, annotations.notes, strict=True)
    return [Annotation(int(sample), code_of(symbol), int(subtype), int(channel), int(number), note.encode())
            for sample, symbol, subtype, channel, number, note in fields]
