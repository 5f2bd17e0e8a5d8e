"""Hold bench results against a committed baseline: instructions and bytes are exact, so little tolerance is needed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ecgdeploy.errors import DataError
from ecgdeploy.measure.bench.models import BenchResult

FIGURES = ("instructions", "ram_bytes", "flash_bytes")
TOLERANCE = 0.01


@dataclass(frozen=True)
class Regression:
    """A figure that grew beyond the tolerance."""

    model: str
    figure: str
    baseline: int
    measured: int

    def __str__(self) -> str:
        grew = self.measured / self.baseline - 1
        return f"{self.model}: {self.figure} {self.measured:,}, was {self.baseline:,} (+{grew:.1%})"


def baseline_of(results: Iterable[BenchResult]) -> str:
    """The baseline file's text."""
    rows = {r.model: {figure: getattr(r, figure) for figure in FIGURES} for r in results}
    return json.dumps(rows, indent=2, sort_keys=True) + "\n"


def compare_with_baseline(
    results: Iterable[BenchResult], baseline: Path, tolerance: float = TOLERANCE
) -> list[Regression]:
    """Figures of `results` that exceed the baseline by more than `tolerance` (a share)."""
    try:
        rows = json.loads(baseline.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"{baseline}: cannot be read as a baseline ({error})") from error
    return [
        Regression(r.model, figure, rows[r.model][figure], getattr(r, figure))
        for r in results
        if r.model in rows
        for figure in FIGURES
        if getattr(r, figure) > rows[r.model][figure] * (1 + tolerance)
    ]
