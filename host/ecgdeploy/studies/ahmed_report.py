"""The table and figures of study ``ahmed2025``: the thesis' row, ours, and what each model costs on a device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecgdeploy.models.ahmed import CHANGES
from ecgdeploy.studies.ahmed2025 import BOARDS
from ecgdeploy.studies.tables import Bars, Report, Scatter, Table

#: Table 4.1: experiment -> description, MB, micro AUROC, macro AUROC, micro precision, macro precision
PAPER: dict[str, tuple[str, float, float, float, float, float]] = {
    "E1": ("base network", 33.78, 0.860, 0.900, 0.390, 0.390),
    "E2": ("no squeeze and excitation", 33.40, 0.850, 0.870, 0.410, 0.480),
    "E3": ("no first batch normalization", 33.70, 0.860, 0.890, 0.430, 0.500),
    "E4": ("no second batch normalization", 33.70, 0.850, 0.900, 0.430, 0.450),
    "E5": ("no second convolution", 15.10, 0.640, 0.800, 0.140, 0.310),
    "E6": ("E4 and E5", 15.10, 0.700, 0.860, 0.220, 0.420),
    "E7": ("E2 and E6", 14.80, 0.780, 0.840, 0.300, 0.340),
    "E8": ("blocks 1, 1, 2, 2", 32.60, 0.870, 0.880, 0.360, 0.380),
    "E9": ("blocks 1, 1, 1, 1", 14.90, 0.860, 0.890, 0.360, 0.390),
    "E10": ("blocks 2, 2, 3, 3", 51.40, 0.800, 0.890, 0.320, 0.430),
    "E11": ("stem kernel 7", 33.70, 0.850, 0.890, 0.390, 0.460),
    "E12": ("depthwise separable", 5.93, 0.880, 0.870, 0.490, 0.450),
    "E13": ("half the filters", 8.57, 0.790, 0.890, 0.280, 0.420),
    "E14": ("5 units for age and sex", 33.70, 0.860, 0.890, 0.420, 0.450),
    "E15": ("E7 and E12", 2.84, 0.850, 0.880, 0.450, 0.460),
    "E16": ("E7, E12 and E13", 0.83, 0.860, 0.870, 0.460, 0.420),
    "E17": ("a quarter of the filters", 2.24, 0.880, 0.900, 0.450, 0.470),
    "E18": ("E7, E12 and E17", 0.28, 0.840, 0.880, 0.320, 0.410),
}

Cells = dict[str, dict[str, dict[str, Any]]]


def report(rows: list[dict[str, Any]], folder: Path) -> Report:  # noqa: ARG001
    """Tables of all rows so far; a cell that failed is listed with its reason."""
    found: Cells = {name: {} for name in CHANGES}
    for row in rows:
        if row["status"] == "done":
            found[row["unit"]][row["cell"].split("/")[1]] = row
    found = {name: cells for name, cells in found.items() if cells}
    tables = (_sizes(found), _answers(found), *(_device(found, board) for board in BOARDS), _failed(rows))
    return Report(
        title="ahmed2025: size and performance of eighteen ResNet-18 variants",
        paper="Ahmed 2025, Table 4.1, Fig. 4.1 to 4.4",
        tables=tuple(table for table in tables if table.rows),
        remarks=tuple(_remarks(found, rows)),
        plots=tuple(_plots(found)),
    )


def _host(found: Cells, name: str, cell: str) -> dict[str, Any] | None:
    return found[name][cell]["result"] if cell in found[name] else None


def _sizes(found: Cells) -> Table:
    rows: list[tuple[Any, ...]] = []
    base = _host(found, "E1", "float32") if "E1" in found else None
    for name in found:
        float32, int8 = _host(found, name, "float32"), _host(found, name, "int8")
        if not float32:
            continue
        what, theirs = PAPER[name][:2]
        ours = float32["state_dict_mib"]
        smaller = None if base is None else 100 * (1 - ours / base["state_dict_mib"])
        printed = 100 * (1 - theirs / PAPER["E1"][1])
        rows.append((name, what, theirs, ours, printed, smaller, float32["bytes"], int8["bytes"] if int8 else None))
    columns = ("experiment", "change", "paper MiB", "ours MiB", "paper smaller %", "ours %", "float32 B", "int8 B")
    title = "Table 4.1: size of the saved PyTorch network (with our number of classes), and of our files"
    return Table("sizes", title, columns, tuple(rows))


def _answers(found: Cells) -> Table:
    rows: list[tuple[Any, ...]] = []
    for name in found:
        float32, int8 = _host(found, name, "float32"), _host(found, name, "int8")
        if not float32 or not int8:
            continue
        rows.append(
            (
                name, PAPER[name][2], float32["micro_auc"], PAPER[name][3], float32["macro_auc"], int8["macro_auc"],
                PAPER[name][4], float32["micro_average_precision"], PAPER[name][5], float32["macro_average_precision"],
                float32["epochs"],
            )
        )
    columns = (
        "experiment", "paper micro AUROC", "ours", "paper macro AUROC", "ours", "our int8", "paper micro precision",
        "our micro AP", "paper macro precision", "our macro AP", "epochs",
    )
    return Table("answers", "Table 4.1: performance (other data than the paper's, see below)", columns, tuple(rows))


def _device(found: Cells, board: str) -> Table:
    rows: list[tuple[Any, ...]] = []
    for name in found:
        result = _host(found, name, board)
        if not result:
            continue
        if not result["fits"]:
            rows.append((name, None, None, None, None, None, result["why"]))
            continue
        exact, memory = result["bit_exact"], result["memory"] or {}
        identical = f"{exact['identical']}/{exact['compared']}"
        whole = result["macro_auc"] if board == "nano33ble" else None
        rows.append(
            (
                name, whole, identical, result["latency"]["median"], memory.get("flash_total", result["program_bytes"]),
                memory.get("ram_total"), result["latency"]["reason"],
            )
        )
    columns = ("experiment", "macro AUROC", "bit-identical", "instructions, median", "flash B", "RAM B", "remark")
    title = f"int8 on {board}, emulated, engine static"
    return Table(f"on_{board}", title, columns, tuple(rows))


def _failed(rows: list[dict[str, Any]]) -> Table:
    found = tuple((row["cell"], row["reason"]) for row in rows if row["status"] != "done")
    return Table("failed", "Cells that could not run", ("cell", "why"), found)


def _remarks(found: Cells, rows: list[dict[str, Any]]) -> list[str]:
    remarks = []
    first = next((cell for cells in found.values() for cell in cells.values()), None)
    if first:
        facts = first["provenance"]
        remarks.append(f"data: {facts['source']}; split: {facts['task']['split']}")
        if first["quick"]:
            remarks.append(
                f"quick form: PTB-XL superclasses at 100 Hz and {facts['config']['epochs']} epochs, because the "
                "records of the paper's sources at hand are too few to train on; the paper: CinC 2020 and SPH, 250 Hz, "
                "17 classes, 30 epochs. The sizes are the same but for the last layer"
            )
        remarks.append("the Pi's emulation (QEMU, user mode) gives no time; it streamed a few records for bit equality")
        remarks.append(
            "E11's appendix pads a kernel of 7 by 7 samples, and E16's 0.83 MB needs the second normalization kept: "
            "here E11 pads to the same length, and E16 is 0.81 MB, as its description says"
        )
    if any(row.get("provenance", {}).get("synthetic") for row in rows):
        remarks.append("SYNTHETIC data: no person was recorded")
    return remarks


def _plots(found: Cells) -> list[Bars | Scatter]:
    plots: list[Bars | Scatter] = []
    float32 = {name: cells["float32"]["result"] for name, cells in found.items() if "float32" in cells}
    if float32:
        for title, place, key in (
            ("Fig. 4.1: size and micro AUROC", 2, "micro_auc"),
            ("Fig. 4.2: size and micro precision", 4, "micro_precision"),
        ):
            series = {
                "paper": {name: (PAPER[name][1], float(PAPER[name][place])) for name in float32},
                "ours": {name: (result["state_dict_mib"], result[key]) for name, result in float32.items()},
            }
            plots.append(Scatter(title, "MiB", key.replace("_", " "), series))
        names = tuple(float32)
        plots.append(
            Bars(
                "Fig. 4.3: micro and macro AUROC", "AUROC", names,
                {
                    "paper, micro": tuple(PAPER[name][2] for name in names),
                    "ours, micro": tuple(float32[name]["micro_auc"] for name in names),
                    "paper, macro": tuple(PAPER[name][3] for name in names),
                    "ours, macro": tuple(float32[name]["macro_auc"] for name in names),
                },
            )
        )
        base = float32.get("E1")
        if base:
            plots.append(
                Bars(
                    "Fig. 4.4: size reduction", "%", names,
                    {
                        "paper": tuple(100 * (1 - PAPER[name][1] / PAPER["E1"][1]) for name in names),
                        "ours": tuple(
                            100 * (1 - float32[name]["state_dict_mib"] / base["state_dict_mib"]) for name in names
                        ),
                    },
                )
            )
    return plots
