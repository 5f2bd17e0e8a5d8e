"""What is refused before any training: each check one line, naming the record, output or lead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ecgdeploy.errors import DataError, UsageError, unknown


def finite(view: Any, name: str) -> None:
    """Refuse NaN and infinite samples.

    Raises
    ------
    DataError
        Names the first record, window and sample.
    """
    for start in range(0, len(view.inputs), 1024):
        block = np.asarray(view.inputs[start : start + 1024])
        if not np.isfinite(block).all():
            window, sample, lead = (int(i) for i in np.argwhere(~np.isfinite(block))[0])
            record = view.record_ids[start + window]
            raise DataError(
                f"{name}: record {record}, window {start + window}: sample {sample} of lead {lead} is not a number",
                "repair or leave out that record",
            )


def class_counts(targets: np.ndarray, classes: int) -> np.ndarray:
    """Positive examples of each class: [classes]; `targets` int [n] or 0/1 [n, classes]."""
    if targets.ndim == 1:
        return np.bincount(targets, minlength=classes)
    return np.asarray(targets).sum(axis=0).astype(np.int64)


def every_output_has_a_positive(view: Any) -> np.ndarray:
    """Refuse an output without a positive training record; returns the counts [classes].

    Raises
    ------
    DataError
        Names the outputs that could never be learned.
    """
    counts = class_counts(view.targets, len(view.classes))
    empty = [name for name, count in zip(view.classes, counts, strict=True) if count == 0]
    if empty:
        more = f" and {len(empty) - 4} more" if len(empty) > 4 else ""
        raise DataError(
            f"no positive training record for output {', '.join(empty[:4])}{more}",
            "leave those outputs out, or set unlearnable = \"keep\"",
        )
    return counts


def lead_indices(available: Sequence[str], wanted: Sequence[str], source: str) -> list[int]:
    """Places of the `wanted` leads among the `available` ones.

    Raises
    ------
    UsageError
        A lead that the data set lacks; the nearest name is suggested.
    """
    places = {name.upper(): index for index, name in enumerate(available)}
    for lead in wanted:
        if lead.upper() not in places:
            raise unknown(f"lead (in {source})", lead, available)
    return [places[lead.upper()] for lead in wanted]


def no_shared_record(**views: Any) -> None:
    """Refuse two roles that hold the same record.

    Raises
    ------
    DataError
        Names the roles and the record.
    """
    names = list(views)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            shared = set(map(str, views[first].record_ids)) & set(map(str, views[second].record_ids))
            if shared:
                raise DataError(
                    f"record {min(shared)} is in both the {first} and the {second} set", "split by record or patient"
                )


def shape_fits(view: Any, input_shape: Sequence[int | None], network: str) -> None:
    """Refuse windows that the network does not take.

    Raises
    ------
    UsageError
        Samples or leads differ.
    """
    have = tuple(view.inputs.shape[1:])
    want = tuple(input_shape[-2:])
    if have != want:
        raise UsageError(
            f"network {network} takes {want[0]} samples x {want[1]} leads, the task has {have[0]} x {have[1]}",
            "set model.options samples and leads",
        )
