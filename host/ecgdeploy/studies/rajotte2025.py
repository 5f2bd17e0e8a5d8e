"""Rajotte et al. 2025: what quantization does to a multi-task CNN on PTB-XL, with an int8 that does not collapse.

Grid: leads {12, 5, 3} x output set {75, 56, 41} x precision. One unit trains the float model of one (leads, outputs)
and fills the cells of all precisions. ``--quick`` uses a pooled, narrower network on the configurations that the
paper's main findings need; the rows and the report say so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.errors import DataError
from ecgdeploy.models.paper import LEADS, UNITS
from ecgdeploy.provenance import sha256_file, versions
from ecgdeploy.studies import beats_unit, on_device
from ecgdeploy.studies.base import Context, Done, Study, Unit
from ecgdeploy.studies.subset import SubsetTask
from ecgdeploy.training import checks, config, figures

NAME = "rajotte2025"
TASK = "ptbxl-statements"
HEADS = ("diagnostic", "form", "rhythm")
PAPER_PRECISIONS = ("float32", "float16", "dynamic", "int8")
BEYOND = ("int16x8", "mixed", "int8-qat")
PRECISIONS = PAPER_PRECISIONS + BEYOND
#: files that also run on the emulated board, by the name of their cell
ON_DEVICE = {"int8-on-device": "int8", "int16x8-on-device": "int16x8"}
BOARD = "nano33ble"
CALIBRATION = 1000
QAT_EPOCHS = 5
QUICK = ((12, "75"), (3, "75"), (12, "41"))
ABLATION = "int8-mistakes"
SIZES = "sizes"


def units(quick: bool, ablate: bool) -> tuple[Unit, ...]:
    """The grid; with `ablate` only the unit that shows what each mistake of int8 costs."""
    if ablate:
        from ecgdeploy.studies.int8_mistakes import MISTAKES

        return (Unit(ABLATION, {"leads": 12, "outputs": "75"}, tuple(f"{ABLATION}/{name}" for name in MISTAKES)),)
    grid = QUICK if quick else tuple((leads, outputs) for leads in LEADS for outputs in UNITS)
    # the size of a file does not depend on training: both forms show the paper's own network
    sizes = Unit(SIZES, {"leads": 5, "outputs": "56"}, tuple(f"{SIZES}/{name}" for name in PAPER_PRECISIONS))
    return (*(_unit(leads, outputs) for leads, outputs in grid), sizes, beats_unit.unit())


def _unit(leads: int, outputs: str) -> Unit:
    name = f"{leads}-{outputs}"
    return Unit(name, {"leads": leads, "outputs": outputs}, tuple(f"{name}/{p}" for p in (*PRECISIONS, *ON_DEVICE)))


@cache
def whole_task(data: Path | None) -> Any:
    """PTB-XL with all 75 outputs and 12 leads, loaded once a process."""
    from ecgdeploy.ecg.tasks import load_task

    return load_task(TASK, data)


def kept_outputs(counts: np.ndarray, groups: dict[str, tuple[int, int]], outputs: str) -> dict[str, list[int]]:
    """Outputs of each head that remain: the rarest of the training set dropped as the paper does.

    Outputs without any positive training record cannot be learned and are dropped too: on all of PTB-XL there is none,
    on a part of it there are. Ties are broken by the order of the statements.
    """
    kept = {}
    for head, width in zip(HEADS, UNITS[outputs], strict=True):
        start, end = groups[head]
        common = sorted(range(start, end), key=lambda i: (-counts[i], i))[:width]
        kept[head] = sorted(i for i in common if counts[i] > 0)
    return kept


def subset(task: Any, leads: int, outputs: str) -> tuple[SubsetTask, dict[str, list[int]]]:
    """The task with the paper's leads and the outputs that remain, and these by head.

    Raises
    ------
    UsageError
        A lead that the data set lacks.
    DataError
        A head without any output left.
    """
    from ecgdeploy.ecg.record import STANDARD_LEADS

    places = checks.lead_indices(STANDARD_LEADS, LEADS[leads], task.source)
    train = task.train()
    kept = kept_outputs(checks.class_counts(train.targets, len(train.classes)), task.groups, outputs)
    for head, chosen in kept.items():
        if not chosen:
            raise DataError(f"{task.source}: no {head} statement has a positive training record", "use more records")
    flat = tuple(i for head in HEADS for i in kept[head])
    return SubsetTask(task, tuple(places), flat), kept


def settings(leads: int, widths: list[int], quick: bool) -> config.RunConfig:
    """The training configuration: the paper's, or the quick one."""
    options: dict[str, Any] = {"leads": leads, "units": widths}
    content: dict[str, Any] = {
        "schema": 1,
        "name": f"mtcnn-{leads}-{sum(widths)}",
        "task": TASK,
        "seed": 1,
        "epochs": 30,
        "batch": 128,
        "monitor": "macro_auc",
        "checkpoint_steps": 50,
        "model": {"name": "mtcnn", "options": options},
        "loss": {"kind": "focal", "gamma": 2.0},
        "optimizer": {"learning_rate": 1e-3},
    }
    if quick:
        content |= {"epochs": 20, "batch": 32, "model": {"name": "mtcnn-pooled", "options": options | {"width": 0.25}}}
    return config.parse(content, NAME)


def trained(unit: Unit, context: Context) -> tuple[Any, Any, dict[str, list[int]]]:
    """The unit's float run (resumed or already done), its task, and the outputs kept."""
    from ecgdeploy.training import run

    task, kept = subset(whole_task(context.data), unit.params["leads"], unit.params["outputs"])
    made = settings(unit.params["leads"], [len(kept[head]) for head in HEADS], context.quick)
    done = run.train(made, context.work(unit) / "float", task=task, threads=context.threads)
    return done, task, kept


def work(unit: Unit, context: Context) -> Iterator[Done]:
    """Train one configuration and fill the cells of its precisions."""
    if unit.id == ABLATION:
        from ecgdeploy.studies import int8_mistakes

        yield from int8_mistakes.work(unit, context)
        return
    if unit.id == beats_unit.UNIT:
        yield from beats_unit.work(unit, context)
        return
    if unit.id == SIZES:
        yield from _sizes(unit, context)
        return
    from ecgdeploy.quantization import qat
    from ecgdeploy.quantization.mixed import mixed
    from ecgdeploy.quantization.precision import CONVERTIBLE, convert, convert_all
    from ecgdeploy.training.loop import predict

    run, task, kept = trained(unit, context)
    test, calibration = task.test(), task.calibration(CALIBRATION)
    wanted = [cell.split("/")[1] for cell in context.todo]
    scratch = context.work(unit)
    common = {
        "task": test.provenance, "source": test.source, "synthetic": test.synthetic, "config": run.manifest["config"],
        "config_sha256": run.manifest["config_sha256"], "weights_sha256": run.manifest["weights_sha256"],
        "seed": run.manifest["config"]["seed"], "versions": versions("tensorflow", "keras", "ai-edge-litert", "numpy"),
        "peak_host_ram_bytes": run.manifest["peak_host_ram_bytes"],
    }
    plain = [name for name in wanted if name in CONVERTIBLE]
    for name, file in (convert_all(run.model, plain, calibration) if plain else {}).items():
        yield _cell(unit, name, file, test, kept, run, common, scratch)
    if "mixed" in wanted:
        made = mixed(run.model, calibration, scratch)
        note = {"islands": made.islands, "sensitivity": made.costs}
        yield _cell(unit, "mixed", made.file, test, kept, run, common, scratch, note)
    if "int8-qat" in wanted:
        # distilled, so that the row shows what rounding costs and not what more training would have brought
        tuned = qat.finetune(
            run, task, scratch / "qat-distilled", epochs=QAT_EPOCHS, calibration=CALIBRATION, distil=True,
            threads=context.threads,
        )
        file = convert(tuned.model, "int8-qat")
        # training on moves the weights too: the same weights unrounded tell what the rounding alone costs
        unrounded = predict(qat.unrounded(qat.load(tuned.model)), test.inputs)
        note = {"qat_epochs": tuned.manifest["best_epoch"]}
        done = _cell(unit, "int8-qat", file, test, kept, run, common, scratch, note)
        yield dataclasses.replace(done, arrays=done.arrays | {"unrounded": unrounded})
    # last, because they may be refused: a model that does not fit fills its cell with the reason
    for cell, name in ON_DEVICE.items():
        if cell in wanted:
            result = on_device.measured(
                scratch / f"{name}.tflite", test, scratch / cell, board=BOARD, name=f"{NAME} {unit.id} {name}",
                groups=_ranges(kept),
            )
            yield Done(f"{unit.id}/{cell}", result, common)


def _sizes(unit: Unit, context: Context) -> Iterator[Done]:
    """Convert the paper's network, untrained but with non-zero biases, as the converter drops zero ones."""
    from ecgdeploy import models
    from ecgdeploy.ecg.views import CalibrationView
    from ecgdeploy.quantization.precision import convert_all
    from ecgdeploy.training import runtime

    runtime.tensorflow(context.threads)
    model = models.mtcnn(leads=unit.params["leads"], outputs=unit.params["outputs"])
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if getattr(layer, "bias", None) is not None:
            layer.bias.assign(rng.normal(0, 0.1, layer.bias.shape))
    path = context.work(unit) / "mtcnn.keras"
    model.save(path)
    noise = rng.normal(0, 1, (4, 1000, unit.params["leads"])).astype(np.float32)
    view = CalibrationView(
        noise, np.zeros(4, np.int64), ("none",), np.array(["noise"] * 4), np.full(4, -1), True, "noise"
    )
    for name, file in convert_all(path, PAPER_PRECISIONS, view).items():
        result = {"bytes": len(file.content), "sha256": file.sha256, "parameters": int(model.count_params())}
        yield Done(f"{SIZES}/{name}", result, {"synthetic": False, "versions": versions("tensorflow")})


def scores(targets: np.ndarray, probabilities: np.ndarray, kept: dict[str, list[int]]) -> dict[str, Any]:
    """Macro AUC and macro F1, overall and by head."""
    result: dict[str, Any] = {
        "macro_auc": float(np.nanmean(figures.class_auc(targets, probabilities))),
        "macro_f1": figures.macro_f1(targets, probabilities),
        "outputs_scored": int(np.isfinite(figures.class_auc(targets, probabilities)).sum()),
    }
    start = 0
    for head in HEADS:
        part = slice(start, start + len(kept[head]))
        auc = figures.class_auc(targets[:, part], probabilities[:, part])
        # a head none of whose outputs has a positive test record has no AUC
        result[f"macro_auc_{head}"] = float(np.nanmean(auc)) if np.isfinite(auc).any() else None
        result[f"macro_f1_{head}"] = figures.macro_f1(targets[:, part], probabilities[:, part])
        start = part.stop
    return result


def _ranges(kept: dict[str, list[int]]) -> dict[str, tuple[int, int]]:
    """First and one past last output of each head among the kept ones."""
    edges = np.cumsum([0, *(len(kept[head]) for head in HEADS)]).tolist()
    return {head: (edges[i], edges[i + 1]) for i, head in enumerate(HEADS)}


def _cell(
    unit: Unit,
    name: str,
    file: Any,
    test: Any,
    kept: dict[str, list[int]],
    run: Any,
    common: dict[str, Any],
    scratch: Path,
    note: dict[str, Any] | None = None,
) -> Done:
    from ecgdeploy.quantization.runner import TfliteRunner

    path = scratch / f"{name}.tflite"
    path.write_bytes(file.content)
    probabilities, seconds = TfliteRunner(file.content).timed(test.inputs)
    spread = {"mean": float(1e3 * seconds.mean()), "sd": float(1e3 * seconds.std(ddof=1)), "n": len(seconds)}
    result = scores(test.targets, probabilities, kept) | {
        "bytes": len(file.content),
        "sha256": sha256_file(path),
        "milliseconds": spread,
        "calibration": file.calibration,
        "network": run.manifest["config"]["model"],
        "parameters": run.manifest["parameters"],
        "units": {head: len(kept[head]) for head in HEADS},
        "best_epoch": run.manifest["best_epoch"],
        "epochs": run.manifest["epochs_run"],
        **(note or {}),
    }
    arrays = {
        "probabilities": probabilities, "targets": np.asarray(test.targets), "seconds": seconds,
        "class_auc": figures.class_auc(test.targets, probabilities),
    }
    return Done(f"{unit.id}/{name}", result, common, arrays)


def rehearse(context: Context) -> dict[str, Any]:
    """A few steps of the paper's own network on all the data that is here, and what the whole would need."""
    from ecgdeploy.studies import rehearsal

    task, kept = subset(whole_task(context.data), 12, "75")
    made = settings(12, [len(kept[head]) for head in HEADS], quick=False)
    return rehearsal.rehearse(made, task, context.folder / "rehearsal", context.threads)


def _report(rows: list[dict[str, Any]], folder: Path) -> Any:
    from ecgdeploy.studies import rajotte_report

    return rajotte_report.report(rows, folder)


STUDY = Study(
    name=NAME,
    title="Quantization of a multi-task CNN on PTB-XL",
    paper="Rajotte et al., Comparing Quantization Methods for On-Edge ECG Interpretation using Multi-Task CNN",
    units=units,
    work=work,
    report=_report,
    rehearse=rehearse,
)
