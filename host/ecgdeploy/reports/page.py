"""The measurement as one self-contained HTML page: no network, no script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ecgdeploy.reports import plots
from ecgdeploy.reports.table import NOT_A_TIME, interval_rows, percent, score_rows
from ecgdeploy.resources import assets


def _flat(facts: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested facts as lines: ``build.compiler``, ``data.split`` and so on."""
    for key, value in facts.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            yield f"{prefix}{key}", " ".join(map(str, value))
        else:
            yield f"{prefix}{key}", str(value)


def render_page(result: dict[str, Any]) -> str:
    """HTML text of a result (``MeasureResult.as_dict()``)."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(assets() / "templates" / "report"), autoescape=True,
                              undefined=StrictUndefined)
    memory = result["memory"]
    device = next(iter(result["columns"].values()))
    strip = result["extra"].get("strip")
    return environment.get_template("page.html.j2").render(
        r=result, p=result["provenance"], exact=result["bit_exact"], latency=result["latency"],
        columns=list(result["columns"]), not_a_time=NOT_A_TIME,
        score_rows=[(label, [percent(v) for v in values]) for label, values in score_rows(result)]
        + interval_rows(result),
        confusion=plots.confusion_matrix(device["confusion"], result["classes"]) if "confusion" in device else "",
        ec57=result["extra"].get("ec57", {}).get("report"),
        facts=list(_flat(result["provenance"])),
        strip=plots.ecg_strip(strip) if strip else "",
        memory=_memory_bars(memory) if memory else "",
    )


def _memory_bars(memory: dict[str, Any]) -> str:
    ram_parts = {**memory["ram_parts"], "stack high-water": memory["stack_high_water"]}
    return plots.parts(memory["flash_parts"], memory["flash_limit"], "flash") + plots.parts(
        ram_parts, memory["ram_limit"], "RAM"
    )
