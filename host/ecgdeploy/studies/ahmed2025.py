"""Ahmed 2025: eighteen ResNet-18 variants, size against performance, and what each costs on a device.

One unit trains one experiment and fills four cells: the float32 and int8 files on the host, and the int8 file on the
emulated Nano 33 BLE and Raspberry Pi 4. ``--quick`` trains on PTB-XL's superclasses, because the records of the paper's
sources that are small enough to keep at hand are too few to train on; the rows and the report say so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.errors import EcgDeployError
from ecgdeploy.measure import pareto
from ecgdeploy.models.ahmed import CHANGES
from ecgdeploy.provenance import sha256_file, versions
from ecgdeploy.studies import on_device
from ecgdeploy.studies.base import Context, Done, Study, Unit
from ecgdeploy.studies.subset import SubsetTask
from ecgdeploy.training import checks, config

NAME = "ahmed2025"
#: the paper's split 1: CPSC and CPSC-Extra are held out
TASK = "cinc2020-sph"
QUICK_TASK = "ptbxl-superclasses"
HOST = ("float32", "int8")
BOARDS = ("nano33ble", "rpi4")
CALIBRATION = 200
#: test records streamed through the Pi's user-mode emulation, which is slow and tells no time
ON_PI = 8
QUICK_EPOCHS = 4


def units(quick: bool, ablate: bool) -> tuple[Unit, ...]:  # noqa: ARG001
    """One unit an experiment, smallest first, so that an interrupted study has the deployable ones."""
    return tuple(
        Unit(name, {"experiment": name}, tuple(f"{name}/{cell}" for cell in (*HOST, *BOARDS)))
        for name in sorted(CHANGES, key=_order.index)
    )


_order = [f"E{i}" for i in (18, 16, 17, 15, 12, 13, 7, 6, 5, 9, 11, 4, 3, 2, 8, 14, 1, 10)]


@cache
def whole_task(name: str, data: Path | None) -> Any:
    """The task with every class that has a positive training record."""
    from ecgdeploy.ecg.tasks import load_task

    task = load_task(name, data)
    counts = checks.class_counts(task.train().targets, len(task.classes))
    kept = tuple(int(i) for i in np.flatnonzero(counts))
    return SubsetTask(task, tuple(range(task.input_shape[1])), kept)


def settings(experiment: str, classes: int, samples: int, quick: bool) -> config.RunConfig:
    """The training configuration: the paper's, or the quick one."""
    content: dict[str, Any] = {
        "schema": 1,
        "name": f"ahmed-{experiment.lower()}",
        "task": QUICK_TASK if quick else TASK,
        "seed": 1,
        "epochs": QUICK_EPOCHS if quick else 30,
        "batch": 32 if quick else 256,
        "monitor": "macro_auc",
        "checkpoint_steps": 20,
        "model": {
            "name": "ahmed-resnet",
            "options": {"experiment": experiment, "classes": classes, "samples": samples},
        },
        "loss": {"kind": "crossentropy"},
        "optimizer": {"learning_rate": 0.001 if quick else 0.003, "weight_decay": 1e-5},
    }
    return config.parse(content, NAME)


def scores(targets: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Micro and macro AUROC and average precision, and micro precision at threshold 0.5."""
    from ecgdeploy import scoring

    seen = [c for c in range(targets.shape[1]) if 0 < targets[:, c].sum() < len(targets)]
    flat = targets[:, seen].ravel(), probabilities[:, seen].ravel()
    predicted = probabilities[:, seen] >= 0.5
    hits = int((predicted & (targets[:, seen] > 0)).sum())
    return {
        "micro_auc": scoring.roc_auc(*flat),
        "macro_auc": scoring.macro_auc(targets[:, seen], probabilities[:, seen]),
        "micro_average_precision": scoring.average_precision(*flat),
        "macro_average_precision": float(
            np.mean([scoring.average_precision(targets[:, c], probabilities[:, c]) for c in seen])
        ),
        "micro_precision": hits / int(predicted.sum()) if predicted.any() else float("nan"),
        "classes_scored": len(seen),
    }


def work(unit: Unit, context: Context) -> Iterator[Done]:
    """Train one experiment, score it on the host, and measure it where it fits."""
    from ecgdeploy.quantization.precision import convert_all
    from ecgdeploy.quantization.runner import TfliteRunner
    from ecgdeploy.training import run, runtime

    experiment, scratch = unit.params["experiment"], context.work(unit)
    task = whole_task(QUICK_TASK if context.quick else TASK, context.data)
    test = task.test()
    made = settings(experiment, len(test.classes), test.inputs.shape[1], context.quick)
    trained = run.train(made, scratch / "float", task=task, threads=context.threads)
    common = {
        "task": test.provenance, "source": test.source, "synthetic": test.synthetic, "config": made.as_json(),
        "config_sha256": made.sha256, "weights_sha256": trained.manifest["weights_sha256"],
        "versions": versions("tensorflow", "keras", "ai-edge-litert", "numpy"),
    }
    files, quality = {}, {}
    for name, file in convert_all(trained.model, HOST, task.calibration(CALIBRATION)).items():
        files[name] = scratch / f"{name}.tflite"
        files[name].write_bytes(file.content)
        answers = TfliteRunner(file.content).run(test.arrays(2))
        result = scores(np.asarray(test.targets), answers) | {
            "bytes": len(file.content), "sha256": sha256_file(files[name]), "calibration": file.calibration,
            "parameters": trained.manifest["parameters"], "epochs": trained.manifest["epochs_run"],
            "state_dict_mib": _saved_mib(experiment, len(test.classes), test.inputs.shape[1]),
        }
        quality = {key: result[key] for key in ("macro_auc", "micro_auc", "macro_average_precision")}
        yield Done(f"{unit.id}/{name}", result, common, {"probabilities": answers})
    for board in BOARDS:
        view = test if board == "nano33ble" else _some(test, ON_PI)
        try:
            result = on_device.measured(
                files["int8"], view, scratch / board, board=board, name=f"{experiment} int8", groups={},
                engine="static",
            ) | {"fits": True}
        except EcgDeployError as error:
            # the answer to the question of the row: it does not run there, and why
            result = {"fits": False, "why": str(error), "board": board}
            pareto.refusal(
                scratch, model=f"{experiment} int8", board=board, engine="static", why=str(error), quality=quality
            )
        yield Done(f"{unit.id}/{board}", result, common)
    runtime.forget()


def _some(view: Any, count: int) -> Any:
    """`count` records of a view, evenly spread."""
    rows = np.unique(np.linspace(0, len(view) - 1, min(count, len(view))).astype(int))
    parts = {name: getattr(view, name)[rows] for name in ("inputs", "targets", "record_ids", "positions", "person")}
    return dataclasses.replace(view, **parts, provenance=view.provenance | {"every": len(view) // max(1, len(rows))})


def _saved_mib(experiment: str, classes: int, samples: int) -> float:
    from ecgdeploy import models
    from ecgdeploy.models.ahmed import state_dict_mib

    return state_dict_mib(models.build("ahmed-resnet", experiment=experiment, classes=classes, samples=samples))


def _report(rows: list[dict[str, Any]], folder: Path) -> Any:
    from ecgdeploy.studies import ahmed_report

    return ahmed_report.report(rows, folder)


STUDY = Study(
    name=NAME,
    title="Size and performance of eighteen ResNet-18 variants",
    paper="Ahmed 2025, Trade-offs between size and performance of ResNet-18 in ECG classification",
    units=units,
    work=work,
    report=_report,
)
