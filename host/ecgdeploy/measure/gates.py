"""Gates: what a measurement has to reach, declared in a file before it is made, and the verdicts on a result."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ecgdeploy.errors import UsageError, unknown
from ecgdeploy.measure.validity import invalid
from ecgdeploy.provenance import sha256_json

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AnswersPart(_Part):
    """What the device answered.

    Attributes
    ----------
    least : figure of the device's column (``accuracy``, ``macro_auc``, ``V.sensitivity`` ...) -> smallest value.
    largest_loss : the same, how much less than the host's float32 at most.
    """

    bit_exact: bool = False
    min_windows: int | None = Field(None, ge=1)
    min_records: int | None = Field(None, ge=1)
    least: dict[str, float] = Field(default_factory=dict)
    largest_loss: dict[str, float] = Field(default_factory=dict)


class MemoryPart(_Part):
    """Bytes of the image, the deepest stack included."""

    max_flash: int | None = Field(None, ge=1)
    max_ram: int | None = Field(None, ge=1)


class CostPart(_Part):
    """One inference, median; the unit is part of the gate: an instruction count is no time."""

    max: int = Field(ge=1)
    unit: Literal["instructions", "cycles", "nanoseconds"]


class Gates(_Part):
    """The content of ``gates.toml``.

    Attributes
    ----------
    task, board, engine, model_sha256 : what must have been measured.
    synthetic : whether synthetic data will do.
    """

    schema_version: Literal[1] = Field(1, alias="schema")
    task: str | None = None
    board: str | None = None
    engine: str | None = None
    model_sha256: str | None = None
    synthetic: bool = False
    answers: AnswersPart = AnswersPart()  # type: ignore[call-arg]
    memory: MemoryPart = MemoryPart()  # type: ignore[call-arg]
    cost: CostPart | None = None

    def as_json(self) -> dict[str, Any]:
        """JSON value; what is not declared is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    @property
    def sha256(self) -> str:
        """Hash of the declared gates."""
        return sha256_json(self.as_json())


@dataclass(frozen=True)
class Verdict:
    """One gate's outcome; `found` is None where the run has no such figure, which is a miss."""

    gate: str
    wanted: Any
    found: Any
    passed: bool

    def as_dict(self) -> dict[str, Any]:
        """JSON value."""
        return asdict(self)


def read_gates(path: Path) -> Gates:
    """Read and check a gates file.

    Raises
    ------
    UsageError
        The file is missing or no TOML, has an unknown gate (the nearest is named) or an impossible value.
    """
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}", "docs/howto/evidence.md shows a gates file") from error
    try:
        gates = Gates.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            parts: dict[str, type[BaseModel]] = {"answers": AnswersPart, "memory": MemoryPart, "cost": CostPart}
            known = parts.get(str(first["loc"][0]), Gates) if len(first["loc"]) > 1 else Gates
            names = [field.alias or name for name, field in known.model_fields.items()]
            raise unknown(f"gate in {path.name}:", str(first["loc"][-1]), names) from error
        raise UsageError(f"{path}: {place}: {first['msg']}", "docs/howto/evidence.md shows a gates file") from error
    if not set(gates.as_json()) - {"schema"}:
        raise UsageError(f"{path}: declares no gate", "an empty file would pass everything")
    return gates


def judge(gates: Gates, result: dict[str, Any]) -> list[Verdict]:
    """Verdict on every declared gate, and first on the run's validity, which is always one."""
    return list(_judge(gates, result))


def _judge(gates: Gates, result: dict[str, Any]) -> Iterator[Verdict]:
    facts, exact = result["provenance"], result["bit_exact"]
    broken = invalid(result["validity"])
    yield Verdict("valid run", "no invalid code", ", ".join(broken) or "none", not broken)
    if not gates.synthetic:
        yield Verdict("data", "real", "SYNTHETIC" if facts["synthetic"] else "real", facts["synthetic"] is False)
    have = {"task": facts["data"].get("task"), **{key: facts[key] for key in ("board", "engine", "model_sha256")}}
    for key, found in have.items():
        wanted = getattr(gates, key)
        if wanted is not None:
            yield Verdict(key, wanted, found, wanted == found)
    answers = gates.answers
    if answers.bit_exact:
        compared, identical = exact["compared"], exact["identical"]
        yield Verdict("bit-exact", "every output", f"{identical} of {compared}", 0 < compared == identical)
    for name, least in (("windows", answers.min_windows), ("records", answers.min_records)):
        if least is not None:
            yield Verdict(name, least, facts[name], facts[name] >= least)
    for name, least_value in answers.least.items():
        value = figure(result, "device", name)
        yield Verdict(name, least_value, value, value is not None and value >= least_value)
    for name, loss in answers.largest_loss.items():
        device, host = figure(result, "device", name), figure(result, "host float32", name)
        lost = None if device is None or host is None else host - device
        yield Verdict(f"{name}, less than float32 by", loss, lost, lost is not None and lost <= loss)
    memory = result["memory"] or {}
    limits = {"flash": (gates.memory.max_flash, "flash_total"), "RAM": (gates.memory.max_ram, "ram_total")}
    for name, (most, key) in limits.items():
        if most is not None:
            yield Verdict(f"{name}, bytes", most, memory.get(key), key in memory and memory[key] <= most)
    if gates.cost is not None:
        latency = result["latency"]
        median = latency["median"] if latency["unit"] == gates.cost.unit else None
        within = median is not None and median <= gates.cost.max
        yield Verdict(f"{gates.cost.unit}, median", gates.cost.max, median, within)


def figure(result: dict[str, Any], column: str, name: str) -> float | None:
    """A figure of a column, ``accuracy`` or ``CLASS.sensitivity``; None where the run does not have it."""
    values = result["columns"].get(column, {})
    label, _, key = name.rpartition(".")
    if label:
        values = next((entry for entry in values.get("per_class", []) if entry["name"] == label), {})
    value = values.get(key)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def declared(gates: Gates, result: dict[str, Any]) -> str:
    """When these gates were declared: "before the run", "afterwards", or before it and "changed since"."""
    known = result["provenance"].get("gates")
    if known is None:
        return "afterwards"
    return "before the run" if known["sha256"] == gates.sha256 else "changed since"
