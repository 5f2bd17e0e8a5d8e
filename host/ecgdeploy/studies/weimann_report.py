"""The tables of study ``weimann2021``: the paper's figure, ours, the difference; and whether pre-training helped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.studies import runner
from ecgdeploy.studies import weimann_paper as paper
from ecgdeploy.studies.tables import Bars, Report, Table
from ecgdeploy.studies.weimann2021 import NANO, units
from ecgdeploy.training import figures

ROUNDS = 500
NOT_RUN = "not in this form of the study"
PENDING = "not run yet"
Rows = dict[tuple[Any, ...], dict[str, Any]]


def key(params: dict[str, Any]) -> tuple[Any, ...]:
    """What tells one configuration from another."""
    return (params["data"], params["rate"], params["share"], params["depth"], params["method"])


def report(rows: list[dict[str, Any]], folder: Path) -> Report:
    """Tables of all rows so far; what did not run says why."""
    runs = _planned(rows) | {key(row["params"]): row for row in rows if row["unit"] != NANO}
    nano = {row["cell"].split("/")[1]: row for row in rows if row["unit"] == NANO and row["status"] == "done"}
    depth5 = next((row["params"]["depth"] for row in runs.values() if row["params"]["table"] == "5"), 34)
    helped = _helped(runs, folder)
    tables = [
        _table1(runs),
        _grid(runs, "2", "Table 2: share of the records that trains", "share", paper.TABLE2),
        _grid(runs, "3", "Table 3: sampling rate of the downstream records, Hz", "rate", paper.TABLE3),
        _grid(runs, "4", "Table 4: depth of the network", "depth", paper.TABLE4),
        _table5(runs, depth5), helped, _upstream(runs), _nano(nano), _failed(rows),
    ]
    return Report(
        title="weimann2021: transfer learning for ECG classification",
        paper="Weimann and Conrad 2021, Tables 1 to 5",
        tables=tuple(table for table in tables if table.rows),
        remarks=tuple(_remarks(runs, helped, nano, folder)),
        plots=tuple(_plots(runs)),
    )


def _planned(rows: list[dict[str, Any]]) -> Rows:
    """What this form of the study has still to run, as rows without a figure."""
    plan = units(rows[0]["quick"], False) if rows else ()
    pending: dict[str, Any] = {"status": "pending", "reason": PENDING, "result": {}}
    return {key(unit.params): {"params": unit.params} | pending for unit in plan if unit.id != NANO}


def _figure(row: dict[str, Any] | None, name: str) -> tuple[Any, Any, Any]:
    """Mean, sd and number of runs; or why there is none, for the first of the three."""
    if row is None:
        return NOT_RUN, None, None
    if row["status"] != "done":
        return row["reason"], None, None
    return row["result"]["mean"][name], row["result"]["sd"][name], len(row["result"]["runs"])


def _less(ours: Any, theirs: float | None) -> float | None:
    return ours - theirs if isinstance(ours, float) and theirs is not None else None


def _table1(runs: Rows) -> Table:
    rows: list[tuple[Any, ...]] = []
    for method, theirs in paper.TABLE1.items():
        row = runs.get(("cinc2017", 250, 0.75, 18, method))
        ours, sd, count = _figure(row, "macro_f1")
        each = [_figure(row, name)[0] for name in ("f1_normal", "f1_af", "f1_other", "f1_noisy")]
        each = [value if isinstance(value, float) else None for value in each]
        rows.append((method, theirs[0], theirs[1], ours, sd, _less(ours, theirs[0]), count, *each))
    columns = (
        "pre-training, frame", "paper F1", "± sd", "ours", "± sd", "difference", "runs", "normal", "AF", "other",
        "noisy",
    )
    return Table("table1", "Table 1: macro F1 on the CinC 2017 test records by pre-training", columns, tuple(rows))


def _grid(runs: Rows, number: str, title: str, what: str, theirs: Mapping[Any, tuple[float, ...]]) -> Table:
    rows: list[tuple[Any, ...]] = []
    for value, row in theirs.items():
        for place, method in enumerate(paper.METHODS):
            params = {"data": "cinc2017", "rate": 250, "share": 0.75, "depth": 18, "method": paper.BEST[method]}
            ours, sd, count = _figure(runs.get(key(params | {what: value})), "macro_f1")
            rows.append((value, paper.BEST[method], row[place], ours, sd, _less(ours, row[place]), count))
    columns = (what, "pre-training", "paper F1", "ours", "± sd", "difference", "runs")
    return Table(f"table{number}", title, columns, tuple(rows))


def _table5(runs: Rows, depth: int) -> Table:
    rows: list[tuple[Any, ...]] = []
    names = ("macro_auc", "fmax", "f_beta2", "g_beta2")
    for data, theirs in paper.TABLE5.items():
        for place, method in enumerate(paper.METHODS):
            row = runs.get((data, 250, 0.75, depth, paper.BEST[method]))
            for name, figure in zip(names, theirs[place], strict=False):
                ours, sd, count = _figure(row, name)
                rows.append((data, paper.BEST[method], name, figure, ours, sd, _less(ours, figure), count))
    columns = ("data set", "pre-training", "measure", "paper", "ours", "± sd", "difference", "runs")
    return Table("table5", f"Table 5: two other data sets, 12 leads (ours: ResNet-{depth})", columns, tuple(rows))


def difference(folder: Path, base: str, other: str, rounds: int = ROUNDS) -> tuple[float, float, float]:
    """Mean macro F1 (or macro AUC) of `other`'s runs less that of `base`'s, with its 95 % interval.

    Both the runs and the test records are drawn again: the interval holds for other seeds and other records. Of a
    cell of one run, the records alone; the same records for both, so that the difference is paired.
    """
    first, second = runner.arrays_of(folder, base), runner.arrays_of(folder, other)
    targets, rng = first["targets"], np.random.default_rng(0)
    runs = [found["probabilities"] for found in (first, second)]
    ours, theirs = (found if found.ndim == 3 else found[None] for found in runs)

    def mean(answers: np.ndarray, rows: np.ndarray, which: np.ndarray) -> float:
        return float(np.mean([_measure(targets[rows], answers[number][rows]) for number in which]))

    everything = np.arange(len(targets))
    estimate = mean(theirs, everything, np.arange(len(theirs))) - mean(ours, everything, np.arange(len(ours)))
    drawn = []
    for _ in range(rounds):
        rows = rng.integers(0, len(targets), len(targets))
        one, two = (rng.integers(0, len(found), len(found)) for found in (ours, theirs))
        drawn.append(mean(theirs, rows, two) - mean(ours, rows, one))
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return estimate, float(low), float(high)


def _measure(targets: np.ndarray, answers: np.ndarray) -> float:
    if targets.ndim == 1:
        return figures.macro_f1(targets, answers)
    return float(np.nanmean(figures.class_auc(targets, answers)))


def _helped(runs: Rows, folder: Path) -> Table:
    rows: list[tuple[Any, ...]] = []
    for place, row in runs.items():
        base = runs.get((*place[:4], "none"))
        if place[4] == "none" or base is None or "done" != row["status"] or "done" != base["status"]:
            continue
        change, low, high = difference(folder, base["cell"], row["cell"], ROUNDS if place[0] == "cinc2017" else 100)
        verdict = "helped" if low > 0 else "harmed" if high < 0 else "not shown"
        rows.append((*place, change, low, high, verdict))
    columns = ("data set", "Hz", "share", "depth", "pre-training", "change", "95 % from", "to", "pre-training")
    title = "Did pre-training help? Less random weights: macro F1 (12 leads: macro AUC), runs and records redrawn"
    return Table("helped", title, columns, tuple(rows))


def _upstream(runs: Rows) -> Table:
    found: dict[str, tuple[Any, ...]] = {}
    for place, row in runs.items():
        facts = row["result"].get("pretraining") if row["status"] == "done" else None
        if facts:
            name = f"{place[4]}, ResNet-{place[3]}"
            figure = facts["validation"]
            skipped = "; ".join(f"{record}: {why}" for record, why in facts["skipped"].items()) or "none"
            found[name] = (
                name, facts["source"], facts["records"], facts["windows"]["training"], figure["accuracy"],
                figure["macro_f1"], facts["peak_host_ram_bytes"] / 2**20, skipped,
            )
    columns = (
        "pre-training", "upstream", "records", "frames", "validation accuracy", "macro F1", "peak RAM MiB",
        "records skipped",
    )
    return Table("upstream", "Pre-training", columns, tuple(found.values()))


def _nano(nano: dict[str, dict[str, Any]]) -> Table:
    labels = {
        "teacher": "teacher: pre-trained, fine-tuned, float32", "alone": "student by its labels, float32",
        "taught": "student taught, float32", "int8": "student taught, int8, host",
        "on-device": "student taught, int8, emulated Nano",
    }
    rows: list[tuple[Any, ...]] = []
    for cell, label in labels.items():
        if cell not in nano:
            continue
        result = nano[cell]["result"]
        memory, exact = result.get("memory") or {}, result.get("bit_exact")
        rows.append(
            (
                label, result["macro_f1"], result.get("parameters"),
                f"{exact['identical']}/{exact['compared']}" if exact else None,
                result["latency"]["median"] if exact else None, memory.get("ram_static"), memory.get("flash_total"),
            )
        )
    columns = ("network, 60-s records", "macro F1", "parameters", "bit-identical", "instructions", "RAM B", "flash B")
    return Table("nano", "On the device: every CinC 2017 test record, 60 s at 250 Hz", columns, tuple(rows))


def _failed(rows: list[dict[str, Any]]) -> Table:
    found = tuple((row["cell"], row["reason"]) for row in rows if row["status"] != "done")
    return Table("failed", "Cells that could not run", ("cell", "why"), found)


def _remarks(runs: Rows, helped: Table, nano: dict[str, dict[str, Any]], folder: Path) -> list[str]:
    remarks = []
    first = next((row for row in runs.values() if row["status"] == "done"), None)
    if first:
        result = first["result"]
        remarks.append(f"downstream: {first['provenance']['source']}, {result['test_records']} test records")
        if first["quick"]:
            options = result["network"]["options"]
            seconds = options["samples"] / first["params"]["rate"]
            remarks.append(
                f"quick form: an eighth of the paper's width ({options['width']}), {seconds:.0f}-s "
                f"records (the paper: 60 s), {result['epochs']} epochs, {len(result['runs'])} runs, "
                "little pre-training: the figures compare methods with each other, not with the paper"
            )
    here = [row for row in helped.rows if row[:4] == ("cinc2017", 250, 0.75, 18)]
    for row in here:
        remarks.append(
            f"pre-training {row[4]} changed macro F1 by {row[5]:+.3f} (95 % {row[6]:+.3f} to {row[7]:+.3f}): {row[8]}"
        )
    if "int8" in nano and "taught" in nano and "on-device" in nano:
        device, host, base = (nano[c]["result"]["macro_f1"] for c in ("on-device", "int8", "taught"))
        change, low, high = difference(folder, nano["taught"]["cell"], nano["int8"]["cell"])
        remarks.append(
            f"emulated Nano: macro F1 {device:.4f}, int8 on the host {host:.4f}, float {base:.4f}; "
            f"int8 less float {change:+.4f} (95 % {low:+.4f} to {high:+.4f})"
        )
    return remarks


def _plots(runs: Rows) -> list[Bars]:
    names = [paper.BEST[method] for method in paper.METHODS]
    found = [runs.get(("cinc2017", 250, 0.75, 18, name)) for name in names]
    ours = tuple(row["result"]["mean"]["macro_f1"] if row and row["status"] == "done" else None for row in found)
    if not any(ours):
        return []
    theirs = tuple(paper.TABLE1[name][0] for name in names)
    return [Bars("Macro F1 by pre-training", "macro F1", tuple(names), {"paper": theirs, "ours": ours})]
