"""The measurement as one self-contained HTML page: no network, no script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ecgdeploy.reports import plots
from ecgdeploy.reports.beside import Beside, side_by_side
from ecgdeploy.reports.summary import headline, record_rows
from ecgdeploy.reports.table import NOT_A_TIME, interval_rows, percent, score_rows, thousands
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
    beside = side_by_side(results)
    return _template("runs.html.j2").render(
        runs=[_facts_of(result) | {"name": name} for name, result in results.items()],
        headline=headline(results),
        beside=beside,
        bars=_bars(beside),
    )


def _bars(beside: Beside) -> str:
    """The total score, the cost, flash and RAM of runs beside each other, as far as there are such figures."""
    figures = {figure.name: figure for figure in beside.figures}
    scores = [name for name in figures if name.startswith(("accuracy", "macro AUC"))]
    cost = [name for name in figures if name.endswith("of one, median")]
    wanted = [*scores, *cost, "flash, bytes", "RAM, bytes"]
    return plots.runs_beside(
        beside.names, {name: (figures[name].values, figures[name].shown) for name in wanted if name in figures}
    )


def _template(name: str):
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = assets() / "templates" / "report"
    return Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined).get_template(name)


def _facts_of(result: dict[str, Any]) -> dict[str, Any]:
    memory = result["memory"]
    device = next(iter(result["columns"].values()))
    strip = result["extra"].get("strip")
    plan, counted = result["extra"].get("plan"), result["extra"].get("operators")
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
        "tiles": _tiles(result),
        "mistakes": [(_caption(shown), plots.mistake(shown)) for shown in result["extra"].get("mistakes", [])],
        "shaded": any(shown["time_s"] is not None for shown in result["extra"].get("mistakes", [])),
        "plan": plan, "plan_drawing": plots.plan(plan) if plan else "",
        "operators": plots.operators(counted) if counted else "",
    }  # fmt: skip


def _tiles(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The figures one looks for first: name, figure, and what it is out of."""
    label, values = score_rows(result)[-2]
    exact, latency, memory = result["bit_exact"], result["latency"], result["memory"]
    tiles = [(f"{label}, device", f"{percent(values[0])} %", f"{thousands(result['provenance']['windows'])} windows"),
             ("identical answers", thousands(exact["identical"]), f"of {thousands(exact['compared'])}")]
    if latency["median"] is not None:
        tiles.append((latency["unit"], thousands(latency["median"]), "an inference, median"))
    if memory:
        tiles += [("flash", f"{thousands(memory['flash_total'])} B", f"of {thousands(memory['flash_limit'])}"),
                  ("RAM", f"{thousands(memory['ram_total'])} B", f"of {thousands(memory['ram_limit'])}")]
    return tiles


def _caption(shown: dict[str, Any]) -> dict[str, str]:
    """A wrong answer in words."""
    time = shown["time_s"]
    return {
        "why": f"{shown['why']} {shown['class']}",
        "where": f"record {shown['record']}" + ("" if time is None else f", {int(time // 60)}:{time % 60:06.3f}"),
        "annotated": ", ".join(shown["annotated"]) or "none of the classes",
        "device": ", ".join(shown["device"]) or "none of the classes",
        "score": f"{shown['score']:.3f}",
    }


def _memory_bars(memory: dict[str, Any]) -> str:
    ram_parts = {**memory["ram_parts"], "stack high-water": memory["stack_high_water"]}
    return plots.parts(memory["flash_parts"], memory["flash_limit"], "flash") + plots.parts(
        ram_parts, memory["ram_limit"], "RAM"
    )
