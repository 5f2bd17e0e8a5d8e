"""Runs side by side: one column a run, a figure only where it may be held against the first run's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import Any

from ecgdeploy.measure.compare import ASPECTS, obstacles
from ecgdeploy.measure.validity import ANSWERS, MEMORY, TIME
from ecgdeploy.reports.table import percent, score_rows, thousands

#: follow from another one and say nothing more
IMPLIED = {
    "different data set": ("recordings", "task", "part", "split", "number of windows", "classes", "synthetic data"),
    "different board": ("emulated machine", "unit of time"),
    "different emulation": ("emulated machine", "unit of time"),
}
BARRED = "·"
"""Stands where a figure may not be compared; `Beside.reasons` says why."""


@dataclass(frozen=True)
class Figure:
    """One row: the runs' values, None where not measured or not comparable, and what is shown for them."""

    name: str
    values: tuple[float | None, ...]
    shown: tuple[str, ...]
    changes: tuple[str, ...]


@dataclass(frozen=True)
class Beside:
    """All rows, and for each run that is not comparable in everything, why."""

    names: tuple[str, ...]
    figures: tuple[Figure, ...]
    reasons: tuple[tuple[str, tuple[str, ...]], ...]


def side_by_side(results: dict[str, dict[str, Any]]) -> Beside:
    """Every further run against the first: answers, cost and memory, each only where it can be compared."""
    (_, first), *_ = results.items()
    names = tuple(results)
    barred = {run: {aspect: obstacles(first, result, aspect) for aspect in ASPECTS} for run, result in results.items()}
    figures = []

    def add(aspect: str, name: str, value: Callable[[dict], float | None], share: bool = False) -> None:
        values: list[float | None] = []
        shown, changes = [], []
        for run, result in results.items():
            allowed = result is first or not barred[run][aspect]
            found = value(result) if allowed else None
            values.append(found)
            shown.append(BARRED if not allowed else "-" if found is None else _text(found, share))
            changes.append(_change(values[0], found, share) if result is not first else "")
        figures.append(Figure(name, tuple(values), tuple(shown), tuple(changes)))

    for label, _ in score_rows(first):
        add(ANSWERS, f"{label}, %", partial(_score, label), share=True)
    add(ANSWERS, "identical answers, %", _identical, share=True)
    add(TIME, f"{first['latency']['unit']} of one, median", lambda r: r["latency"]["median"])
    for label, key in (("flash", "flash_total"), ("RAM", "ram_total"), ("of it static", "ram_static"),
                       ("of it stack", "stack_high_water")):  # fmt: skip
        add(MEMORY, f"{label}, bytes", partial(_bytes, key))
    figures = [row for row in figures if any(value is not None for value in row.values)]
    reasons = tuple((name, lines) for name in names[1:] if (lines := _reasons(barred[name])))
    return Beside(names, tuple(figures), reasons)


def short_names(paths: Sequence[str]) -> list[str]:
    """The paths without the folders that all share; a single one by its last folder."""
    parts = [PurePath(path).parts for path in paths]
    if len(parts) == 1:
        return [parts[0][-1] if parts[0] else paths[0]]
    common = 0
    while all(len(p) > common + 1 and p[common] == parts[0][common] for p in parts):
        common += 1
    return [PurePath(*p[common:]).as_posix() if p else path for p, path in zip(parts, paths, strict=True)]


def _score(label: str, result: dict[str, Any]) -> float | None:
    return dict(score_rows(result))[label][0]


def _identical(result: dict[str, Any]) -> float:
    return result["bit_exact"]["identical"] / max(result["bit_exact"]["compared"], 1)


def _bytes(key: str, result: dict[str, Any]) -> float | None:
    return (result["memory"] or {}).get(key)


def _text(value: float, share: bool) -> str:
    return percent(value) if share else thousands(int(value))


def _change(first: float | None, value: float | None, share: bool) -> str:
    """Points of a share, per cent of anything else; empty where nothing changed."""
    if first is None or value is None or first == value:
        return ""
    if share:
        text = f"{100 * (value - first):+.2f}"
        return "" if float(text) == 0 else text
    return f"{value / first - 1:+.1%}" if first else ""


def _reasons(barred: dict[str, list[str]]) -> tuple[str, ...]:
    """The obstacles in few words: aspects that have the same ones together, without those that follow from another."""
    grouped: dict[tuple[str, ...], list[str]] = {}
    for aspect, found in barred.items():
        implied = [f"different {what}:" for head, rest in IMPLIED.items() for what in rest
                   if any(reason.startswith(head) for reason in found)]  # fmt: skip
        kept = tuple(why.replace("the second run", "it") for why in found if not why.startswith(tuple(implied)))
        if kept:
            grouped.setdefault(kept, []).append(aspect)
    return tuple(f"{' and '.join(aspects)}: {'; '.join(reasons)}" for reasons, aspects in grouped.items())
