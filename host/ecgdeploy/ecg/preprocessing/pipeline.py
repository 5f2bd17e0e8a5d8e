"""What a step is, and steps in a row; both are frozen values with a plain-data form for manifests and model cards."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from ecgdeploy.ecg.record import Record
from ecgdeploy.errors import DataError, unknown
from ecgdeploy.provenance import sha256_json

_KINDS: dict[str, type[Step]] = {}


@dataclass(frozen=True)
class Step:
    """One step from record to record. Subclasses are frozen dataclasses whose fields are numbers, text or tuples."""

    kind: ClassVar[str] = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _KINDS[cls.kind] = cls

    def __call__(self, record: Record) -> Record:
        """The record after this step."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Plain data: ``{"kind": ..., field: value}``."""
        fields = dataclasses.asdict(self)
        return {"kind": self.kind, **{k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}}


def step_from_dict(data: dict[str, Any]) -> Step:
    """The step that `data` describes.

    Raises
    ------
    UsageError
        Unknown kind or field (the nearest known one is named).
    DataError
        A value that the step refuses.
    """
    fields = dict(data)
    kind = str(fields.pop("kind", ""))
    if kind not in _KINDS:
        raise unknown("preprocessing step", kind, _KINDS)
    known = [field.name for field in dataclasses.fields(_KINDS[kind])]
    for name in fields:
        if name not in known:
            raise unknown(f"field of step '{kind}':", name, known)
    try:
        return _KINDS[kind](**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})
    except TypeError as error:
        raise DataError(f"step '{kind}': {error}", "give all its fields, with numbers where numbers belong") from None


@dataclass(frozen=True)
class Pipeline:
    """Steps in their order."""

    steps: tuple[Step, ...]

    def __call__(self, record: Record) -> Record:
        """The record after all steps."""
        for step in self.steps:
            record = step(record)
        return record

    def then(self, *steps: Step) -> Pipeline:
        """These steps, and `steps` after them."""
        return Pipeline((*self.steps, *steps))

    def to_dict(self) -> list[dict[str, Any]]:
        """Plain data, one entry a step."""
        return [step.to_dict() for step in self.steps]

    @classmethod
    def from_dict(cls, data: list[dict[str, Any]]) -> Pipeline:
        """The pipeline that `data` describes."""
        return cls(tuple(step_from_dict(entry) for entry in data))

    def sha256(self) -> str:
        """Hash of the plain data: equal pipelines have equal hashes."""
        return sha256_json(self.to_dict())


def positive(step: Step, **values: float | None) -> None:
    """Refuse numbers of a step that are not positive and finite (None passes)."""
    for name, value in values.items():
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise DataError(f"step '{step.kind}': {name} = {value!r}", f"{name} is a positive number")
