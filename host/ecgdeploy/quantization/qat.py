"""Quantization-aware training for Keras 3: fold batch normalization, fix ranges, train on, export full-integer.

``tfmot`` has no Keras 3, no Conv1D; Keras' own ``quantize`` touches Dense only. Here the graph is rebuilt with layers
that round as int8 kernels do (`fake`). The exported file gets its activation ranges from the same numbers, through the
fake-quantization operators that TensorFlow's converter reads, and its weights from kernels already on the grid.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Collection, Iterator
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


def grids(plain: Any) -> dict[str, str]:
    """Where a folded network is rounded: layer (or ``""``, the input) -> the first of the layers that share its scale.

    Not rounded are what a ReLU behind it is fused with, what only moves values, and the probabilities that leave the
    network. Kernels that only move values have one scale for input and output; those of a concatenation share one.

    Raises
    ------
    ModelError
        A concatenation of a sigmoid, softmax or tanh, whose scale is fixed, with something else.
    """
    import keras

    from ecgdeploy.quantization import fold

    readers, ends = fold.consumers(plain), fold.outputs_of(plain)
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        return name if parent.setdefault(name, name) == name else root(parent[name])

    still = (*fold.MOVING, *fold.IDLE)
    leaving = set(ends)
    for layer in reversed(plain.layers):
        after = readers[layer.name]
        if layer.name not in ends and after and all(la.name in leaving and isinstance(la, still) for la in after):
            leaving.add(layer.name)
    rounded = {}
    for layer in plain.layers:
        operands = [tensor._keras_history.operation.name for tensor in layer._inbound_nodes[0].input_tensors]
        if isinstance(layer, still):
            for operand in operands:
                parent[root(layer.name)] = root(operand)
            if not isinstance(layer, fold.AVERAGING):
                continue
        after = readers[layer.name]
        fused = isinstance(layer, (keras.layers.Add, keras.layers.BatchNormalization)) and layer.name not in ends
        if fused and len(after) == 1 and fold.function_of(after[0]) in ("relu", "relu6") and _is_relu(after[0]):
            continue
        if fold.function_of(layer) in fold.FIXED and layer.name in leaving:
            continue
        rounded[layer.name] = layer
    first = {la.name: _input_key(plain, la.name) for la in plain.layers if isinstance(la, keras.layers.InputLayer)}
    sharing: dict[str, list[str]] = {}
    for name in rounded:
        sharing.setdefault(root(name), []).append(name)
    found: dict[str, str] = {}
    for names in sharing.values():
        fixed = {fold.FIXED.get(fold.function_of(rounded[name])) for name in names}
        if len(fixed) > 1:
            raise ModelError(
                f"{plain.name}: {names[0]} and {names[1]} are joined, and the scale of one is fixed",
                "join before the sigmoid, softmax or tanh, or quantize after training (int8)",
            )
        found |= {first.get(name, name): first.get(names[0], names[0]) for name in names}
    return found


def _is_relu(layer: Any) -> bool:
    import keras

    return isinstance(layer, keras.layers.ReLU)


def _input_key(model: Any, name: str) -> str:
    """How ranges name an input: the first one ``""``, another one by its name."""
    return "" if model.inputs[0]._keras_history.operation.name == name else name


def observe(model: Any, windows: Any, batch: int = 64, *, fold: bool = True) -> dict[str, tuple[float, float]]:
    """True minimum and maximum of every scale of the int8 file over `windows`; ``""`` is the input.

    The true extremes, not a moving average: an average clips (an error of 0.023 against 0.004 on a beat network).

    Parameters
    ----------
    windows : float32 [n, samples, leads], or a tuple of them and of a second input's values [n, k]
    fold : bool
        False only to show what it costs to round before batch normalization.

    Raises
    ------
    ModelError
        A layer that has no rounding twin, named.
    """
    import keras

    from ecgdeploy.quantization import fold as folding

    plain = folding.folded(model, norms=fold)
    shared = grids(plain)
    fixed = {la.name: folding.FIXED[name] for la in plain.layers if (name := folding.function_of(la)) in folding.FIXED}
    first = plain.inputs[0]._keras_history.operation.name
    places = {grid: plain.get_layer(grid or first).output for grid in shared}
    probe = keras.Model(plain.inputs, list(places.values()))
    low, high = dict.fromkeys(places, np.inf), dict.fromkeys(places, -np.inf)
    for tensors in batches(windows, batch):
        values = probe(tensors, training=False)
        for name, value in zip(places, values if isinstance(values, (list, tuple)) else [values], strict=True):
            array = np.asarray(value)
            low[name], high[name] = min(low[name], array.min()), max(high[name], array.max())
    limits: dict[str, tuple[float, float]] = {}
    for name, grid in shared.items():
        a, b = fixed.get(grid, (float(low[name]), float(high[name])))
        before = limits.get(grid, (a, b))
        limits[grid] = (min(a, before[0]), max(b, before[1]))
    return limits


def batches(windows: Any, size: int) -> Iterator[Any]:
    """What a model takes, `size` windows at a time: [n, 1, samples, leads], or a list of it and the second input."""
    arrays = windows if isinstance(windows, tuple) else (windows,)
    for start in range(0, len(arrays[0]), size):
        parts = [np.asarray(array[start : start + size], np.float32) for array in arrays]
        parts = [part[:, None] if part.ndim == 3 else part for part in parts]
        yield parts if len(parts) > 1 else parts[0]


def fake_quantized(
    model: Any, limits: dict[str, tuple[float, float]], keep_float: Collection[str] = (), *, fold: bool = True,
    weight_bits: int = 8,
) -> Any:
    """Twin of `model` that rounds as int8 kernels do, batch normalization folded.

    Parameters
    ----------
    limits : dict
        Ranges from `observe`, with the same `fold`.
    keep_float : collection of str
        Convolutions and dense layers (by name) that stay in float: islands of a mixed-precision file.
    fold : bool
        False only to show what it costs to round before batch normalization.
    weight_bits : int
        1 to 8: the grid of the weights.

    Raises
    ------
    ModelError
        A layer that has no rounding twin, named.
    """
    import keras

    from ecgdeploy.quantization import fake
    from ecgdeploy.quantization import fold as folding

    plain = folding.folded(model, norms=fold)
    shared = grids(plain)
    entries = {tensor._keras_history.operation.name: tensor for tensor in plain.inputs}
    readers = folding.consumers(plain)
    rounds = {
        name: fake.Round(name=f"{name}_rounded", limits=limits[_key], grid=_key)
        for name in entries
        if (_key := _input_key(plain, name)) in shared and any(la.name not in keep_float for la in readers[name])
    }

    def twin(layer: Any) -> Any:
        config, island = layer.get_config(), layer.name in keep_float
        if layer.name not in shared or isinstance(layer, keras.layers.InputLayer):
            return layer.__class__.from_config(config)
        kind: Any = fake.TWINS[type(layer)]
        if not island:
            config |= {"limits": limits[shared[layer.name]], "grid": shared[layer.name]}
        if issubclass(kind, fake.Weighted):
            config |= {"quantize_weights": not island, "weight_bits": weight_bits}
        return kind.from_config(config)

    made: dict[str, Any] = {}

    def called(new: Any, *args: Any, **kwargs: Any) -> Any:
        def entering(tensor: Any) -> Any:
            name = tensor._keras_history.operation.name
            if name not in rounds:
                return tensor
            if name not in made:
                made[name] = rounds[name](tensor)
            return made[name]

        return new(*keras.tree.map_structure(entering, args), **kwargs)

    clone = keras.models.clone_model(plain, clone_function=twin, call_function=called)
    for layer in plain.layers:
        if layer.weights:
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
    from ecgdeploy.quantization.fold import folded
    from ecgdeploy.training.logits import logits_of

    view = task.calibration(calibration, seed)
    _, note = calibration_windows(view)
    model = load(trained.model)
    limits = _ranges(model, view.arrays(len(model.inputs)), note, folder)
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
    # folded, a softmax inside the last layer is one of its own: then logits can be compared
    teacher = (model if logits_of(model) is not None else folded(model)) if distil else None
    return training.train(
        settings, folder, task=task, threads=threads, report=report, make_model=make, teacher=teacher
    )


def _ranges(
    model: Any, arrays: tuple[Any, ...], note: dict[str, Any], folder: Path
) -> dict[str, tuple[float, float]]:
    """Ranges from calibration windows; a resumed run reads those of its first sitting."""
    from ecgdeploy.quantization.fold import folded

    path = folder / CALIBRATION
    names = set(grids(folded(model)).values())
    if path.exists():
        kept = json.loads(path.read_text())
        if kept["sha256"] == note["sha256"] and set(kept["ranges"]) == names:
            return {name: (low, high) for name, (low, high) in kept["ranges"].items()}
    # the search reads the windows some fifty times: a part of them tells as much
    rows = np.sort(np.random.default_rng(0).permutation(len(arrays[0]))[:SEARCHED])
    limits, shares = narrowed(model, observe(model, arrays), tuple(np.asarray(part[rows]) for part in arrays))
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
        if "limits" in config:
            config["limits"] = None
        if isinstance(layer, fake.Weighted):
            config["quantize_weights"] = False
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


def sensitivity(model: Any, limits: dict[str, tuple[float, float]], windows: Any) -> dict[str, float]:
    """What rounding each layer alone does: mean absolute change of the outputs, largest first.

    `windows` [n, samples, leads] must not be test windows.
    """
    from ecgdeploy.quantization.fold import WEIGHTED, folded
    from ecgdeploy.training.loop import predict

    names = [la.name for la in folded(model).layers if isinstance(la, WEIGHTED)]
    reference = predict(model, windows)
    costs = {}
    for name in names:
        others = [other for other in names if other != name]
        costs[name] = float(np.abs(predict(fake_quantized(model, limits, others), windows) - reference).mean())
    return dict(sorted(costs.items(), key=lambda item: -item[1]))
