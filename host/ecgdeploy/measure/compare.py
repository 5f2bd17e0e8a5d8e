"""Two measurements side by side, where that means something; else the reasons why it does not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgdeploy.errors import DataError, UsageError
from ecgdeploy.measure.result import SCHEMA
from ecgdeploy.measure.validity import ANSWERS, MEMORY, TIME, spoilt

WANTED = "give a run folder of `ecgdeploy measure`"
# without these no table can be made
PARTS: dict[str, tuple[type, ...]] = {
    "bit_exact": (dict,), "classes": (list,), "columns": (dict,), "latency": (dict,),
    "memory": (dict, type(None)), "provenance": (dict,), "validity": (list,),
}  # fmt: skip
ASPECTS = (ANSWERS, TIME, MEMORY)
# what makes two runs runs over the same test windows: path in the result -> what a person calls it
SAME_DATA = {
    ("provenance", "data", "data"): "data set",
    ("provenance", "data", "data_sha256"): "recordings",
    ("provenance", "data", "task"): "task",
    ("provenance", "data", "part"): "part",
    ("provenance", "data", "split_sha256"): "split",
    ("provenance", "synthetic"): "synthetic data",
    ("provenance", "windows"): "number of windows",
    ("classes",): "classes",
}
SAME_CLOCK = {
    ("latency", "unit"): "unit of time",
    ("provenance", "emulated"): "emulation",
    ("provenance", "twin"): "emulated machine",
    ("provenance", "board"): "board",
}
SAME_BOARD = {("provenance", "board"): "board", ("provenance", "emulated"): "emulation"}
CONDITIONS = {ANSWERS: (SAME_DATA,), TIME: (SAME_DATA, SAME_CLOCK), MEMORY: (SAME_BOARD,)}


@dataclass(frozen=True)
class Row:
    """One figure of both runs."""

    aspect: str
    figure: str
    first: float
    second: float

    @property
    def change(self) -> float | None:
        """Second over first, less one; None where the first is 0."""
        return self.second / self.first - 1.0 if self.first else None


def read_result(path: Path) -> dict[str, Any]:
    """A run's ``result.json``, from its folder or by its own name.

    Raises
    ------
    DataError
        It is missing or is not a result.
    """
    file = path / "result.json" if path.is_dir() else path
    try:
        result = json.loads(file.read_text())
    except OSError as error:
        if path.is_dir() and (path / "journal.jsonl").is_file():
            hint = "the same ecgdeploy measure with --resume ends it"
            raise DataError(f"{path}: the run was interrupted", hint) from error
        inside = sorted(found.parent.name for found in path.glob("*/result.json")) if path.is_dir() else []
        hint = f"it holds runs: {', '.join(inside[:6])}{' ...' if len(inside) > 6 else ''}" if inside else WANTED
        raise DataError(f"{file}: cannot be read ({error.strerror})", hint) from error
    except ValueError as error:
        raise DataError(f"{file}: is not JSON", WANTED) from error
    if not isinstance(result, dict) or result.get("schema") != SCHEMA:
        raise DataError(f"{file}: is not a result of schema {SCHEMA}", "measure again with this ecgdeploy")
    lacking = [key for key, kind in PARTS.items() if key not in result or not isinstance(result[key], kind)]
    if lacking or "device" not in result["columns"]:
        raise DataError(f"{file}: has no {', '.join(lacking) or 'column of the device'}", "measure again")
    for optional in ("extra", "records"):
        result.setdefault(optional, {})
    # the file's keys are sorted; every table begins with the device
    result["columns"] = dict(sorted(result["columns"].items(), key=lambda item: _column_place(item[0])))
    return result


def _column_place(name: str) -> tuple[bool, bool, str]:
    return name != "device", "float" in name, name


def obstacles(first: dict[str, Any], second: dict[str, Any], aspect: str) -> list[str]:
    """Why this aspect of two results cannot be compared; empty when it can."""
    reasons = []
    for condition in CONDITIONS[aspect]:
        for place, name in condition.items():
            a, b = _at(first, place), _at(second, place)
            if a != b:
                reasons.append(f"different {name}: {_short(a)} and {_short(b)}")
    for label, result in (("first", first), ("second", second)):
        reasons += [f"the {label} run is invalid: {code}" for code in spoilt(result["validity"], aspect)]
        if aspect == MEMORY and result["memory"] is None:
            reasons.append(f"the {label} run has no memory figures")
        if aspect == TIME and result["latency"]["median"] is None and not spoilt(result["validity"], TIME):
            reasons.append(f"the {label} run has no time: {result['latency']['reason']}")
    return reasons


def compare(first: dict[str, Any], second: dict[str, Any], aspects: Sequence[str] = ASPECTS) -> list[Row]:
    """Figures of both runs.

    Raises
    ------
    UsageError
        One of `aspects` cannot be compared; every reason is named.
    """
    reasons = []
    for aspect in aspects:
        reasons += [f"{aspect}: {reason}" for reason in obstacles(first, second, aspect)]
    if reasons:
        hint = "measure both on the same data and board, or compare only what can be: --only answers, time or memory"
        raise UsageError(f"not comparable: {'; '.join(reasons)}", hint)
    figures = {aspect: (_figures(first, aspect), _figures(second, aspect)) for aspect in aspects}
    return [
        Row(aspect, name, a[name], b[name]) for aspect, (a, b) in figures.items() for name in a if name in b
    ]


def _figures(result: dict[str, Any], aspect: str) -> dict[str, float]:
    """Every number a run has of one aspect, by a readable name."""
    if aspect == TIME:
        latency = result["latency"]
        return {f"{latency['unit']}, {key}": latency[key] for key in ("minimum", "median", "maximum")}
    if aspect == MEMORY:
        memory = result["memory"]
        return {
            "flash, bytes": memory["flash_total"],
            "RAM, bytes": memory["ram_total"],
            "static RAM, bytes": memory["ram_static"],
            "stack high-water, bytes": memory["stack_high_water"],
        }
    column, exact = result["columns"]["device"], result["bit_exact"]
    found = {key: value for key, value in column.items() if _is_number(value)}
    for entry in column.get("per_class", []):
        found |= {f"{entry['name']}: {key}": value for key, value in entry.items() if _is_number(value)}
    return {**found, "bit-identical": exact["identical"] / exact["compared"]}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _at(result: dict[str, Any], place: tuple[str, ...]) -> Any:
    value: Any = result
    for key in place:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value or "none")
    return text if len(text) <= 40 else text[:12] + "…"
