"""Several measurements as rows of text, and as a Markdown summary: what a page and a pull request both show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ecgdeploy.measure.compare import ASPECTS, compare, obstacles
from ecgdeploy.measure.validity import invalid
from ecgdeploy.reports.beside import side_by_side
from ecgdeploy.reports.table import interval_rows, percent, score_rows, thousands


@dataclass(frozen=True)
class Pair:
    """A run against the first: rows (figure, first, second, change), and why the rest is not comparable."""

    first: str
    second: str
    rows: tuple[tuple[str, str, str, str], ...]
    refused: tuple[str, ...]


def headline(results: dict[str, dict[str, Any]]) -> list[list[str]]:
    """First row the names of the columns, then one row a run; a figure that was not measured is a dash."""
    rows = [["run", "model", "board", "engine", "score, %", "identical", "cost of one", "flash, B", "RAM, B", "valid"]]
    for name, result in results.items():
        facts, exact, latency, memory = (result[k] for k in ("provenance", "bit_exact", "latency", "memory"))
        label, values = score_rows(result)[-2]
        cost = "-" if latency["median"] is None else f"{thousands(latency['median'])} {latency['unit']}"
        rows.append([
            name, facts["model"], facts["board"] + (" (emulated)" if facts["emulated"] else ""), facts["engine"],
            f"{label} {percent(values[0])}", f"{thousands(exact['identical'])} of {thousands(exact['compared'])}", cost,
            thousands(memory["flash_total"]) if memory else "-", thousands(memory["ram_total"]) if memory else "-",
            ", ".join(invalid(result["validity"])) or "yes",
        ])  # fmt: skip
    return rows


def record_rows(result: dict[str, Any]) -> list[list[str]]:
    """Record, windows, correct and per cent, the worst record first; empty for a task without a verdict a window."""
    rows = [(name, r) for name, r in result["records"].items() if r.get("windows") and r.get("correct") is not None]
    rows.sort(key=lambda row: (row[1]["correct"] / row[1]["windows"], row[0]))
    return [[name, thousands(r["windows"]), thousands(r["correct"]), percent(r["correct"] / r["windows"])]
            for name, r in rows]


def against_first(results: dict[str, dict[str, Any]]) -> list[Pair]:
    """Each further run against the first: answers, time and memory, each only where it can be compared."""
    (first_name, first), *others = results.items()
    pairs = []
    for name, second in others:
        refused = {aspect: obstacles(first, second, aspect) for aspect in ASPECTS}
        rows = compare(first, second, [aspect for aspect in ASPECTS if not refused[aspect]])
        text = tuple((row.figure, _number(row.first), _number(row.second),
                      "-" if row.change is None else f"{row.change:+.2%}") for row in rows)
        reasons = tuple(f"{aspect}: {reason}" for aspect, found in refused.items() for reason in found)
        pairs.append(Pair(first_name, name, text, reasons))
    return pairs


def markdown(results: dict[str, dict[str, Any]]) -> str:
    """Markdown text: headline, comparison with the first run, then each run's scores and worst records."""
    parts = ["# Measured", _table(headline(results))]
    if len(results) > 1:
        beside = side_by_side(results)
        rows = [[figure.name, *(f"{a} ({b})" if b else a for a, b in zip(figure.shown, figure.changes, strict=True))]
                for figure in beside.figures]  # fmt: skip
        parts += [f"## Side by side, held to {_cell(beside.names[0])}", _table([["", *beside.names], *rows])]
        lines = [f"- {_cell(name)}, not comparable: {_cell(line)}" for name, why in beside.reasons for line in why]
        parts += ["\n".join(lines)] if lines else []
    for name, result in results.items():
        facts = result["provenance"]
        parts.append(f"## {_cell(name)}")
        if facts["synthetic"]:
            parts.append("**Synthetic ECG: these figures say nothing about patients.**")
        parts.append(f"{facts['source']}: {facts['windows']:,} windows of {facts['records']} records, "
                     f"split {facts['split']}. Model `{facts['model_sha256']}`.")
        scores = [[label, *map(percent, values)] for label, values in score_rows(result)]
        parts.append(_table([["per cent", *result["columns"]], *scores, *([a, *b] for a, b in interval_rows(result))]))
        if worst := record_rows(result)[:10]:
            parts.append(_table([["worst records", "windows", "correct", "per cent"], *worst]))
    return "\n\n".join([*parts, "Not a medical device."]) + "\n"


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _number(value: float) -> str:
    return thousands(value) if isinstance(value, int) else f"{value:.4f}"
