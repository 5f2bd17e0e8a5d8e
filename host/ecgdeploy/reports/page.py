"""The measurement as one self-contained HTML page: no network, no script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ecgdeploy.reports import plots
from ecgdeploy.reports.summary import against_first, headline, record_rows
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
    return _template("page.html.j2").render(**_facts_of(result))


def render_runs(results: dict[str, dict[str, Any]]) -> str:
    """HTML text of several results by name: headline, what each changes against the first, then every run whole."""
    return _template("runs.html.j2").render(
        runs=[_facts_of(result) for result in results.values()],
        headline=headline(results),
        pairs=against_first(results),
    )


def _template(name: str):
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = assets() / "templates" / "report"
    return Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined).get_template(name)


def _facts_of(result: dict[str, Any]) -> dict[str, Any]:
    memory = result["memory"]
    device = next(iter(result["columns"].values()))
    strip = result["extra"].get("strip")
    return {
        "r": result, "p": result["provenance"], "exact": result["bit_exact"], "latency": result["latency"],
        "columns": list(result["columns"]), "not_a_time": NOT_A_TIME,
        "score_rows": [(label, [percent(v) for v in values]) for label, values in score_rows(result)]
        + interval_rows(result),
        "confusion": plots.confusion_matrix(device["confusion"], result["classes"]) if "confusion" in device else "",
        "ec57": result["extra"].get("ec57", {}).get("report"),
        "facts": list(_flat(result["provenance"])),
        "strip": plots.ecg_strip(strip) if strip else "",
        "memory": _memory_bars(memory) if memory else "",
        "record_rows": record_rows(result),
    }  # fmt: skip


def _memory_bars(memory: dict[str, Any]) -> str:
    ram_parts = {**memory["ram_parts"], "stack high-water": memory["stack_high_water"]}
    return plots.parts(memory["flash_parts"], memory["flash_limit"], "flash") + plots.parts(
        ram_parts, memory["ram_limit"], "RAM"
    )
