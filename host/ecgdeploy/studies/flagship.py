"""Networks that only fit with packed weights: the full MT-CNN on a Nano 33 BLE, and LAQ on CNN1D, down to the flash.

One unit trains a network, makes its float32 and int8 files and one with weights of few bits, scores all of them on the
test records, and runs the last on the emulated board: flash from the linker's map, RAM, instructions, and every output
held against TFLM's kernels on the same file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.provenance import sha256_file, versions, write_atomic
from ecgdeploy.studies import on_device
from ecgdeploy.studies.base import Context, Done, Study, Unit
from ecgdeploy.studies.fewer import rows_of
from ecgdeploy.studies.tables import Report, Table
from ecgdeploy.training import config, figures

NAME, BOARD = "flagship", "nano33ble"
FEW = "mixed-bits"
CELLS = ("float32", "int8", FEW, "device")
#: bytes that the MT-CNN's weights may take of the board's 983,040
WEIGHTS = 700_000
#: outputs of the MT-CNN without a positive training record are kept: the network is the paper's whole one
MTCNN: dict[str, Any] = {
    "schema": 1, "name": "mtcnn-75", "task": "ptbxl-statements", "seed": 1, "epochs": 8, "batch": 64,
    "monitor": "macro_auc", "checkpoint_steps": 4, "unlearnable": "keep",
    "model": {"name": "mtcnn", "options": {"leads": 12, "outputs": "75"}},
    "loss": {"kind": "focal", "gamma": 2.0},
    "optimizer": {"learning_rate": 1e-3, "schedule": "cosine"},
    "quantization": {"precisions": ["float32", "int8"], "calibration": 200},
}  # fmt: skip
CNN1D: dict[str, Any] = {
    "schema": 1, "name": "cnn1d", "task": "mitbih-beats", "seed": 1, "epochs": 4, "batch": 128, "monitor": "macro_f1",
    "model": {"name": "kota-cnn1d"},
    "loss": {"kind": "focal", "gamma": 2.0, "class_weights": "sqrt-inverse"},
    "optimizer": {"learning_rate": 1e-3, "schedule": "cosine"},
    "augmentation": {"gain": 0.3, "shift": 4},
    "quantization": {"precisions": ["float32", "int8"], "calibration": 512},
}  # fmt: skip
#: unit -> configuration, method of `ecgdeploy.compression.mixed_bits`, test windows a record (None: all) on the device
UNITS: dict[str, tuple[dict[str, Any], dict[str, Any], int | None]] = {
    "mtcnn": (MTCNN, {"bits": "auto", "max_bytes": WEIGHTS}, None),
    "cnn1d": (CNN1D, {"bits": "auto"}, 40),
}
#: the quick form: epochs, and test windows on the device in all, evenly spaced: an MT-CNN takes the emulator seconds
QUICK_EPOCHS = 1
QUICK_WINDOWS = {"mtcnn": 8, "cnn1d": 44}


def units(quick: bool, ablate: bool) -> tuple[Unit, ...]:
    """One unit a network."""
    del quick, ablate
    return tuple(Unit(name, {"network": name}, tuple(f"{name}/{cell}" for cell in CELLS)) for name in UNITS)


def settings(name: str, quick: bool) -> config.RunConfig:
    """The training configuration; the quick one stops after an epoch."""
    content = UNITS[name][0] | ({"epochs": QUICK_EPOCHS} if quick else {})
    return config.parse(content, NAME)


def work(unit: Unit, context: Context) -> Iterator[Done]:
    """Train, convert, round, score, and measure on the emulated board."""
    from ecgdeploy.compression.mixed_bits import mixed_bits
    from ecgdeploy.ecg.tasks import load_task
    from ecgdeploy.quantization.precision import convert_all
    from ecgdeploy.quantization.runner import TfliteRunner
    from ecgdeploy.training import run

    made, (_, method, limit) = settings(unit.id, context.quick), UNITS[unit.id]
    task, folder = load_task(made.task, context.data), context.work(unit)
    trained = run.train(made, folder / "float", task=task, threads=context.threads)
    test, ranges = task.test(), task.calibration(made.quantization.calibration)
    common = {
        "task": test.provenance, "source": test.source, "synthetic": test.synthetic, "config_sha256": made.sha256,
        "weights_sha256": trained.manifest["weights_sha256"], "seed": made.seed,
        "versions": versions("tensorflow", "keras", "ai-edge-litert", "numpy"),
    }  # fmt: skip
    files = {name: file.content for name, file in convert_all(trained.model, ("float32", "int8"), ranges).items()}
    notes: dict[str, Any] = {}
    few = folder / f"{FEW}.tflite"
    if few.is_file() and f"{unit.id}/{FEW}" not in context.todo:
        files[FEW] = few.read_bytes()
    else:
        choosing = task.validation() if "max_bytes" not in method else None
        done = mixed_bits(files["int8"], ranges, float32=files["float32"], choosing=choosing, **method)
        files[FEW], notes = done.content, done.notes
    for name, content in files.items():
        path = folder / f"{name}.tflite"
        write_atomic(path, content)
        if f"{unit.id}/{name}" in context.todo:
            found = TfliteRunner(content).run(test.inputs)
            result = figures.figures(test.targets, found) | {
                "bytes": len(content), "sha256": sha256_file(path), "windows": len(test),
                "parameters": trained.manifest["parameters"], "epochs": trained.manifest["epochs_run"],
            }  # fmt: skip
            yield Done(f"{unit.id}/{name}", result | (notes if name == FEW else {}), common, {"probabilities": found})
    if f"{unit.id}/device" in context.todo:
        windows = some(test, QUICK_WINDOWS[unit.id]) if context.quick else task.test(limit_per_record=limit)
        result = on_device.measured(
            few, windows, folder / "device", board=BOARD, name=f"{NAME} {unit.id}",
            groups=dict(getattr(task, "groups", {})),
        )  # fmt: skip
        same = TfliteRunner(files["float32"]).run(windows.inputs)
        yield Done(f"{unit.id}/device", result | {"float32": figures.figures(windows.targets, same)}, common)


def some(view: Any, count: int) -> Any:
    """`count` windows of a view, evenly spaced; which, is in the provenance."""
    rows = np.unique(np.linspace(0, len(view) - 1, min(count, len(view))).astype(int))
    return rows_of(view, rows, {"examples": len(rows), "of": len(view)})


def report(rows: list[dict[str, Any]], folder: Path) -> Report:  # noqa: ARG001
    """Two tables: how well each file answers, and what the device needs for the last."""
    cells = {row["cell"]: row["result"] for row in rows if row["status"] == "done"}
    answers, devices, remarks = [], [], []
    for name in UNITS:
        for cell in CELLS[:3]:
            if found := cells.get(f"{name}/{cell}"):
                answers.append(
                    (name, cell, found["windows"], found["accuracy"], found["macro_f1"], found["macro_auc"],
                     found.get("bits_per_weight"))
                )  # fmt: skip
        if few := cells.get(f"{name}/{FEW}"):
            bits = ", ".join(f"{layer['name']} {layer['bits']}" for layer in few["layers"])
            remarks.append(f"{name}: bits by {few['method']}: {bits}")
        if device := cells.get(f"{name}/device"):
            devices.append(_device(name, device, few))
            remarks.append(f"{name}: the device's answers are held against {device['golden']}")
    columns: tuple[str, ...] = (
        "network", "file", "test windows", "accuracy", "macro F1", "macro AUC", "bits a weight",
    )  # fmt: skip
    tables = [Table("answers", "On the host, LiteRT", columns, tuple(answers))]
    if devices:
        columns = (
            "network", "windows", "TFLM's bits", "figure", "float32", "device", "difference", "accuracy float32",
            "accuracy device", "weights B", "x smaller", "flash B", "RAM B", "instructions",
        )  # fmt: skip
        tables.append(Table("device", f"On the emulated {BOARD}, engine static", columns, tuple(devices)))
    failed = [f"{row['cell']}: {row['reason']}" for row in rows if row["status"] != "done"]
    remarks.append("Instructions are the emulator's count: exact, no time. Weights are those of the linker's map.")
    return Report("flagship: weights of few bits, down to the flash", STUDY.paper, tuple(tables), (*remarks, *failed))


def _device(name: str, device: dict[str, Any], few: dict[str, Any] | None) -> tuple[Any, ...]:
    weights, memory, exact = device["weight_bytes"], device["memory"], device["bit_exact"]
    float32 = few["storage"]["float32_bytes"] if few else None
    one_label = device["macro_auc"] is None
    figure = "macro_f1" if one_label else "macro_auc"
    before, after = device["float32"][figure], device[figure]
    return (
        name, device["windows"], f"{exact['identical']} of {exact['compared']}",
        "macro F1" if one_label else "macro AUC", before, after, after - before,
        device["float32"]["accuracy"] if one_label else None, device["accuracy"], weights,
        float32 / weights if float32 and weights else None, memory["flash_total"],
        memory["ram_static"] + memory["stack_high_water"],
        device["latency"]["median"],
    )  # fmt: skip


STUDY = Study(
    name=NAME,
    title="Packed weights: the full MT-CNN on a Nano 33 BLE, LAQ on CNN1D",
    paper="Rajotte et al. (network), Gaurhar et al. (LAQ): sizes on paper become flash",
    units=units,
    work=work,
    report=report,
)
