"""Quantization-aware training for Keras 3: fold batch normalization, fix ranges, train on, export full-integer.

``tfmot`` has no Keras 3, no Conv1D; Keras' own ``quantize`` touches Dense only. Here the graph is rebuilt with layers
that round as int8 kernels do (`fake`). The exported file gets its activation ranges from the same numbers, through the
fake-quantization operators that TensorFlow's converter reads, and its weights from kernels already on the grid.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.errors import ModelError
from ecgdeploy.provenance import sha256_json, write_atomic
from ecgdeploy.quantization.precision import calibration_windows
from ecgdeploy.quantization.ranges import narrowed
from ecgdeploy.training import config
from ecgdeploy.training import run as training
from ecgdeploy.training.run import Run

#: beside a QAT run's model: which windows fixed the ranges, and the ranges
CALIBRATION = "calibration.json"
#: calibration windows that the search for ranges reads
SEARCHED = 256


def consumers(model: Any) -> dict[str, list[Any]]:
    """Layers that read each layer's output, by the producer's name."""
    found: dict[str, list[Any]] = {layer.name: [] for layer in model.layers}
    for layer in model.layers:
        for node in layer._inbound_nodes:
            for tensor in node.input_tensors:
                producer = tensor._keras_history.operation.name
                if producer not in found:
                    raise ModelError(
                        f"{model.name}: {producer} is no layer", "QAT takes models of layers only"
                    )
                found[producer].append(layer)
    return found


def fused_ends(model: Any) -> dict[str, str]:
    """Where each quantized tensor is: layer that ends a fused chain (conv - BN - ReLU) -> layer that starts it."""
    import keras

    readers = consumers(model)
    ends: dict[str, str] = {}
    for layer in model.layers:
        if not isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense, keras.layers.Add)) and not isinstance(
            layer, keras.layers.GlobalAveragePooling2D
        ):
            continue
        end = layer
        while len(readers[end.name]) == 1 and isinstance(
            readers[end.name][0], (keras.layers.BatchNormalization, keras.layers.ReLU)
        ):
            end = readers[end.name][0]
            if isinstance(end, keras.layers.ReLU):
                break
        ends[end.name] = layer.name
    return ends


def observe(model: Any, windows: np.ndarray, batch: int = 64, *, every: bool = False) -> dict[str, tuple[float, float]]:
    """True minimum and maximum of every quantized tensor over `windows` [n, samples, leads]; ``""`` is the input.

    With `every`, also of the convolutions' outputs before batch normalization. The true extremes, not a moving
    average: an average clips (an error of 0.023 against 0.004 on a beat network).

    Raises
    ------
    ModelError
        A model of several inputs.
    """
    import keras

    if len(model.inputs) > 1:
        raise ModelError(f"{model.name} takes {len(model.inputs)} inputs", "choose precision int8: this takes one")

    fused = fused_ends(model)
    ends = [la.name for la in model.layers if la.name in fused or (every and la.name in fused.values())]
    probe = keras.Model(model.inputs, [model.get_layer(name).output for name in ends])
    low, high = np.full(len(ends), np.inf), np.full(len(ends), -np.inf)
    for start in range(0, len(windows), batch):
        values = probe(np.asarray(windows[start : start + batch])[:, None], training=False)
        values = values if isinstance(values, (list, tuple)) else [values]
        for index, value in enumerate(values):
            array = np.asarray(value)
            low[index], high[index] = min(low[index], array.min()), max(high[index], array.max())
    limits = {name: (float(a), float(b)) for name, a, b in zip(ends, low, high, strict=True)}
    limits[""] = (float(np.min(windows)), float(np.max(windows)))
    return limits


def fake_quantized(
    model: Any, limits: dict[str, tuple[float, float]], keep_float: Collection[str] = (), *, fold: bool = True,
    weight_bits: int = 8,
) -> Any:
    """Twin of `model` that rounds as int8 kernels do, batch normalization folded.

    Parameters
    ----------
    limits : dict
        Ranges from `observe`.
    keep_float : collection of str
        Convolutions and dense layers (by name) that stay in float: islands of a mixed-precision file.
    fold : bool
        False only to show what it costs to round before batch normalization; `limits` then from ``every=True``.

    weight_bits : int
        1 to 8: the grid of the weights.

    Raises
    ------
    ModelError
        A layer that has no rounding twin, named.
    """
    import keras

    from ecgdeploy.quantization import fake

    ends = fused_ends(model)
    readers = consumers(model)
    first = {reader.name for reader in readers[model.layers[0].name]}

    def twin(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, keras.layers.BatchNormalization):
            if not fold:
                return layer.__class__.from_config(config)
            # a residual branch ends here, without ReLU: unrounded, its addition would run in float
            rounds = layer.name in ends and ends[layer.name] not in keep_float
            return fake.Folded(name=layer.name, limits=limits[layer.name] if rounds else None)
        kind: Any = fake.TWINS.get(type(layer))
        if kind is None:
            if isinstance(layer, (*fake.PASSING, keras.layers.InputLayer)):
                return layer.__class__.from_config(config)
            raise ModelError(
                f"{model.name}: layer {layer.name} ({type(layer).__name__}) has no quantization-aware twin",
                "quantize after training, or write the layer with convolution, dense, ReLU, pooling, add",
            )
        start = ends.get(layer.name, layer.name)
        island = start in keep_float
        if "use_bias" in config:
            config |= {"use_bias": True, "quantize_weights": layer.name not in keep_float}
            config |= {"weight_bits": weight_bits}
        if not island and (layer.name in ends or (not fold and layer.name in limits)):
            config["limits"] = limits[layer.name]
        if layer.name in first and not island:
            config["input_limits"] = limits[""]
        return kind.from_config(config)

    clone = keras.models.clone_model(model, clone_function=twin)
    for layer in model.layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
            clone.get_layer(layer.name).set_weights(_folded(layer, readers if fold else None))
        elif isinstance(layer, keras.layers.BatchNormalization) and not fold:
            clone.get_layer(layer.name).set_weights(layer.get_weights())
    return clone


def finetune(
    trained: Run,
    task: Any,
    folder: Path,
    *,
    epochs: int = 3,
    learning_rate: float | None = None,
    calibration: int = 512,
    seed: int = 0,
    distil: bool = False,
    weight_bits: int = 8,
    threads: int | None = None,
    report: Callable[[int, int, int, float], None] | None = None,
) -> Run:
    """Train a finished run on, rounding; resumable like any run.

    Parameters
    ----------
    trained : Run
        The float run; its configuration is used but for epochs and learning rate.
    learning_rate : float, optional
        1e-4 on the labels; 3e-5 with `distil`, where only the rounding is to be made good.
    calibration : int
        Training windows that fix the ranges (`ranges.narrowed`), drawn with `seed`.
    distil : bool
        Learn the float model's logits instead of the labels: the file then stays with the float model, where training
        on the labels also goes on learning (for better or worse). The epoch whose logits are nearest to the float
        model's on the validation records is kept; the calibrated start is one of the candidates.

    weight_bits : int
        1 to 8: the grid that the weights are rounded to; the file then holds weights on it, as int8.

    Returns
    -------
    Run
        Its model converts with precision ``int8-qat``.

    Raises
    ------
    DataError, ModelError, UsageError
        As training does; a layer without a twin.
    """
    from ecgdeploy.training import runtime

    runtime.tensorflow(threads)
    windows, note = calibration_windows(task.calibration(calibration, seed))
    model = load(trained.model)
    limits = _ranges(model, windows, note, folder)
    base = config.parse(trained.manifest["config"], "config.json")
    settings = config.override(
        base,
        {
            "name": f"{base.name}-qat" + ("" if weight_bits == 8 else str(weight_bits)),
            "epochs": epochs,
            "patience": 0,
            "optimizer.learning_rate": learning_rate or (3e-5 if distil else 1e-4),
            "optimizer.schedule": "cosine",
            "mixed_precision": False,
            "starts_from": trained.manifest["weights_sha256"],
            "teacher": None,
            "distillation": None,
            "ranges": sha256_json(limits),
        }
        | ({"teacher": trained.manifest["weights_sha256"], "monitor": "teacher"} if distil else {}),
    )
    make = functools.partial(fake_quantized, model, limits, weight_bits=weight_bits)
    teacher = model if distil else None
    done = training.train(
        settings, folder, task=task, threads=threads, report=report, make_model=make, teacher=teacher
    )
    return done


def _ranges(
    model: Any, windows: np.ndarray, note: dict[str, Any], folder: Path
) -> dict[str, tuple[float, float]]:
    """Ranges from calibration windows; a resumed run reads those of its first sitting."""
    path = folder / CALIBRATION
    if path.exists():
        kept = json.loads(path.read_text())
        if kept["sha256"] == note["sha256"]:
            return {name: (low, high) for name, (low, high) in kept["ranges"].items()}
    # the search reads the windows some fifty times: a part of them tells as much
    rows = np.sort(np.random.default_rng(0).permutation(len(windows))[:SEARCHED])
    limits, shares = narrowed(model, observe(model, windows), windows[rows])
    folder.mkdir(parents=True, exist_ok=True)
    content = note | {"ranges": limits, "shares": shares, "searched": len(rows)}
    write_atomic(path, json.dumps(content, indent=1, sort_keys=True) + "\n")
    return limits


def unrounded(model: Any) -> Any:
    """The same folded weights without any rounding: what an ``int8-qat`` file is to be compared with."""
    import keras

    from ecgdeploy.quantization import fake

    def plain(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, (*fake.TWINS.values(), fake.Folded)):
            config |= {"limits": None, "input_limits": None, "quantize_weights": False}
        return layer.__class__.from_config(config)

    clone = keras.models.clone_model(model, clone_function=plain)
    clone.set_weights(model.get_weights())
    return clone


def copy_of(model: Any) -> Any:
    """A network of its own with the same layers and weights."""
    import keras

    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    return clone


def load(path: Path) -> Any:
    """Read a saved Keras model, with rounding layers or without."""
    import keras

    from ecgdeploy.models import transformer  # noqa: F401 - registers its layers
    from ecgdeploy.quantization import fake  # noqa: F401 - registers the rounding layers

    return keras.saving.load_model(path, compile=False)


def _folded(layer: Any, readers: dict[str, list[Any]] | None) -> list[np.ndarray]:
    """Kernel and bias with the batch normalization among the `readers`, if any, folded in."""
    import keras

    kernel = np.asarray(layer.kernel)
    bias = np.asarray(layer.bias) if layer.use_bias else np.zeros(kernel.shape[-1], np.float32)
    after = readers[layer.name] if readers else []
    if len(after) == 1 and isinstance(after[0], keras.layers.BatchNormalization):
        norm = after[0]
        ones = np.ones(kernel.shape[-1], np.float32)
        gamma = np.asarray(norm.gamma) if norm.scale else ones
        beta = np.asarray(norm.beta) if norm.center else 0 * ones
        factor = gamma / np.sqrt(np.asarray(norm.moving_variance) + norm.epsilon)
        kernel = kernel * factor
        bias = (bias - np.asarray(norm.moving_mean)) * factor + beta
    return [kernel.astype(np.float32), bias.astype(np.float32)]


def sensitivity(model: Any, limits: dict[str, tuple[float, float]], windows: np.ndarray) -> dict[str, float]:
    """What rounding each layer alone does: mean absolute change of the outputs, largest first.

    `windows` [n, samples, leads] must not be test windows.
    """
    import keras

    from ecgdeploy.training.loop import predict

    names = [la.name for la in model.layers if isinstance(la, (keras.layers.Conv2D, keras.layers.Dense))]
    reference = predict(model, windows)
    costs = {}
    for name in names:
        others = [other for other in names if other != name]
        costs[name] = float(np.abs(predict(fake_quantized(model, limits, others), windows) - reference).mean())
    return dict(sorted(costs.items(), key=lambda item: -item[1]))
