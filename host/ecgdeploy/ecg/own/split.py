"""From the ``[split]`` table to a `Split`: shares dealt out by class, or lists; copies of a recording stay together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ecgdeploy.ecg.own.adapters import Adapter, match
from ecgdeploy.ecg.own.schema import SplitPart
from ecgdeploy.ecg.splits import Split
from ecgdeploy.ecg.stratify import stratify
from ecgdeploy.errors import DataError, UsageError

PARTS = ("train", "validation", "test")


def make_split(part: SplitPart, adapter: Adapter, classes: Mapping[str, Sequence[int]], count: int) -> Split:
    """Divide the records.

    Parameters
    ----------
    classes : mapping of record to class numbers
        The records that have windows, and the classes of these.
    count : int
        Number of classes.

    Raises
    ------
    UsageError
        Shares that cannot be.
    DataError
        A record in two parts, unknown, or the same samples in two parts; a person in two parts; an empty part.
    """
    names = tuple(classes)
    persons = {name: adapter.patient(name) for name in names}
    if part.by == "patient":
        nameless = [name for name in names if not persons[name]]
        if nameless:
            raise DataError(
                f"split by patient, but nothing says who record {nameless[0]} is of",
                "name the column in [data] (labels.patient, patient), or split by record",
            )
    patients = {name: persons[name] or name for name in names}
    given = {name: adapter.part(name) for name in names}
    if any(given.values()):
        absent = [name for name in names if given[name] is None]
        if absent:
            raise DataError(f"the data puts record {absent[0]} into no part", "fill its cell, or leave the column out")
        parts = {which: tuple(name for name in names if given[name] == which) for which in PARTS}
        label = "the data's own"
    elif any(isinstance(getattr(part, which), tuple) for which in PARTS):
        parts, label = _listed(part, names), "listed in the project file"
    else:
        parts, label = _dealt(part, names, patients, classes, count), f"shares, seed {part.seed}"
    for which in PARTS:
        if not parts[which]:
            raise DataError(f"split: no {which} records (of {len(names)})", "give more records, or another share")
    # where persons are known their records stay together, whatever was asked for
    by = "patient" if all(persons.values()) else part.by
    split = Split(f"{label}, by {by}", parts["train"], parts["validation"], parts["test"], patients)
    _no_copies(split, adapter)
    return split


def _listed(part: SplitPart, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    known = match(names)
    parts: dict[str, tuple[str, ...]] = {}
    taken: set[str] = set()
    for which in PARTS:
        wanted = getattr(part, which)
        if not isinstance(wanted, tuple):
            if which == "train" and wanted is None:
                continue
            if wanted == 0 or which not in part.model_fields_set:
                parts[which] = ()
                continue
            raise UsageError(f"split.{which} is a share, another part a list", "give lists of records, or shares")
        for name in wanted:
            if name not in known:
                raise DataError(f"split.{which}: no record {name}", "check its name; it may have no window of a class")
        parts[which] = tuple(dict.fromkeys(known[name] for name in wanted))
        taken |= set(parts[which])
    if "train" not in parts:
        parts["train"] = tuple(name for name in names if name not in taken)
    if not parts.get("validation"):
        raise UsageError("split.validation is not listed", "name the records that choose the best epoch")
    return parts


def _dealt(
    part: SplitPart,
    names: Sequence[str],
    patients: Mapping[str, str],
    classes: Mapping[str, Sequence[int]],
    count: int,
) -> dict[str, tuple[str, ...]]:
    validation, test = float(part.validation), float(part.test)  # type: ignore[arg-type]
    train = 1.0 - validation - test if part.train is None else float(part.train)  # type: ignore[arg-type]
    if min(train, validation, test) <= 0 or abs(train + validation + test - 1) > 1e-6:
        raise UsageError(
            f"split: shares {train:g}, {validation:g} and {test:g}", "train, validation and test are positive, sum 1"
        )
    labels = np.zeros((len(names), count), np.uint8)
    for i, name in enumerate(names):
        labels[i, list(classes[name])] = 1
    dealt = stratify(labels, [patients[name] for name in names], (train, validation, test), part.seed)
    return {which: tuple(name for name, p in zip(names, dealt, strict=True) if p == i) for i, which in enumerate(PARTS)}


def _no_copies(split: Split, adapter: Adapter) -> None:
    """Refuse the same samples under two names in two parts."""
    seen: dict[str, tuple[str, str]] = {}
    for which in PARTS:
        for name in getattr(split, which):
            before = seen.setdefault(adapter.signal_sha256(name), (name, which))
            if before[1] != which:
                raise DataError(
                    f"split: records {before[0]} ({before[1]}) and {name} ({which}) hold the same samples",
                    "leave one of them out with data.records, or list both in one part",
                )
