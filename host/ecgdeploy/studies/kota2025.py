"""Kota: energy-aware compression of six networks, and what of it reaches a device.

One unit trains one network with one seed and prunes it in every way its tables need. ``--quick`` trains on few windows
for few epochs; the rows and the report say how many. Beyond the paper: structured pruning, class-aware, quantized and
measured on the emulated board, beside the paper's energy proxy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.errors import EcgDeployError
from ecgdeploy.provenance import versions
from ecgdeploy.studies import kota_paper as paper
from ecgdeploy.studies.base import Context, Done, Study, Unit
from ecgdeploy.studies.fewer import Fewer
from ecgdeploy.training import config, figures

NAME = "kota2025"
BEATS, RECORDS = "mitbih-beats", "ptbxl-superclasses"
#: steps of energy-aware pruning, in percent of the weights
STEPS = (8, 16, 24, 32, 40)
CALIBRATION = 300
#: cells whose run time is measured too: what Tables VII and VIII need
TIMED = ("dense", "l1-kd", "energy-8", "energy-40", "structured", "structured-magnitude")
#: of these, what is quantized and run on the emulated board too
MEASURED = ("dense", "energy-40", "structured", "structured-magnitude")


@dataclass(frozen=True)
class Network:
    """A network of the grid.

    Attributes
    ----------
    model : name for `ecgdeploy.models.build`
    cells : what is made of it
    seeds : in the quick form; the full form has three for each
    training : examples in the quick form
    epochs, further : of the dense network and of each pruning step, in the quick form
    only : kinds of layers that energy-aware pruning prunes
    """

    model: str
    task: str
    cells: tuple[str, ...]
    training: int
    epochs: int
    further: int = 1
    seeds: tuple[int, ...] = (1,)
    only: tuple[str, ...] = ("conv", "dense", "lstm")


_STEPS = tuple(f"energy-{percent}" for percent in STEPS)
_BEYOND = ("l1", "structured", "structured-magnitude", "energy-printed")
NETWORKS: dict[str, Network] = {
    "cnn1d": Network("kota-cnn1d", BEATS, ("dense", "l1"), 4000, 5),
    "cnn-lstm-attn": Network("kota-cnn-lstm-attn", BEATS, ("dense", "l1"), 3000, 5),
    "bilstm": Network("kota-bilstm", BEATS, ("dense", "l1"), 1200, 2),
    "resnet1d-attn": Network("kota-resnet1d-attn", BEATS, ("dense", "l1-kd", *_STEPS), 3000, 5, seeds=(1, 2, 3)),
    "resnet1d-se-attn": Network("kota-resnet1d-se-attn", RECORDS, ("dense", "l1"), 160, 5),
    "convtransformer": Network(
        "kota-convtransformer", RECORDS, ("dense", "l1", "l1-kd", *_STEPS), 160, 6, only=("conv",)
    ),
}


def units(quick: bool, ablate: bool) -> tuple[Unit, ...]:  # noqa: ARG001
    """The grid: every network with every seed."""
    made = []
    pairs = [(seed, name) for name, network in NETWORKS.items() for seed in (network.seeds if quick else (1, 2, 3))]
    # the first seed of all comes first: an interrupted study then has every row
    for seed, name in sorted(pairs, key=lambda pair: pair[0]):
        cells = (*NETWORKS[name].cells, *(_BEYOND if name == "resnet1d-attn" and seed == 1 else ()))
        unit = f"{name}-{seed}"
        made.append(Unit(unit, {"network": name, "seed": seed}, tuple(f"{unit}/{cell}" for cell in cells)))
    return tuple(made)


@cache
def whole_task(name: str, data: Path | None) -> Any:
    """The data set, loaded once a process."""
    from ecgdeploy.ecg.tasks import load_task

    return load_task(name, data)


def task_of(network: Network, context: Context) -> Any:
    """The network's task: all of it, or the quick form's part."""
    whole = whole_task(network.task, context.data)
    if not context.quick:
        return whole
    beats = network.task == BEATS
    return Fewer(whole, network.training, 1500 if beats else 242, 150 if beats else None)


def settings(name: str, seed: int, quick: bool) -> config.RunConfig:
    """The dense network's training. The paper names no hyper-parameters: these are ours."""
    network = NETWORKS[name]
    beats = network.task == BEATS
    content: dict[str, Any] = {
        "schema": 1,
        "name": f"kota-{name}",
        "task": network.task,
        "seed": seed,
        "epochs": network.epochs if quick else 30,
        "batch": (64 if beats else 25) if quick else 128,
        "monitor": "macro_f1" if beats else "macro_auc",
        "checkpoint_steps": 200,
        "model": {"name": network.model},
        "loss": {"kind": "focal" if beats else "crossentropy",
                 "class_weights": "none" if quick or not beats else "sqrt-inverse"},
        "optimizer": {"learning_rate": 1e-3 if name != "convtransformer" else 5e-4, "schedule": "cosine"},
    }
    if beats:
        content["augmentation"] = {"gain": 0.3, "shift": 4}
    return config.parse(content, NAME)


def plans(name: str, seed: int, quick: bool) -> dict[str, Any]:
    """What is made of the dense network: first cell of a plan -> the plan; a plan of five steps fills five cells."""
    from ecgdeploy.compression.iterative import Plan

    network = NETWORKS[name]
    epochs = network.further if quick else 5
    common: dict[str, Any] = {"epochs": epochs, "seed": seed, "learning_rate": 5e-4}
    energy = Plan("energy", STEPS[-1] / 100, len(STEPS), distil=(0.5, 4.0), only=network.only, **common)
    shrink: dict[str, Any] = common | {"epochs": 2 * epochs, "learning_rate": 1e-3}
    return {
        "l1": Plan("l1", paper.L1[name][2] / 100, 2 if quick else 5, distil=None, **common),
        "l1-kd": Plan("l1", STEPS[-1] / 100, 2 if quick else 5, distil=(0.5, 4.0), only=network.only, **common),
        "energy-8": energy,
        "structured": Plan("structured", 0.8, 2 if quick else 4, "class-aware", **shrink),
        "structured-magnitude": Plan("structured", 0.8, 2 if quick else 4, "magnitude", **shrink),
        "energy-printed": Plan("energy-printed", STEPS[-1] / 100, len(STEPS), distil=(0.5, 4.0), **common),
    }


def scores(view: Any, probabilities: np.ndarray) -> dict[str, Any]:
    """Accuracy, macro F1, recall by class; or macro AUROC, AUPRC and F1 at 0.5 with many labels."""
    from ecgdeploy import scoring

    targets = np.asarray(view.targets)
    result: dict[str, Any] = {
        "macro_f1": figures.macro_f1(targets, probabilities),
        "macro_auc": float(np.nanmean(figures.class_auc(targets, probabilities))),
        "examples": len(targets),
    }
    if targets.ndim == 1:
        said = probabilities.argmax(1)
        result["accuracy"] = float((said == targets).mean())
        result["recall"] = {
            name: float((said[targets == i] == i).mean()) for i, name in enumerate(view.classes) if (targets == i).any()
        }
    else:
        result["macro_auprc"] = float(
            np.mean([scoring.average_precision(targets[:, i], probabilities[:, i]) for i in range(targets.shape[1])
                     if targets[:, i].any()])
        )
    return result


def work(unit: Unit, context: Context) -> Iterator[Done]:
    """Train one network, prune it in each way, score every step."""
    from ecgdeploy.compression import iterative
    from ecgdeploy.training import run

    name, seed = unit.params["network"], unit.params["seed"]
    network, scratch = NETWORKS[name], context.work(unit)
    task = task_of(network, context)
    made = settings(name, seed, context.quick)
    dense = run.train(made, scratch / "dense", task=task, threads=context.threads)
    test = task.test()
    common = {
        "task": test.provenance, "source": test.source, "synthetic": test.synthetic, "seed": seed,
        "config": made.as_json(), "config_sha256": made.sha256, "weights_sha256": dense.manifest["weights_sha256"],
        "training": dense.manifest["provenance"]["training"], "windows": dense.manifest["windows"],
        "versions": versions("tensorflow", "keras", "ai-edge-litert", "numpy"),
    }
    wanted = {cell.split("/")[1] for cell in context.todo}
    if "dense" in wanted:
        yield Done(f"{unit.id}/dense", _result(dense, "dense", task, test, scratch), common)
    for first, plan in plans(name, seed, context.quick).items():
        cells = _STEPS if first == "energy-8" else (first,)
        if not wanted.intersection(cells):
            continue
        try:
            steps = iterative.prune(dense, task, scratch / first, plan, threads=context.threads)
        except EcgDeployError as error:
            if first != "energy-printed":
                raise
            # the answer to the row's question: what the formula as printed does
            yield Done(f"{unit.id}/{first}", {"refused": str(error)}, common)
            continue
        for cell, step in zip(cells, steps[-len(cells) :], strict=True):
            if cell in wanted:
                yield Done(f"{unit.id}/{cell}", _result(step.run, cell, task, test, scratch, step.facts), common)


def _result(run: Any, cell: str, task: Any, test: Any, scratch: Path, facts: Any = None) -> dict[str, Any]:
    """Scores and costs of one finished run."""
    from ecgdeploy.compression import layers
    from ecgdeploy.models.kota import printed_parameters
    from ecgdeploy.quantization import qat
    from ecgdeploy.training.loop import predict

    model = qat.load(run.model)
    result = scores(test, predict(model, test.inputs)) | {
        "parameters_printed": printed_parameters(model),
        "parameters": layers.nonzero_parameters(model),
        "macs": layers.macs(model),
        "macs_nonzero": layers.nonzero_macs(model),
        "sparsity": facts["sparsity"] if facts else 0.0,
        "epochs": run.manifest["epochs_run"],
        "loss_by_epoch": _losses(run.folder),
    }
    if facts:
        result |= {"plan": facts["plan"], "widths": facts["widths"], "sparsity_by_layer": facts["sparsity_by_layer"]}
    if cell in TIMED:
        result |= _device(run, (result["macs"], result["macs_nonzero"]), cell, task, test, scratch)
    return result


def _losses(folder: Path) -> list[float]:
    """Training loss after each epoch, for the paper's convergence figures."""
    lines = (folder / "history.csv").read_text().splitlines()
    place = lines[0].split(",").index("loss")
    return [float(line.split(",")[place]) for line in lines[1:]]


def _device(
    run: Any, macs: tuple[int, int], cell: str, task: Any, test: Any, scratch: Path
) -> dict[str, Any]:
    """Host run time of the float32 file; int8 score, instructions, flash and RAM where the static engine can run it.

    The emulated machine has memory enough for every network here, whether a board has it or not.

    `macs` are all multiply-accumulates, and those whose weight is not zero.
    """
    from ecgdeploy.graph import energy_proxy
    from ecgdeploy.measure.bench import bench_model
    from ecgdeploy.measure.cost import host_milliseconds
    from ecgdeploy.quantization.precision import convert
    from ecgdeploy.quantization.runner import TfliteRunner

    content = convert(run.model, "float32").content
    milliseconds = host_milliseconds(content, 40)
    found: dict[str, Any] = {
        "milliseconds": milliseconds,
        "mflops": macs[0] / 1e6,
        "proxy": energy_proxy(macs[0], milliseconds),
        "proxy_nonzero": energy_proxy(macs[1], milliseconds),
        "float32_bytes": len(content),
    }
    if cell not in MEASURED:
        return found
    try:
        file = convert(run.model, "int8", task.calibration(CALIBRATION))
    except EcgDeployError as error:
        return found | {"int8_refused": str(error)}
    path = scratch / f"{cell}-int8.tflite"
    path.write_bytes(file.content)
    measured = bench_model(path, limit=2 if np.asarray(test.targets).ndim == 1 else 1)
    answers = TfliteRunner(file.content).run(test.inputs)
    return found | {
        "int8": {key: value for key, value in scores(test, answers).items() if key != "examples"},
        "int8_bytes": len(file.content),
        "instructions": measured.instructions,
        "flash_bytes": measured.flash_bytes,
        "ram_bytes": measured.ram_bytes,
        "bit_identical": [measured.identical, measured.compared],
    }


def _report(rows: list[dict[str, Any]], folder: Path) -> Any:
    from ecgdeploy.studies import kota_report

    return kota_report.report(rows, folder)


STUDY = Study(
    name=NAME,
    title="Energy-aware compression of six ECG networks",
    paper="Kota, Energy-Efficient AI for Wearable Health: A Compression Framework for ECG Arrhythmia Detection",
    units=units,
    work=work,
    report=_report,
)
