"""What one measurement found, with everything needed to trust and repeat it. Written as ``result.json``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

SCHEMA = "ecgdeploy.measure/1"


@dataclass(frozen=True)
class Latency:
    """Cost of one inference over all windows.

    ``unit`` is "instructions" on an emulated board (QEMU -icount: exact, repeatable, no time) and "cycles" or
    "nanoseconds" on a real one. A time taken in emulation says nothing about the board: it is left out (None), and
    ``reason`` says why.
    """

    unit: str
    minimum: int | None
    median: int | None
    maximum: int | None
    count: int
    reason: str = ""
    p95: int | None = None
    p99: int | None = None

    @classmethod
    def of(cls, ticks: np.ndarray, unit: str, emulated: bool = False, spoilt: Sequence[str] = ()) -> Latency:
        """Summarize the ticks of every inference, int array [n]; nothing under a validity code that spoils time."""
        if spoilt:
            return cls(unit, None, None, None, len(ticks), f"invalid: {', '.join(spoilt)}")
        if emulated and unit == "nanoseconds":
            return cls(unit, None, None, None, len(ticks), "emulated: this computer's time is not the board's")
        p95, p99 = (int(value) for value in np.percentile(ticks, (95, 99), method="inverted_cdf"))
        return cls(unit, int(ticks.min()), int(np.median(ticks)), int(ticks.max()), len(ticks), p95=p95, p99=p99)


@dataclass(frozen=True)
class BitExact:
    """How many windows' outputs equalled the golden reference (``provenance.golden``) byte for byte."""

    compared: int
    identical: int


@dataclass(frozen=True)
class Memory:
    """Flash and RAM of the image, in bytes, from the linker map and the painted stack."""

    flash_total: int
    flash_limit: int
    flash_sections: dict[str, int]
    flash_parts: dict[str, int]
    ram_static: int
    ram_parts: dict[str, int]
    stack_high_water: int
    ram_limit: int

    @property
    def ram_total(self) -> int:
        """Static RAM plus the deepest stack seen."""
        return self.ram_static + self.stack_high_water


@dataclass(frozen=True)
class LinkUse:
    """Traffic of the run. Null where the transport cannot tell.

    ``goodput`` is payload over all bytes on the wire, both ways; ``host_ms_per_inference`` is this computer's own time
    in the link for one inference, waiting for the device left out.
    """

    payload_bytes: int | None = None
    wire_bytes: int | None = None
    retries: int | None = None
    transport: str | None = None
    goodput: float | None = None
    host_ms_per_inference: float | None = None

    @classmethod
    def of(
        cls, transport: str | None, payload_bytes: int, wire_bytes: int, retries: int, inferences: int, host_s: float
    ) -> LinkUse:
        """Traffic from its counts."""
        return cls(
            payload_bytes, wire_bytes, retries, transport,
            goodput=round(payload_bytes / wire_bytes, 4) if wire_bytes else None,
            host_ms_per_inference=round(1000 * host_s / inferences, 4) if inferences else None,
        )  # fmt: skip


@dataclass(frozen=True)
class MeasureResult:
    """One model, on one board with one engine, over one test set.

    Attributes
    ----------
    provenance : model hash, board, engine, build id, data set, split, versions, flags.
    memory : None where the board has an operating system; ``validity`` then says so.
    columns : name ("device", "host int8", "host float32") -> scores of that column, as the task's scoring gives them.
    validity : codes of what makes the measurement invalid, or weaker than it looks; empty when all is well.
    """

    provenance: dict[str, Any]
    classes: tuple[str, ...]
    columns: dict[str, dict[str, Any]]
    bit_exact: BitExact
    latency: Latency
    memory: Memory | None
    link: LinkUse
    validity: tuple[str, ...] = ()
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """JSON form, ``schema`` first."""
        content = asdict(self)
        if self.memory is not None:
            content["memory"]["ram_total"] = self.memory.ram_total
        return {"schema": SCHEMA, **content}
