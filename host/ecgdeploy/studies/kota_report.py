"""The tables of study ``kota2025``: the paper's figure, ours, the difference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.models.kota import PRINTED
from ecgdeploy.studies import kota_paper as paper
from ecgdeploy.studies.kota2025 import BEATS, MEASURED, NETWORKS, STEPS
from ecgdeploy.studies.tables import Bars, Report, Table, reasons, with_notes

#: network -> cell -> rows of all seeds
Grid = dict[str, dict[str, list[dict[str, Any]]]]
#: cell of seed 1 -> why it has no figure
Why = Callable[[str], str]


def report(rows: list[dict[str, Any]], folder: Path) -> Report:  # noqa: ARG001
    """Tables of all rows so far; a cell that failed is listed with its reason."""
    grid: Grid = {}
    for row in rows:
        if row["status"] == "done":
            cells = grid.setdefault(row["params"]["network"], {})
            cells.setdefault(row["cell"].split("/")[1], []).append(row["result"] | {"seed": row["params"]["seed"]})
    why = reasons(rows)
    tables = [
        _parameters(grid, why), _baseline(grid, True, why), _baseline(grid, False, why), _l1(grid, why),
        _steps(grid, "resnet1d-attn", "V", why), _steps(grid, "convtransformer", "VI", why),
        _efficiency(grid, why), _ablation(grid, why), _structured(grid), _rare(grid),
        _convergence(grid), _refused(grid), _failed(rows),
    ]  # fmt: skip
    return Report(
        title="kota2025: energy-aware compression",
        paper="Kota, Tables I to VIII",
        tables=tuple(table for table in tables if table.rows),
        remarks=tuple(_remarks(rows)),
        plots=tuple(_plots(grid)),
    )


def _is_beats(network: str) -> bool:
    return NETWORKS[network].task == BEATS


def _first(network: str) -> str:
    return "accuracy" if _is_beats(network) else "macro_auc"


def _mean(found: list[dict[str, Any]], key: str) -> float | None:
    values = [row[key] for row in found if row.get(key) is not None]
    return float(np.mean(values)) if values else None


def _spread(found: list[dict[str, Any]], key: str) -> str:
    values = [row[key] for row in found if key in row]
    if not values:
        return "-"
    return f"{np.mean(values):.4f}" + (f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else "")


def _less(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours - theirs


def _note(found: list[dict[str, Any]], why: Why, network: str, cell: str) -> str:
    """Why a row has no figure of ours; nothing where it has one."""
    return "" if found else why(f"{network}-1/{cell}")


def _parameters(grid: Grid, why: Why) -> Table:
    rows: list[tuple[Any, ...]] = []
    notes = []
    for network, facts in NETWORKS.items():
        ours = grid.get(network, {}).get("dense", [])
        theirs = PRINTED[facts.model]
        count = ours[0]["parameters_printed"] if ours else None
        rows.append((network, theirs, count, None if count is None else count - theirs))
        notes.append(_note(ours, why, network, "dense"))
    columns = ("network", "paper", "ours", "difference")
    return with_notes("parameters", "Table I: parameters", columns, rows, notes)


def _baseline(grid: Grid, beats: bool, why: Why) -> Table:
    rows: list[tuple[Any, ...]] = []
    notes = []
    names = ("accuracy", "macro_f1") if beats else ("macro_auc", "macro_auprc", "macro_f1")
    for network, theirs in paper.BASELINE.items():
        if _is_beats(network) != beats:
            continue
        found = grid.get(network, {}).get("dense", [])
        for name, figure in zip(names, theirs, strict=True):
            ours = _mean(found, name)
            rows.append((network, name, figure, _spread(found, name), _less(ours, figure), len(found)))
            notes.append(_note(found, why, network, "dense"))
    table, source = ("II", "MIT-BIH") if beats else ("III", "PTB-XL")
    columns = ("network", "figure", "paper", "ours", "difference", "seeds")
    return with_notes(f"table_{table}", f"Table {table}: dense networks on {source}", columns, rows, notes)


def _l1(grid: Grid, why: Why) -> Table:
    rows: list[tuple[Any, ...]] = []
    notes = []
    for network, theirs in paper.L1.items():
        found = grid.get(network, {}).get("l1", [])
        second = "macro_f1" if _is_beats(network) else "macro_auprc"
        after = _mean(found, "parameters")
        sparsity = _mean(found, "sparsity")
        first, other = _mean(found, _first(network)), _mean(found, second)
        rows.append(
            (network, theirs[1], None if after is None else after / 1e3, theirs[2],
             None if sparsity is None else 100 * sparsity, theirs[3], first, _less(first, theirs[3]), theirs[4], other,
             _less(other, theirs[4]))
        )  # fmt: skip
        notes.append(_note(found, why, network, "l1"))
    columns = (
        "network", "paper k after", "ours", "paper sparsity %", "ours %", "paper acc/AUROC", "ours", "difference",
        "paper F1/AUPRC", "ours F1/AUPRC", "difference F1/AUPRC",
    )
    return with_notes("table_IV", "Table IV: global L1 pruning to the paper's sparsity", columns, rows, notes)


def _steps(grid: Grid, network: str, number: str, why: Why) -> Table:
    rows: list[tuple[Any, ...]] = []
    notes = []
    for percent, theirs, f1 in paper.STEPS[network]:
        found = grid.get(network, {}).get(f"energy-{int(percent)}", [])
        sparsity = _mean(found, "sparsity")
        rows.append(
            (f"{percent:g} %", None if sparsity is None else 100 * sparsity, f"{theirs[0]} ± {theirs[1]}",
             _spread(found, _first(network)), _less(_mean(found, _first(network)), theirs[0]), f"{f1[0]} ± {f1[1]}",
             _spread(found, "macro_f1"), _less(_mean(found, "macro_f1"), f1[0]), len(found))
        )  # fmt: skip
        notes.append(_note(found, why, network, f"energy-{int(percent)}"))
    columns = (
        "step", "our sparsity %, all weights", f"paper {_first(network)}", "ours", "difference", "paper macro F1",
        "ours macro F1", "difference F1", "seeds",
    )
    title = f"Table {number}: energy-aware pruning of {network}"
    return with_notes(f"table_{number}", title, columns, rows, notes)


def _efficiency(grid: Grid, why: Why) -> Table:
    rows: list[tuple[Any, ...]] = []
    notes = []
    for network in ("resnet1d-attn", "convtransformer"):
        for cell in ("dense", "energy-8", "energy-40"):
            found = grid.get(network, {}).get(cell, [])
            percent = int(cell.split("-")[1]) if "-" in cell else 0
            theirs = paper.EFFICIENCY.get(network, {}).get(percent, (None, None, None))
            ours = [_mean(found, key) for key in ("mflops", "milliseconds", "proxy")]
            nonzero = _mean(found, "macs_nonzero")
            rows.append(
                (network, f"{percent} %", theirs[0], ours[0], None if nonzero is None else nonzero / 1e6, theirs[1],
                 ours[1], theirs[2], ours[2], found[0].get("instructions") if found else None)
            )  # fmt: skip
            note = [_note(found, why, network, cell)]
            if cell not in MEASURED:
                note.append("instructions: as at 40 %, a zero takes the time of any weight")
            elif found and "instructions" not in found[0]:
                note.append(f"instructions: {found[0].get('int8_refused', 'not measured in this row')}")
            if network not in paper.EFFICIENCY:
                note.append("the paper has a figure without numbers")
            notes.append("; ".join(filter(None, note)))
    columns = (
        "network", "sparsity", "paper MFLOPs", "ours", "of them non-zero", "paper ms", "ours ms", "paper proxy",
        "ours proxy", "instructions measured (int8)",
    )
    title = "Table VII: FLOPs (multiply-accumulates), run time on this host, energy proxy; and what a device sees"
    return with_notes("table_VII", title, columns, rows, notes)


def _ablation(grid: Grid, why: Why) -> Table:
    rows: list[tuple[Any, ...]] = []
    notes = []
    for network, methods in paper.ABLATION.items():
        cells = grid.get(network, {})
        base = _mean(cells.get("dense", []), "proxy")
        for method, theirs in methods.items():
            cell = "dense" if method == "baseline" else method
            found = cells.get(cell, [])
            first, f1 = _mean(found, _first(network)), _mean(found, "macro_f1")
            shares = [
                None if base is None or (value := _mean(found, key)) is None else value / base
                for key in ("proxy_nonzero", "proxy")
            ]
            rows.append(
                (network, method, theirs[0], first, _less(first, theirs[0]), theirs[1], f1, _less(f1, theirs[1]),
                 theirs[2], *shares)
            )  # fmt: skip
            notes.append(_note(found, why, network, cell))
    columns = (
        "network", "method", "paper acc/AUROC", "ours", "difference", "paper macro F1", "ours macro F1",
        "difference F1", "paper proxy", "ours, zeros skipped", "ours, as it runs",
    )
    return with_notes(
        "table_VIII", "Table VIII: ablation (L1 with distillation at 40 % too)", columns, rows, notes
    )


def _structured(grid: Grid) -> Table:
    cells = grid.get("resnet1d-attn", {})
    dense = next((row for row in cells.get("dense", []) if "instructions" in row), None)
    rows: list[tuple[Any, ...]] = []
    for cell in ("dense", "energy-40", "structured", "structured-magnitude"):
        for row in (row for row in cells.get(cell, []) if "instructions" in row and row["seed"] == 1):
            shares = [
                row[key] / dense[key] if dense else None
                for key in ("macs", "proxy", "proxy_nonzero", "instructions", "flash_bytes")
            ]
            rows.append(
                (cell, row["parameters"], row["int8"]["accuracy"], row["int8"]["macro_f1"], row["instructions"],
                 row["flash_bytes"], *shares)
            )  # fmt: skip
    columns = (
        "resnet1d-attn, int8", "parameters not zero", "accuracy", "macro F1", "instructions", "flash B", "MACs share",
        "proxy share", "proxy share, zeros skipped", "instructions share", "flash share",
    )
    title = "Beyond: structured pruning, quantized and measured; does the proxy tell the truth?"
    return Table("structured", title, columns, tuple(rows))


def _rare(grid: Grid) -> Table:
    rows: list[tuple[Any, ...]] = []
    for cell, found in grid.get("resnet1d-attn", {}).items():
        known = [row["recall"] for row in found if "recall" in row]
        if known:
            rows.append((cell, *(float(np.mean([one.get(name, np.nan) for one in known])) for name in "NSV")))
    return Table("recall", "Recall by class, resnet1d-attn", ("cell", "N", "S", "V"), tuple(rows))


def _convergence(grid: Grid) -> Table:
    rows: list[tuple[Any, ...]] = []
    for network in ("resnet1d-attn", "convtransformer"):
        for cell in ("dense", *(f"energy-{percent}" for percent in STEPS)):
            found = grid.get(network, {}).get(cell, [])
            if found:
                losses = found[0]["loss_by_epoch"]
                rows.append((network, cell, losses[0], losses[-1], len(losses)))
    columns = ("network", "step", "loss, first epoch", "loss, last epoch", "epochs")
    return Table("convergence", "Training loss across pruning steps, seed 1", columns, tuple(rows))


def _refused(grid: Grid) -> Table:
    rows = [
        (network, cell, row["refused"])
        for network, cells in grid.items()
        for cell, found in cells.items()
        for row in found
        if "refused" in row
    ]
    return Table("refused", "The importance as the paper prints it", ("network", "cell", "what happens"), tuple(rows))


def _failed(rows: list[dict[str, Any]]) -> Table:
    found = tuple((row["cell"], row["reason"]) for row in rows if row["status"] != "done")
    return Table("failed", "Cells that could not run", ("cell", "why"), found)


def _remarks(rows: list[dict[str, Any]]) -> list[str]:
    remarks = []
    done = [row for row in rows if row["status"] == "done"]
    for network in NETWORKS:
        first = next((row for row in done if row["params"]["network"] == network), None)
        if first is None:
            continue
        facts = first["provenance"]
        part = "quick form: " if first["quick"] else ""
        remarks.append(
            f"{network}: {part}{facts['windows']['training']:,} training examples, {facts['config']['epochs']} epochs; "
            f"scored on {first['result'].get('examples', 0):,} examples of {facts['source']}"
        )
    if any(row["params"]["network"] == "convtransformer" for row in done):
        remarks.append(
            "convtransformer: energy-aware pruning and L1 with distillation prune its convolutions alone, as the paper "
            "does; the steps are shares of their weights, which are 7.5 % of all"
        )
    remarks.append("run time, and the proxy with it, holds what else this computer did meanwhile; instructions do not")
    remarks.extend(f"the paper: {line}" for line in paper.INCONSISTENT)
    if done and done[0]["quick"]:
        remarks.append(
            "quick form: so few examples and epochs that its scores only show that every cell runs; they are not a "
            "reproduction. Training windows are drawn with the classes evened out, test beats evenly spaced"
        )
    if any(row.get("provenance", {}).get("synthetic") for row in rows):
        remarks.append("SYNTHETIC data: no person was recorded")
    return remarks


def _plots(grid: Grid) -> list[Bars]:
    cells = grid.get("resnet1d-attn", {})
    if not cells:
        return []
    groups = tuple(f"{percent} %" for percent in STEPS)
    return [
        Bars(
            "ResNet1D-Attn: macro F1 along energy-aware pruning", "macro F1", groups,
            {
                "paper": tuple(f1[0] for _, _, f1 in paper.STEPS["resnet1d-attn"]),
                "ours": tuple(_mean(cells.get(f"energy-{percent}", []), "macro_f1") for percent in STEPS),
            },
        )
    ]
