"""Measured models against each other: the Pareto front, and the one to take for a board."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ecgdeploy.errors import DataError, UsageError
from ecgdeploy.measure.compare import obstacles, read_result
from ecgdeploy.measure.validity import ANSWERS

#: what is compared, and whether more is better
AIMS = {"quality": True, "flash": False, "ram": False, "cost": False}
#: file beside a study's runs that names a model which a board could not take
REFUSED = "refused.json"


@dataclass(frozen=True)
class Candidate:
    """One model, as measured for one board, or refused by it.

    Attributes
    ----------
    model, board, engine : names.
    emulated : the board was an emulated twin.
    metric, quality : name and value of the figure of merit on the device (of the host's int8 for a refused model).
    flash, ram : bytes; None where the board has an operating system.
    cost, unit : of one inference, "instructions" (emulated), "cycles" or "nanoseconds"; None where it tells nothing.
    refused : why the board cannot take it; empty for a measured model.
    source : the file the figures are from.
    model_sha256 : hash of the model's file; empty for a refused model.
    """

    model: str
    board: str
    engine: str
    emulated: bool
    metric: str
    quality: float
    flash: int | None
    ram: int | None
    cost: int | None
    unit: str
    source: str
    data: str
    synthetic: bool
    refused: str = ""
    model_sha256: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON value."""
        return asdict(self)

    def dominates(self, other: Candidate) -> bool:
        """At least as good in every aim that both have, and better in one; costs of two units are not compared."""
        better = False
        for aim, more in AIMS.items():
            a, b = getattr(self, aim), getattr(other, aim)
            if a is None or b is None or (aim == "cost" and self.unit != other.unit):
                continue
            if (a < b) if more else (a > b):
                return False
            better |= a != b
        return better


@dataclass(frozen=True)
class Field:
    """Candidates that may be compared, and the runs left out, each with the reason."""

    candidates: tuple[Candidate, ...]
    left_out: tuple[str, ...]


def read_field(paths: Sequence[Path], metric: str | None = None) -> Field:
    """Every run below the given folders over one test set: the one of which most windows were measured.

    Parameters
    ----------
    paths : run folders, ``result.json`` files, or folders (of a study) that hold runs.
    metric : a figure of the device's column; by default macro AUROC where every run has it, else macro F1.

    Raises
    ------
    UsageError
        No valid run, or a figure that a run lacks.
    """
    files = sorted({file for path in paths for file in _results(path)})
    groups: list[list[tuple[Path, dict[str, Any]]]] = []
    begun = sorted({file.parent for path in paths if path.is_dir() for file in path.rglob("journal.jsonl")})
    left_out = [
        f"{folder}: interrupted; ecgdeploy measure --resume ends it"
        for folder in begun if not (folder / "result.json").is_file()
    ]  # fmt: skip
    for file in files:
        result = read_result(file)
        invalid = obstacles(result, result, ANSWERS)
        if invalid:
            left_out.append(f"{file.parent}: {invalid[0].removeprefix('the first run is ')}")
            continue
        group = next((g for g in groups if not obstacles(g[0][1], result, ANSWERS)), None)
        if group is None:
            groups.append([(file, result)])
        else:
            group.append((file, result))
    if not groups:
        why = left_out[0] if left_out else f"{', '.join(map(str, paths)) or 'the current folder'}: no run here"
        raise UsageError(why, "ecgdeploy measure makes a run; give its folder")
    groups.sort(key=lambda group: len(group) * group[0][1]["provenance"]["windows"], reverse=True)
    chosen = groups[0]
    for file, result in (pair for group in groups[1:] for pair in group):
        left_out.append(f"{file.parent}: {obstacles(chosen[0][1], result, ANSWERS)[0]}")
    name = metric or next(
        (m for m in ("macro_auc", "macro_f1") if all(_has(result, m) for _, result in chosen)), "accuracy"
    )
    found = [_measured(file, result, name) for file, result in chosen]
    measured: dict[tuple[Any, ...], Candidate] = {}
    for candidate in found:
        key = (candidate.model_sha256, candidate.board, candidate.engine, candidate.emulated)
        if (first := measured.setdefault(key, candidate)) is not candidate:
            left_out.append(f"{Path(candidate.source).parent}: the same model and board as {Path(first.source).parent}")
    refused: dict[tuple[str, ...], Candidate] = {}
    for path in paths:
        for file in sorted(path.rglob(REFUSED)) if path.is_dir() else []:
            try:
                candidate = _refused(file, found[0], name)
            except KeyError:
                left_out.append(f"{file.parent}: has no figure {name}")
                continue
            refused[candidate.model, candidate.board, candidate.engine] = candidate
    known = {(c.model, c.board, c.engine) for c in found}
    kept = [candidate for key, candidate in refused.items() if key not in known]
    return Field((*kept, *_told_apart(list(measured.values()))), tuple(left_out))


def _told_apart(found: list[Candidate]) -> list[Candidate]:
    """Different models that have one name (every project makes an ``int8.tflite``): named with their run's folder."""
    models: dict[str, set[str]] = {}
    for candidate in found:
        models.setdefault(candidate.model, set()).add(candidate.model_sha256)
    return [
        replace(c, model=f"{c.model} ({Path(c.source).parent})") if len(models[c.model]) > 1 else c for c in found
    ]


def _results(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"{path}: there is no such file or folder", "give a run folder of ecgdeploy measure")
    return path.rglob("result.json")


def _has(result: dict[str, Any], metric: str) -> bool:
    return isinstance(result["columns"]["device"].get(metric), (int, float))


def _measured(file: Path, result: dict[str, Any], metric: str) -> Candidate:
    if not _has(result, metric):
        known = sorted(key for key, value in result["columns"]["device"].items() if isinstance(value, float))
        raise UsageError(f"{file}: has no figure {metric}", f"it has {', '.join(known)}")
    facts, memory, latency = result["provenance"], result["memory"] or {}, result["latency"]
    return Candidate(
        model=facts["model"], board=facts["board"], engine=facts["engine"], emulated=facts["emulated"], metric=metric,
        quality=float(result["columns"]["device"][metric]), flash=memory.get("flash_total"),
        ram=memory.get("ram_total"), cost=latency["median"], unit=latency["unit"], source=str(file),
        data=facts["data"]["data"], synthetic=facts["synthetic"], model_sha256=facts["model_sha256"],
    )  # fmt: skip


def refusal(folder: Path, *, model: str, board: str, engine: str, why: str, quality: dict[str, float]) -> Path:
    """Keep, beside the runs, that a board cannot take a model; `quality` is what its int8 file does on the host."""
    from ecgdeploy.provenance import canonical_json, write_atomic

    path = folder / REFUSED
    content = {"model": model, "board": board, "engine": engine, "why": why, "quality": quality}
    write_atomic(path, canonical_json(content) + "\n")
    return path


def _refused(file: Path, like: Candidate, metric: str) -> Candidate:
    """A refused model; KeyError where it lacks the figure."""
    try:
        content = json.loads(file.read_text())
        quality, names = dict(content["quality"]), [str(content[key]) for key in ("model", "board", "engine")]
        found = None if metric not in quality else float(quality[metric])
        why = str(content["why"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file} is damaged", "run the study again") from error
    if found is None:
        raise KeyError(metric)
    model, board, engine = names
    return Candidate(
        model, board, engine, True, metric, found, None, None, None, "", str(file), like.data, like.synthetic, why,
    )  # fmt: skip


def front(found: Iterable[Candidate]) -> list[Candidate]:
    """Measured candidates that no other one of the same board dominates, best first."""
    measured = [c for c in found if not c.refused]
    best = [c for c in measured if not any(o.board == c.board and o.dominates(c) for o in measured)]
    return sorted(best, key=lambda c: (c.board, -c.quality))


@dataclass(frozen=True)
class Advice:
    """What to take for a board.

    Attributes
    ----------
    chosen : the best measured model within the limits, or None.
    better : models that would be better, nearest first, each with why it is out.
    nearest : where none is chosen, the best within the limits, which is not good enough.
    """

    chosen: Candidate | None
    better: tuple[tuple[Candidate, str], ...]
    nearest: Candidate | None = None


def advise(
    found: Sequence[Candidate], board: str, least: float, limits: dict[str, int] | None = None
) -> Advice:
    """The best measured model of `board` within `limits` (aim to largest value), at least as good as `least`.

    Raises
    ------
    UsageError
        Nothing was measured on this board.
    """
    here = [c for c in found if c.board == board]
    if not here:
        others = ", ".join(sorted({c.board for c in found}))
        raise UsageError(f"no run here was measured on {board}", f"measured are: {others}")
    out = [(c, _why_not(c, limits or {})) for c in here]
    fitting = [c for c, why in out if not why and c.quality >= least]
    chosen = max(fitting, key=lambda c: (c.quality, -(c.cost or 0), -(c.flash or 0)), default=None)
    nearest = None if chosen else max((c for c, why in out if not why), key=lambda c: c.quality, default=None)
    better = [(c, why) for c, why in out if why and (c.quality > chosen.quality if chosen else c.quality >= least)]
    better.sort(key=lambda pair: pair[0].quality)
    return Advice(chosen, tuple(better), nearest)


def _why_not(candidate: Candidate, limits: dict[str, int]) -> str:
    if candidate.refused:
        return candidate.refused
    for aim, limit in limits.items():
        value = getattr(candidate, aim)
        name = {"cost": candidate.unit or "cost", "ram": "RAM", "flash": "flash"}[aim]
        if value is None:
            return f"its {name} was not measured"
        if value > limit:
            return f"{name} {value:,} is {value - limit:,} over the limit of {limit:,}"
    return ""
