"""A Keras model of one's own, made into what training and conversion here take: one input [1, samples, leads].

The layers stay as they are; where the model's input is another shape of the same values, a reshape goes before it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.errors import ModelError
from ecgdeploy.provenance import sha256_bytes, sha256_file, versions, write_manifest
from ecgdeploy.training import checks
from ecgdeploy.training.config import RunConfig
from ecgdeploy.training.run import MODEL, Run, claim

_SAVE = "save it with model.save(\"NAME.keras\") of Keras 3"


def load(
    path: Path, shape: tuple[int, int], classes: tuple[str, ...], multilabel: bool, activation: str | None = None
) -> Any:
    """The model of a ``.keras`` file with input [batch, 1, samples, leads].

    Parameters
    ----------
    shape : (samples, leads)
        Of the task's windows.
    activation : "softmax" or "sigmoid"
        Put behind a model that ends in logits.

    Raises
    ------
    ModelError
        Not a Keras 3 file, layers that Keras does not know, several inputs or outputs, another input shape, another
        number of outputs, outputs that are no probabilities.
    """
    from ecgdeploy.training import runtime

    runtime.tensorflow()
    import keras

    try:
        own = keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises whatever its file's layers raise
        text = " ".join(str(error).split())
        custom = re.search(r"Could not locate (?:class|function) '(\w+)'", text)
        if custom:
            raise ModelError(
                f"{path.name}: Keras does not know its layer {custom[1]}", "[model] code = \"FILE.py\" that defines it"
            ) from None
        if "`Lambda` layer" in text:
            raise ModelError(
                f"{path.name}: holds a Lambda layer, which is code in a model file: it is not run",
                "make it a layer class of its own, in the file that [model] code = \"FILE.py\" names, or plain layers",
            ) from None
        raise ModelError(f"{path.name}: Keras does not read it: {text[:140]}", _SAVE) from None
    if not getattr(own, "built", False):
        raise ModelError(f"{path.name}: the model was never built", "begin it with keras.Input, then save it")
    # a subclassed model does not say its input's shape: then it is the windows'
    inputs = getattr(own, "inputs", None) or ()
    if len(inputs) > 1:
        raise ModelError(f"{path.name}: {len(inputs)} inputs", "one is supported, the signal")
    have = tuple(inputs[0].shape[1:]) if inputs else shape
    leads_first = _fits(path, have, shape)
    signal = keras.Input((1, *shape), name="ecg")
    turned = keras.layers.Permute((1, 3, 2), name="ecg_leads_first")(signal) if leads_first else signal
    wanted = tuple(extent if extent is not None else shape[0] for extent in have)
    reshaped = turned if wanted == turned.shape[1:] else keras.layers.Reshape(wanted, name="ecg_reshape")(turned)
    try:
        # the layers themselves, not a model in a model, which QAT would not open
        answer = keras.Function(inputs, own.outputs).call([reshaped]) if inputs else own.call(reshaped)
    except Exception as error:
        text = " ".join(str(error).split())[:140]
        raise ModelError(f"{path.name} does not take {shape[0]} samples x {shape[1]} leads: {text}", _SAVE) from None
    if isinstance(answer, (list, tuple)) and len(answer) == 1:
        answer = answer[0]
    if isinstance(answer, (list, tuple, dict)):
        raise ModelError(f"{path.name}: {len(answer)} outputs", "one is supported, a probability each class")
    width = tuple(answer.shape[1:])
    if len(width) != 1 or width[0] != len(classes):
        got = " x ".join(map(str, width))
        hint = "one class and multilabel = true is a yes/no output" if width == (1,) else "set task.classes to them"
        raise ModelError(f"{path.name}: {got} outputs, the task has {len(classes)} classes", hint)
    if activation is not None:
        answer = keras.layers.Activation(activation, name="ecg_activation")(answer)
    model = keras.Model(signal, answer, name="own")
    _gives_probabilities(path, model, shape, multilabel)
    return model


def _fits(path: Path, have: tuple[int | None, ...], shape: tuple[int, int]) -> bool:
    """Refuse an input that is not the windows' values under another shape; whether its leads come first."""
    wide = [extent for extent in have if extent != 1]
    wanted = [extent for extent in shape if extent != 1]

    def alike(order: list[int]) -> bool:
        return len(wide) == len(order) and all(h in (None, w) for h, w in zip(wide, order, strict=True))

    if alike(wanted):
        return False
    if alike(wanted[::-1]):
        return True
    got = " x ".join("any" if extent is None else str(extent) for extent in have)
    raise ModelError(
        f"{path.name} takes {got}, the task gives {shape[0]} samples x {shape[1]} leads",
        "set task.samples and task.leads to the model's",
    )


def _gives_probabilities(path: Path, model: Any, shape: tuple[int, int], multilabel: bool) -> None:
    """Refuse logits: the losses, the figures and the device's answers are of probabilities."""
    probe = np.random.default_rng(0).normal(0, 1, (8, 1, *shape)).astype(np.float32)
    out = np.asarray(model(probe, training=False))
    if not np.isfinite(out).all():
        raise ModelError(f"{path.name}: its answers to noise are not finite", "check its weights")
    if out.min() < 0 or out.max() > 1:
        end = "sigmoid" if multilabel else "softmax"
        raise ModelError(
            f"{path.name}: outputs from {out.min():.3g} to {out.max():.3g}, no probabilities",
            f"[model] activation = \"{end}\" puts one behind it",
        )
    if not multilabel and np.abs(out.sum(axis=1) - 1).max() > 1e-3:
        raise ModelError(
            f"{path.name}: its outputs do not sum to 1", "end it with a softmax, or set multilabel = true for sigmoids"
        )


def adopt(
    path: Path, config: RunConfig, task: Any, folder: Path, threads: int | None = None, activation: str | None = None
) -> Run:
    """A run folder of a model that was trained elsewhere, so that everything after training takes it.

    The validation figures are computed here; what it was trained on is not known, and the manifest says so.
    """
    from ecgdeploy.ecg.views import for_choosing
    from ecgdeploy.training import figures, loop, runtime

    runtime.tensorflow(threads)
    validation = for_choosing(task.validation())
    checks.finite(validation, "validation set")
    model = load(path, task.input_shape, task.classes, validation.targets.ndim == 2, activation)
    claim(folder, config)
    result = figures.figures(validation.targets, loop.predict(model, validation.inputs))
    model.save(folder / MODEL)
    manifest = {
        "kind": "training run",
        "trained_elsewhere": sha256_file(path),
        "config": config.as_json(),
        "config_sha256": config.sha256,
        "source": validation.source,
        "synthetic": validation.synthetic,
        "provenance": {"training": "not known here", "validation": validation.provenance},
        "windows": {"validation": len(validation)},
        "classes": list(task.classes),
        "parameters": int(model.count_params()),
        "weights_sha256": sha256_bytes(b"".join(w.tobytes() for w in model.get_weights())),
        "best_epoch": 0,
        "epochs_run": 0,
        "validation": result,
        "versions": versions("tensorflow", "keras", "numpy"),
        "sha256": {name: sha256_file(folder / name) for name in (MODEL, "config.json")},
    }
    write_manifest(folder, manifest)
    return Run(folder, manifest)
