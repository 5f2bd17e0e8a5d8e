"""Gaurhar et al. 2025: layer-wise adaptive compression of ResNet1D and HuBERT-ECG, and what of the ratio is flash.

One unit trains one network on one data set and fills the sixteen rows of Table 1: fixed bits, fixed pruning, LAQ and
LAP, all after training and without any more of it, as in the paper. Chapman's rhythm groups and CPSC 2018 are used
where enough of their records are at hand; else CinC 2017's four rhythm classes stand in, and the rows say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.errors import EcgDeployError
from ecgdeploy.provenance import sha256_bytes, versions
from ecgdeploy.studies.base import Context, Done, Study, Unit
from ecgdeploy.studies.fewer import Fewer
from ecgdeploy.training import config, figures

NAME = "gaurhar2025"
CHAPMAN, CPSC, INSTEAD = "chapman-rhythm", "cpsc2018", "cinc2017"
#: a data set with fewer records than this in its test part is no test of a classifier
LEAST_TEST = 100
SAMPLES = 5120
BITS = (8, 7, 6, 5, 4, 3, 2, 1)
PRUNED = (10, 30, 50, 70, 90)
CELLS = ("full", *(f"{b}-bit" for b in BITS), *(f"pruned-{p}" for p in PRUNED), "laq", "lap", "laq-on-device")
NETWORKS = ("resnet1d", "hubert-ecg")
CALIBRATION = 200


def units(quick: bool, ablate: bool) -> tuple[Unit, ...]:  # noqa: ARG001
    """Both networks on Chapman, ResNet1D on CPSC 2018 as in Table 2; the quick form has Chapman's only."""
    pairs = [("resnet1d", CHAPMAN), ("hubert-ecg", CHAPMAN)] + ([] if quick else [("resnet1d", CPSC)])
    return tuple(
        Unit(f"{network}-{task}", {"network": network, "task": task}, tuple(f"{network}-{task}/{c}" for c in CELLS))
        for network, task in pairs
    )


@cache
def task_of(name: str, data: Path | None, quick: bool) -> tuple[Any, str]:
    """The data set, one lead of it (Table 2; lead II), 5,120 samples; and why another one stands in, or nothing."""
    from ecgdeploy.ecg.tasks import load_task

    task = load_task(name, data)
    test = task.test()
    why, leads = "", None
    if len(test) < LEAST_TEST:
        here = len(task.split.train) + len(task.split.validation) + len(test)
        why = (
            f"{name}: {here} records are here, {len(test)} of them to test on: too few; {INSTEAD} stands in "
            f"(four rhythm classes, one lead, 250 Hz, its first {SAMPLES} samples)"
        )
        task = load_task(INSTEAD, data)
    elif task.input_shape[1] > 1:
        leads = (1,)
    most = 1124 if quick else 10**9
    samples = SAMPLES if task.input_shape[0] > SAMPLES else None
    return Fewer(task, most, most, samples=samples, leads=leads), why


def settings(network: str, task: Any, quick: bool) -> config.RunConfig:
    """The paper's training (Adam 1e-3 or 1e-4, weight decay 1e-3, cross-entropy), or the quick one.

    A cosine schedule stands for the paper's ReduceLROnPlateau, whose patience it does not give.
    """
    multilabel = np.asarray(task.train().targets).ndim == 2
    options: dict[str, Any] = {"classes": len(task.classes), "samples": task.input_shape[0], "multilabel": multilabel}
    resnet = network == "resnet1d"
    if resnet and quick:
        options["filters"] = [16, 32, 64, 128]
    if not resnet:
        options["size"] = "tiny" if quick else "base"
    content: dict[str, Any] = {
        "schema": 1,
        "name": f"gaurhar-{network}",
        "task": CHAPMAN,
        "seed": 1,
        "epochs": (30 if resnet else 16) if quick else 50,
        "batch": 32,
        "monitor": "macro_auc" if multilabel else "macro_f1",
        "checkpoint_steps": 200,
        "model": {"name": "gaurhar-resnet1d" if resnet else "hubert-ecg", "options": options},
        "loss": {"kind": "crossentropy"},
        "optimizer": {
            "learning_rate": 1e-3 if resnet or quick else 1e-4, "schedule": "cosine", "weight_decay": 1e-3
        },
    }
    if quick:  # few records: without these they are learned by heart
        content["augmentation"] = {"gain": 0.3, "shift": 400, "noise": 0.05}
        content["loss"]["class_weights"] = "sqrt-inverse" if not multilabel else "none"
    return config.parse(content, NAME)


def scores(view: Any, probabilities: np.ndarray) -> dict[str, float]:
    """Accuracy, and precision, recall and F1 as means over the classes: what the paper's rows show."""
    targets = np.asarray(view.targets)
    if targets.ndim == 1:
        truth = targets[:, None] == np.arange(probabilities.shape[1])
        said = probabilities.argmax(1)[:, None] == np.arange(probabilities.shape[1])
        accuracy = float((probabilities.argmax(1) == targets).mean())
    else:
        truth, said = targets > 0, probabilities >= 0.5
        accuracy = float((truth == said).all(axis=1).mean())
    hits = (truth & said).sum(0)
    precision, recall = hits / np.maximum(said.sum(0), 1), hits / np.maximum(truth.sum(0), 1)
    return {
        "accuracy": accuracy,
        "precision": float(precision.mean()),
        "recall": float(recall.mean()),
        "f1": float((2 * hits / np.maximum(truth.sum(0) + said.sum(0), 1)).mean()),
        "macro_auc": float(np.nanmean(figures.class_auc(targets, probabilities))),
    }


def ratio(bits: float, share_float: float) -> float:
    """Compression ratio of the paper: 32 / (b (1 - f) + 32 f), f the share of parameters kept in float."""
    return 32 / (bits * (1 - share_float) + 32 * share_float)


def work(unit: Unit, context: Context) -> Iterator[Done]:
    """Train one network and compress it in every way of Table 1."""
    from ecgdeploy.compression import lap, laq
    from ecgdeploy.compression.bits import round_layer, weight_layers, with_weights
    from ecgdeploy.compression.mixed_bits import figures_of
    from ecgdeploy.compression.rounding import observe
    from ecgdeploy.compression.storage import storage
    from ecgdeploy.quantization import qat
    from ecgdeploy.quantization.precision import convert_all
    from ecgdeploy.quantization.runner import TfliteRunner
    from ecgdeploy.training.loop import predict

    network, scratch = unit.params["network"], context.work(unit)
    task, why = task_of(unit.params["task"], context.data, context.quick)
    trained, note, share_float = _trained(network, task, scratch, context)
    test, calibration = task.test(), task.calibration(CALIBRATION)
    common = {
        "task": test.provenance, "source": test.source, "synthetic": test.synthetic, "stands_in": why,
        "seed": trained.manifest["config"]["seed"], "config": trained.manifest["config"],
        "config_sha256": trained.manifest["config_sha256"], "weights_sha256": trained.manifest["weights_sha256"],
        "windows": trained.manifest["windows"],
        "versions": versions("tensorflow", "keras", "ai-edge-litert", "numpy"),
    }
    files = convert_all(trained.model, ("float32", "int8"), calibration)
    float32, int8 = files["float32"].content, files["int8"].content
    full = scores(test, TfliteRunner(float32).run(test.inputs)) | {
        "ratio": 1.0, "bytes": len(float32), "parameters": trained.manifest["parameters"], "float_share": share_float
    }
    yield Done(f"{unit.id}/full", full | note, common)
    layers = weight_layers(int8, float32)
    inputs = observe(int8, layers, calibration)

    dense = qat.load(trained.model)

    def alone(change: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
        return {"weights_only": scores(test, predict(_changed(dense, change), test.inputs))}

    def cell(name: str, content: bytes, bits: Mapping[int, int], zeros: float, extra: dict[str, Any]) -> Done:
        mean = sum(la.count * bits[la.operator] for la in layers) / sum(la.count for la in layers)
        result = scores(test, TfliteRunner(content).run(test.inputs)) | {
            "ratio": 1 / (1 - zeros * (1 - share_float)) if zeros else ratio(mean, share_float),
            "bits_per_weight": mean, "zeros": zeros, "sha256": sha256_bytes(content),
            "storage": storage(content, layers, bits),
        }
        (scratch / f"{name}.tflite").write_bytes(content)
        return Done(f"{unit.id}/{name}", result | extra, common)

    eight = {la.operator: 8 for la in layers}
    for bits in BITS:
        rounded = {la.operator: round_layer(la, bits, inputs.get(la.operator)) for la in layers}
        content = int8 if bits == 8 else with_weights(int8, layers, rounded)
        only = alone(lambda w, bits=bits: plainly_rounded(w, bits))  # type: ignore[misc]
        yield cell(f"{bits}-bit", content, dict.fromkeys(eight, bits), 0.0, only)
    for percent in PRUNED:
        gone = {la.operator: lap.pruned(la, percent / 100) for la in layers}
        content = with_weights(int8, layers, gone)
        only = alone(lambda w, part=percent / 100: without_smallest(w, part))  # type: ignore[misc]
        yield cell(f"pruned-{percent}", content, eight, lap.sparsity(layers, gone), only)
    names, measured = figures_of(task.validation())
    held = _remembering(lambda chosen: measured(with_weights(int8, layers, chosen)))
    base, chosen, choices = laq.search(
        layers, lambda la, bits: round_layer(la, bits, inputs.get(la.operator)), held
    )
    kept = eight | {operator: made.bits for operator, made in chosen.items()}
    best = with_weights(int8, layers, chosen)
    found = {"figures": names, "held_out": base, "bits": [(c.operator, c.bits, c.importance) for c in choices]}
    yield cell("laq", best, kept, 0.0, found)
    base, gone, parts = lap.search(layers, held)
    found = {"figures": names, "held_out": base, "parts": sorted(parts.items())}
    yield cell("lap", with_weights(int8, layers, gone), eight, lap.sparsity(layers, gone), found)
    # last, as the engine may lack an operator: that is the row's answer then
    yield Done(f"{unit.id}/laq-on-device", _on_device(scratch, int8), common)


def plainly_rounded(weights: np.ndarray, bits: int) -> np.ndarray:
    """Weights rounded to the nearest of the levels of `bits`, one scale an output channel (the last axis).

    What the paper calls quantized: no help from calibration, and activations stay in float. One bit is sign and mean.
    """
    axes = tuple(range(weights.ndim - 1))
    if bits == 1:
        return np.where(weights < 0, -1, 1) * np.abs(weights).mean(axis=axes, keepdims=True)
    half = (1 << (bits - 1)) - 1
    scale = np.maximum(np.abs(weights).max(axis=axes, keepdims=True), 1e-12) / half
    return np.round(weights / scale) * scale


def without_smallest(weights: np.ndarray, part: float) -> np.ndarray:
    """Weights with the smallest `part` of them zero."""
    return np.where(np.abs(weights) > np.quantile(np.abs(weights), part, method="lower"), weights, 0.0)


def _changed(model: Any, change: Callable[[np.ndarray], np.ndarray]) -> Any:
    """A copy of the network with every weight matrix changed."""
    from ecgdeploy.compression.layers import matrices
    from ecgdeploy.quantization.qat import copy_of

    copy = copy_of(model)
    for weights in matrices(copy):
        weights.variable.assign(change(weights.values))
    return copy


def _remembering(figures: Callable[[Any], tuple[float, ...]]) -> Callable[[Any], tuple[float, ...]]:
    """`figures` of a choice of layers, each choice measured once."""
    seen: dict[str, tuple[float, ...]] = {}

    def of(chosen: Any) -> tuple[float, ...]:
        key = sha256_bytes(b"".join(str(o).encode() + chosen[o].values.tobytes() for o in sorted(chosen)))
        if key not in seen:
            seen[key] = figures(chosen)
        return seen[key]

    return of


def _on_device(scratch: Path, int8: bytes) -> dict[str, Any]:
    """Instructions and flash of the LAQ file on the emulated board, beside the int8 file's; or why not."""
    from ecgdeploy.measure.bench import bench_model

    (scratch / "int8.tflite").write_bytes(int8)
    found: dict[str, Any] = {}
    try:
        for name in ("int8", "laq"):
            result = bench_model(scratch / f"{name}.tflite", limit=2)
            found[name] = {
                "instructions": result.instructions, "flash_bytes": result.flash_bytes, "ram_bytes": result.ram_bytes,
                "identical": result.identical, "compared": result.compared, "golden": result.golden,
            }  # fmt: skip
    except EcgDeployError as error:
        return {"fits": False, "why": str(error)}
    return found | {"fits": True}


def _trained(network: str, task: Any, scratch: Path, context: Context) -> tuple[Any, dict[str, Any], float]:
    """The float network, HuBERT-ECG pre-trained first; notes for its row; its share of parameters kept in float."""
    from ecgdeploy import models
    from ecgdeploy.models.gaurhar import float_share, hubert_encoder
    from ecgdeploy.quantization import qat
    from ecgdeploy.training import masked, run, runtime

    runtime.tensorflow(context.threads)
    made = settings(network, task, context.quick)
    note: dict[str, Any] = {}
    if network == "resnet1d":
        trained = run.train(made, scratch / "float", task=task, threads=context.threads)
    else:
        options = made.model.options
        path = scratch / "encoder.weights.h5"
        runtime.seed(made.seed)
        encoder = hubert_encoder(options["samples"], task.input_shape[1], options["size"])
        if not path.exists():
            found = masked.pretrain(encoder, task.train(), epochs=6 if context.quick else 100)
            note["pretraining"] = {
                "losses": found.losses, "masked_accuracy": found.accuracy, "commonest_cluster": found.chance
            }
            partial = path.with_name(f"partial-{path.name}")  # Keras wants this ending
            encoder.save_weights(partial)
            partial.replace(path)
        encoder.load_weights(path)
        digest = sha256_bytes(b"".join(w.tobytes() for w in encoder.get_weights()))

        def make() -> Any:
            model = models.build(made.model.name, **options)
            masked.transfer(encoder, model)
            return model

        made = config.override(made, {"starts_from": digest})
        trained = run.train(made, scratch / "float", task=task, threads=context.threads, make_model=make)
    return trained, note, float_share(qat.load(trained.model))


def _report(rows: list[dict[str, Any]], folder: Path) -> Any:
    from ecgdeploy.studies import gaurhar_report

    return gaurhar_report.report(rows, folder)


STUDY = Study(
    name=NAME,
    title="Layer-wise adaptive compression of ResNet1D and HuBERT-ECG",
    paper="Gaurhar, Shinde, Tiwari, Resource-Efficient ECG Foundation Networks via Layer-wise Adaptive Compression",
    units=units,
    work=work,
    report=_report,
)
