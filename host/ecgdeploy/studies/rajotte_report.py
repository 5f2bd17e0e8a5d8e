"""The tables and plots of study ``rajotte2025``: the paper's figure, ours, the difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.quantization import deployability
from ecgdeploy.studies import beats_unit, runner, statistics
from ecgdeploy.studies import rajotte_paper as paper
from ecgdeploy.studies.rajotte2025 import ABLATION, HEADS, ON_DEVICE, PAPER_PRECISIONS, PRECISIONS, SIZES
from ecgdeploy.studies.tables import Bars, Report, Table

Rows = dict[tuple[int, str], dict[str, dict[str, Any]]]


def report(rows: list[dict[str, Any]], folder: Path) -> Report:
    """Tables of all rows so far; a cell that failed is listed with its reason."""
    done = [row for row in rows if row["status"] == "done"]
    grid: Rows = {}
    for row in done:
        if row["unit"] not in (ABLATION, SIZES, beats_unit.UNIT):
            key = (row["params"]["leads"], row["params"]["outputs"])
            grid.setdefault(key, {})[row["cell"].split("/")[1]] = row
    grid = dict(sorted(grid.items(), key=lambda item: (-item[0][0], -int(item[0][1]))))
    sizes = {row["cell"].split("/")[1]: row["result"] for row in done if row["unit"] == SIZES}
    beats = {row["cell"].split("/")[1]: row for row in done if row["unit"] == beats_unit.UNIT}
    mistakes = [row for row in done if row["unit"] == ABLATION]
    tables = [
        _auc(grid), _against_float32(grid, folder), _f1(grid), _beats(beats, folder), _size(sizes),
        _times(grid), _device(grid), _statistics(grid, folder), _runs_on(), _mistakes(mistakes), _failed(rows),
    ]
    return Report(
        title="rajotte2025: quantization of a multi-task CNN on PTB-XL",
        paper="Rajotte et al. 2025, Fig. 1, Fig. 2, Table I, section IV-B",
        tables=tuple(table for table in tables if table.rows),
        remarks=tuple(_remarks(grid, rows)),
        plots=tuple(_plots(grid, sizes)),
    )


def _name(key: tuple[int, str]) -> str:
    return f"{key[0]} leads, {key[1]}"


def _less(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours - theirs


def _ordered(cells: dict[str, Any]) -> list[str]:
    return [name for name in PRECISIONS if name in cells]


def _auc(grid: Rows) -> Table:
    rows: list[tuple[Any, ...]] = []
    for key, cells in grid.items():
        for name in _ordered(cells):
            result = cells[name]["result"]
            theirs = paper.MACRO_AUC.get(name) if key == (12, "75") else None
            heads = (result[f"macro_auc_{head}"] for head in HEADS)
            ours = result["macro_auc"]
            rows.append((_name(key), name, theirs, ours, _less(ours, theirs), *heads, result["outputs_scored"]))
    columns = ("configuration", "precision", "paper", "ours", "difference", *HEADS, "outputs scored")
    return Table("macro_auc", "Fig. 1: macro AUC", columns, tuple(rows))


def _against_float32(grid: Rows, folder: Path) -> Table:
    rows: list[tuple[Any, ...]] = []
    for key, cells in grid.items():
        if "float32" not in cells:
            continue
        base = runner.arrays_of(folder, cells["float32"]["cell"])
        for name in _ordered(cells)[1:]:
            found = runner.arrays_of(folder, cells[name]["cell"])["probabilities"]
            change, low, high = statistics.bootstrap_macro_auc(base["targets"], base["probabilities"], found, 500)
            largest = float(np.abs(found - base["probabilities"]).max())
            rows.append((_name(key), name, change, low, high, largest))
        if "int8-qat" in cells:
            rows.append((_name(key), "int8-qat, against the same weights unrounded", *_qat_alone(cells, folder)))
    columns = ("configuration", "precision", "change of macro AUC", "95 % from", "to", "max |Δp|")
    title = "Against float32: paired bootstrap over the test records, 500 rounds"
    return Table("against_float32", title, columns, tuple(rows))


def _qat_alone(cells: dict[str, Any], folder: Path) -> tuple[float, ...]:
    found = runner.arrays_of(folder, cells["int8-qat"]["cell"])
    rounded, float32 = found["probabilities"], found["unrounded"]
    difference = statistics.bootstrap_macro_auc(found["targets"], float32, rounded, 500)
    return (*difference, float(np.abs(rounded - float32).max()))


def _device(grid: Rows) -> Table:
    rows: list[tuple[Any, ...]] = []
    for key, cells in grid.items():
        for cell, name in ON_DEVICE.items():
            if cell not in cells:
                continue
            result = cells[cell]["result"]
            host = cells[name]["result"]["macro_auc"] if name in cells else None
            exact, memory = result["bit_exact"], result["memory"] or {}
            rows.append(
                (
                    _name(key), name, f"{result['board']}, emulated, {result['engine']}", result["macro_auc"], host,
                    f"{exact['identical']}/{exact['compared']}", result["latency"]["median"],
                    memory.get("flash_total"), memory.get("ram_static"),
                )
            )
    columns = (
        "configuration", "precision", "device", "macro AUC", "on the host", "bit-identical", "instructions, median",
        "flash B", "RAM B",
    )
    return Table("on_device", "On the device, every test record", columns, tuple(rows))


def _f1(grid: Rows) -> Table:
    rows: list[tuple[Any, ...]] = []
    for key, cells in grid.items():
        working = [cells[name]["result"] for name in ("float32", "float16", "dynamic") if name in cells]
        for index, head in enumerate(HEADS):
            if not working:
                continue
            theirs = paper.MACRO_F1[key[1]][index] if key[0] == 12 else None
            ours = float(np.mean([result[f"macro_f1_{head}"] for result in working]))
            int8 = cells["int8"]["result"][f"macro_f1_{head}"] if "int8" in cells else None
            rows.append((_name(key), head, theirs, ours, _less(ours, theirs), int8))
    columns = ("configuration", "task", "paper", "ours", "difference", "our int8")
    return Table("macro_f1", "Fig. 2: macro F1, mean of float32, float16 and dynamic range", columns, tuple(rows))


def _beats(cells: dict[str, dict[str, Any]], folder: Path) -> Table:
    rows: list[tuple[Any, ...]] = []
    if "float32" in cells:
        base = runner.arrays_of(folder, cells["float32"]["cell"])
        for name in beats_unit.PRECISIONS:
            if name not in cells:
                continue
            result = cells[name]["result"]
            spread: tuple[float | None, ...] = (None, None, None)
            if name != "float32":
                found = runner.arrays_of(folder, cells[name]["cell"])["probabilities"]
                spread = statistics.bootstrap_macro_auc(
                    base["targets"], base["probabilities"], found, 100, records=base["records"]
                )
            rows.append((name, result["accuracy"], result["macro_f1"], result["macro_auc"], *spread, result["bytes"]))
    columns = ("precision", "accuracy", "macro F1", "macro AUC", "change of macro AUC", "95 % from", "to", "bytes")
    title = "beat-cnn on every MIT-BIH DS2 beat; paired bootstrap over whole records, 100 rounds"
    return Table("beat_cnn", title, columns, tuple(rows))


def _size(sizes: dict[str, Any]) -> Table:
    rows: list[tuple[Any, ...]] = []
    for name in PAPER_PRECISIONS:
        if name in sizes:
            ours = sizes[name]["bytes"] / 2**20
            rows.append((name, paper.SIZE_MIB[name], ours, ours - paper.SIZE_MIB[name], sizes[name]["bytes"]))
    columns = ("precision", "paper MiB", "ours MiB", "difference", "bytes")
    title = "Size of the paper's MT-CNN (5 leads, 56 outputs: the middle of the grid; untrained)"
    return Table("size", title, columns, tuple(rows))


def _times(grid: Rows) -> Table:
    rows: list[tuple[Any, ...]] = []
    for key, cells in grid.items():
        for name in _ordered(cells):
            spread = cells[name]["result"]["milliseconds"]
            theirs = None
            if name in PAPER_PRECISIONS:
                theirs = float(paper.MILLISECONDS[key][PAPER_PRECISIONS.index(name)])
            ours = spread["mean"]
            rows.append((_name(key), name, theirs, ours, spread["sd"], _less(ours, theirs), spread["n"]))
    columns = ("configuration", "precision", "paper ms", "ours ms", "sd", "difference", "runs")
    return Table("times", "Table I: time per invocation on this host, LiteRT, one thread", columns, tuple(rows))


def _statistics(grid: Rows, folder: Path) -> Table:
    rows: list[tuple[Any, ...]] = []
    for key, cells in grid.items():
        names = [name for name in PAPER_PRECISIONS if name in cells]
        if len(names) < 3:
            continue
        kept = {name: runner.arrays_of(folder, cells[name]["cell"]) for name in names}
        for measure in ("class_auc", "seconds"):
            tests = statistics.compare({name: arrays[measure] for name, arrays in kept.items()})
            label = "class-wise AUC" if measure == "class_auc" else "time"
            largest = max(tests.normality.values())
            rows.append((_name(key), label, "Kolmogorov-Smirnov, largest of the precisions", largest, tests.subjects))
            rows.append((_name(key), label, "Friedman", tests.friedman, tests.subjects))
            for (a, b), p in tests.pairs.items():
                rows.append((_name(key), label, f"Wilcoxon, Holm: {a} - {b}", p, tests.subjects))
    columns = ("configuration", "measure", "test", "p", "subjects")
    return Table("statistics", "Statistics as in section III-D", columns, tuple(rows))


def _runs_on() -> Table:
    table = deployability.matrix()
    rows = tuple(
        (name, *("runs" if name in table.runs[engine] else "refused" for engine in table.runs))
        for name in deployability.PRECISIONS
    )
    return Table("deployability", "Where each precision runs", ("precision", *table.runs), rows)


def _mistakes(found: list[dict[str, Any]]) -> Table:
    from ecgdeploy.studies.int8_mistakes import MISTAKES

    by_name = {row["cell"].split("/")[1]: row["result"] for row in found}
    rows: list[tuple[Any, ...]] = []
    for name, what in MISTAKES.items():
        if name in by_name:
            result = by_name[name]
            change = result["macro_auc"] - result["float32_macro_auc"]
            rows.append((what, result["macro_auc"], change, result["max_probability_difference"]))
    columns = ("int8, and what was done wrong", "macro AUC", "less float32", "max |Δp|")
    return Table("int8_mistakes", "Why int8 collapses: one mistake at a time (paper: 0.513)", columns, tuple(rows))


def _failed(rows: list[dict[str, Any]]) -> Table:
    found = tuple((row["cell"], row["reason"]) for row in rows if row["status"] != "done")
    return Table("failed", "Cells that could not run", ("cell", "why"), found)


def _remarks(grid: Rows, rows: list[dict[str, Any]]) -> list[str]:
    remarks = []
    files = {key: {name: cell for name, cell in cells.items() if name not in ON_DEVICE} for key, cells in grid.items()}
    grid = {key: cells for key, cells in files.items() if cells}
    first = next((cell for cells in grid.values() for cell in cells.values()), None)
    if first:
        network = first["result"]["network"]
        remarks.append(f"data: {first['provenance']['source']}; split: {first['provenance']['task']['split']}")
        if first["quick"]:
            remarks.append(
                f"quick form: network {network['name']} (width {network['options']['width']}, "
                f"{first['result']['parameters']:,} parameters, {first['result']['epochs']} epochs), "
                "not the paper's MT-CNN (1,728,971 parameters, 30 epochs)"
            )
        for key, cells in grid.items():
            units = next(iter(cells.values()))["result"]["units"]
            remarks.append(f"{_name(key)}: {sum(units.values())} outputs {units} have a positive training record")
        peak = max(cell["provenance"]["peak_host_ram_bytes"] for cells in grid.values() for cell in cells.values())
        remarks.append(f"peak host RAM of a training process: {peak / 2**20:,.0f} MiB")
        epochs = {_name(key): cells["int8-qat"]["result"]["qat_epochs"] for key, cells in grid.items()
                  if "int8-qat" in cells}
        kept = ", ".join(f"{epoch} ({name})" for name, epoch in epochs.items())
        if kept:
            remarks.append(f"int8-qat: epoch kept, by the distance of its logits on the validation records: {kept}")
    if any(row.get("provenance", {}).get("synthetic") for row in rows):
        remarks.append("SYNTHETIC data: no person was recorded")
    return remarks


def _plots(grid: Rows, sizes: dict[str, Any]) -> list[Bars]:
    plots = []
    if grid:
        groups = tuple(_name(key) for key in grid)
        ours: dict[str, tuple[float | None, ...]] = {
            name: tuple(
                cells[name]["result"]["macro_auc"] if name in cells else None for cells in grid.values()
            )
            for name in PRECISIONS
        }
        theirs = tuple(paper.MACRO_AUC["int8"] if key == (12, "75") else None for key in grid)
        plots.append(Bars("Macro AUC", "macro AUC", groups, ours | {"paper's int8": theirs}))
    if sizes:
        names = tuple(name for name in PAPER_PRECISIONS if name in sizes)
        plots.append(
            Bars(
                "Size of the MT-CNN", "MiB", names,
                {
                    "paper": tuple(paper.SIZE_MIB[name] for name in names),
                    "ours": tuple(sizes[name]["bytes"] / 2**20 for name in names),
                },
            )
        )
    return plots
