"""The Pareto front as one self-contained page: a plot to point at, and the same figures as a table; no network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ecgdeploy.resources import assets

NAMES = {"macro_auc": "macro AUROC", "macro_f1": "macro F1", "fmax": "Fmax"}


def render(candidates: Sequence[Any], best: Sequence[Any]) -> str:
    """HTML text of `measure.pareto.Candidate`s; those of `best` are on the front."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(assets() / "templates" / "report"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["figure"] = lambda value: "-" if value is None else f"{value:,}"
    ordered = sorted(candidates, key=lambda c: (c.board, -c.quality))
    first = ordered[0]
    return environment.get_template("pareto.html.j2").render(
        metric=NAMES.get(first.metric, first.metric),
        data=first.data,
        emulated=any(c.emulated for c in ordered),
        synthetic=any(c.synthetic for c in ordered),
        # the board with the most measured models first
        boards=sorted({c.board for c in ordered}, key=lambda b: -sum(c.board == b and not c.refused for c in ordered)),
        candidates=[c.as_dict() | {"front": c in best} for c in ordered],
    )
