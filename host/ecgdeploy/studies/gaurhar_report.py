"""The tables of study ``gaurhar2025``: the paper's figure, ours, the difference; and what a ratio is in flash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ecgdeploy.models.gaurhar import FLOAT_SHARE
from ecgdeploy.studies import gaurhar_paper as paper
from ecgdeploy.studies.gaurhar2025 import BITS, CHAPMAN, CPSC, NETWORKS, PRUNED, ratio
from ecgdeploy.studies.tables import Bars, Report, Table, reasons, with_notes

Rows = dict[tuple[str, str], dict[str, dict[str, Any]]]
FIGURES = ("accuracy", "precision", "recall", "f1")
SPLIT = (("accuracy", "f1", "ratio"), ("precision", "recall"))


def report(rows: list[dict[str, Any]], folder: Path) -> Report:  # noqa: ARG001
    """Tables of all rows so far; a cell that failed is listed with its reason."""
    grid: Rows = {}
    for row in rows:
        if row["status"] == "done":
            key = (row["params"]["network"], row["params"]["task"])
            grid.setdefault(key, {})[row["cell"].split("/")[1]] = row
    why = reasons(rows)
    tables = [
        *(_table_1(grid, network, names, why) for network in NETWORKS for names in SPLIT), _formula(), _table_2(grid),
        *(_flash(grid, network) for network in NETWORKS), _choices(grid), _device(grid), _failed(rows),
    ]  # fmt: skip
    return Report(
        title="gaurhar2025: layer-wise adaptive compression",
        paper="Gaurhar et al. 2025, Tables 1 and 2",
        tables=tuple(table for table in tables if table.rows),
        remarks=tuple(_remarks(rows, grid)),
        plots=tuple(_plots(grid)),
    )


def _less(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours - theirs


def _table_1(grid: Rows, network: str, names: tuple[str, ...], why: Callable[[str], str]) -> Table:
    """Some of the columns of Table 1: all of them side by side are too wide for a terminal."""
    cells = grid.get((network, CHAPMAN), {})
    rows: list[tuple[Any, ...]] = []
    notes = []
    for method, printed in paper.TABLE_1.items():
        theirs = dict(zip((*FIGURES, "ratio"), printed[NETWORKS.index(network)], strict=True))
        ours = cells[method]["result"] if method in cells else {}
        ours = ours | ours.get("weights_only", {})
        row: list[Any] = [method]
        for name in names:
            row += [theirs[name], ours.get(name), _less(ours.get(name), theirs[name])]
        rows.append(tuple(row))
        notes.append("" if ours else why(f"{network}-{CHAPMAN}/{method}"))
    columns = ("method", *(f"{part} {name}" for name in names for part in ("paper", "our", "less")))
    title = f"Table 1: {network}, {' and '.join(names)}"
    return with_notes(f"table_1_{network}_{names[0]}", title, columns, rows, notes)


def _formula() -> Table:
    """The paper's ratios follow from one number each, the share of parameters kept in float."""
    rows: list[tuple[Any, ...]] = []
    for place, name in enumerate(("gaurhar-resnet1d", "hubert-ecg")):
        share = FLOAT_SHARE[name]
        for bits in BITS:
            theirs = paper.TABLE_1[f"{bits}-bit"][place][4]
            rows.append((name, f"{bits}-bit", theirs, ratio(bits, share), ratio(bits, share) - theirs))
        for percent in PRUNED:
            theirs = paper.TABLE_1[f"pruned-{percent}"][place][4]
            found = 1 / (1 - percent / 100 * (1 - share))
            rows.append((name, f"pruned-{percent}", theirs, found, found - theirs))
    columns = ("network", "method", "paper", "formula", "difference")
    title = "The paper's ratios by formula: 32 / (b (1 - f) + 32 f) and 1 / (1 - p (1 - f)); f 0.00087 and 0.0016"
    return Table("ratio_formula", title, columns, tuple(rows))


def _table_2(grid: Rows) -> Table:
    mine = {
        ("Chapman", "ResNet1D + LAQ"): ("resnet1d", CHAPMAN),
        ("Chapman", "HuBERT ECG + LAQ"): ("hubert-ecg", CHAPMAN),
        ("CPSC 2018", "Proposed ResNet1D"): ("resnet1d", CPSC),
    }
    rows: list[tuple[Any, ...]] = []
    for source, entries in paper.TABLE_2.items():
        for authors, _, _, method, *printed in entries:
            key = mine.get((source, authors))
            ours: dict[str, Any] = grid.get(key, {}).get("laq", {}).get("result", {}) if key else {}
            why = "" if ours else "another paper's figure" if key is None else "not run in this form"
            if key and key[1] == CPSC and not ours:
                why = "10 records here: full form only"
            mean = _percents([100 * ours[name] for name in FIGURES] if ours else [])
            ratios = printed[4], ours.get("ratio")
            rows.append((f"{source}: {authors}", method, _percents(printed[:4]), mean, *ratios, why))
    columns = ("data, row", "method", "paper %", "ours %", "paper ratio", "our ratio", "why not ours")
    title = "Table 2: accuracy / precision / recall / F1 beside existing work"
    return Table("table_2", title, columns, tuple(rows))


def _percents(values: Sequence[float | None]) -> str:
    """Figures of one row as one text; a dash for one that is not printed."""
    known = ["-" if value is None or value != value else f"{value:.2f}" for value in values]
    return " / ".join(known) if known else "-"


def _flash(grid: Rows, network: str) -> Table:
    rows: list[tuple[Any, ...]] = []
    cells = grid.get((network, CHAPMAN), {})
    refused = cells.get("laq-on-device", {}).get("result", {}).get("why", "the static engine does not take it")
    for method, row in cells.items():
        found = row["result"]
        if "storage" in found:
            stored = found["storage"]
            static = stored["static"] or {}
            sizes = static.get("bytes"), static.get("times_smaller"), *(
                stored[name]["times_smaller"] for name in ("tflm", "int4")
            )
            rows.append((method, found["accuracy"], found["f1"], found["ratio"], *sizes))
    order = list(paper.TABLE_1)
    rows.sort(key=lambda row: order.index(row[0]))
    columns = (
        "method", "accuracy of the int8 file", "F1", "ratio on paper", "static engine: weights B",
        "x smaller than float32", "TFLM, LiteRT: x", "int4 tensors: x",
    )  # fmt: skip
    notes = ["" if row[4] else refused.split(" (")[0] for row in rows]
    return with_notes(f"flash_{network}", f"What is left of the ratio in flash: {network}", columns, rows, notes)


def _choices(grid: Rows) -> Table:
    rows: list[tuple[Any, ...]] = []
    for (network, task), cells in grid.items():
        for operator, bits, importance in cells.get("laq", {}).get("result", {}).get("bits", ()):
            part = dict(cells["lap"]["result"]["parts"]).get(operator) if "lap" in cells else None
            rows.append((f"{network}, {task}", operator, importance, bits, part))
    columns = ("network", "operator", "importance", "LAQ bits", "LAP: part pruned")
    return Table("choices", "What LAQ and LAP chose, on held-out records", columns, tuple(rows))


def _device(grid: Rows) -> Table:
    rows: list[tuple[Any, ...]] = []
    for (network, task), cells in grid.items():
        found = cells.get("laq-on-device", {}).get("result", {})
        for name in ("int8", "laq"):
            if name in found:
                one = found[name]
                same = f"{one['identical']}/{one['compared']} ({one['golden']})"
                figures = (one["instructions"], one["flash_bytes"], one["ram_bytes"])
                rows.append((f"{network}, {task}", name, *figures, same))
        if found.get("fits") is False:
            rows.append((f"{network}, {task}", "laq", None, None, None, f"does not run: {found['why']}"))
    columns = ("network", "file", "instructions", "flash B", "RAM B", "bit-identical")
    return Table("device", "On the emulated Cortex-M4F, static engine", columns, tuple(rows))


def _failed(rows: list[dict[str, Any]]) -> Table:
    found = tuple((row["cell"], row["reason"]) for row in rows if row["status"] != "done")
    return Table("failed", "Cells that could not run", ("cell", "why"), found)


def _remarks(rows: list[dict[str, Any]], grid: Rows) -> list[str]:
    remarks = []
    for (network, task), cells in grid.items():
        row = next(iter(cells.values()))
        facts = row["provenance"]
        if facts["stands_in"]:
            remarks.append(facts["stands_in"])
        full = cells.get("full", {}).get("result", {})
        count = full.get("parameters", 0)
        remarks.append(
            f"{network}, {task}: {facts['windows']['training']:,} training records of {facts['source']}, "
            f"{facts['config']['epochs']} epochs, {count:,} parameters, "
            f"{full.get('float_share', 0):.5f} of them no matrix"
        )
        if "pretraining" in full:
            found = full["pretraining"]
            remarks.append(
                f"{network}: masked prediction of clusters, loss {found['losses'][0]:.3f} to "
                f"{found['losses'][-1]:.3f}, {found['masked_accuracy']:.3f} right against "
                f"{found['commonest_cluster']:.3f} by guessing"
            )
    if any(row["quick"] for row in rows):
        remarks.append(
            "quick form: small networks (ResNet1D of a quarter of the width, HuBERT-ECG 'tiny'), few records and "
            "epochs; the published HuBERT-ECG weights are not here, `ecgdeploy.models.hubert_weights` reads them from "
            "a file"
        )
    remarks.append(
        "Table 1, fixed bits and pruning: weights alone, rounded plainly, activations in float, as in the paper. LAQ, "
        "LAP and the tables of flash: full-integer files as they run on a device, activations in int8 too, the error "
        "of each rounded weight taken up by the next ones (compression.rounding), LAQ and LAP holding accuracy and "
        "macro F1 of the int8 file on the validation records. Pruned weights take a byte each on every engine"
    )
    if any(row.get("provenance", {}).get("synthetic") for row in rows):
        remarks.append("SYNTHETIC data: no person was recorded")
    return remarks


def _plots(grid: Rows) -> list[Bars]:
    plots = []
    for place, network in enumerate(NETWORKS):
        cells = grid.get((network, CHAPMAN), {})
        if cells:
            ours = tuple(cells[m]["result"]["f1"] if m in cells else None for m in paper.TABLE_1)
            theirs = tuple(columns[place][3] for columns in paper.TABLE_1.values())
            plots.append(Bars(f"Table 1: {network}", "F1", tuple(paper.TABLE_1), {"paper": theirs, "ours": ours}))
    return plots
