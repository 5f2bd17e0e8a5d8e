"""The converter's own process: a crash of TensorFlow's converter ends here and not in the caller.

``python -m ecgdeploy.quantization.child FOLDER`` reads ``request.json``, ``calibration.npy`` and ``person.npy`` (age
and sex, for a model of two inputs) and writes ``PRECISION.tflite`` each and, last, ``answer.json``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np


def batch_one(model: Any) -> Any:
    """The model with batch size 1: the converter then folds shapes, and no SHAPE or STRIDED_SLICE is left."""
    import keras

    inputs = [keras.Input(batch_shape=(1, *tensor.shape[1:]), name=tensor.name) for tensor in model.inputs]
    clone = keras.models.clone_model(model, input_tensors=inputs if len(inputs) > 1 else inputs[0])
    clone.set_weights(model.get_weights())
    return clone


def to_bytes(
    model: Any, precision: str, windows: np.ndarray | None, per_channel: bool = True, person: np.ndarray | None = None
) -> bytes:
    """``.tflite`` of a batch-1 Keras model.

    `windows` float32 [n, samples, leads], and `person` [n, 3] for a second input, calibrate the integer precisions.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision in ("int8-qat", "mixed"):
        # the ranges are in the graph's fake-quantization operators: nothing to observe
        converter.inference_input_type = converter.inference_output_type = tf.int8
    if precision in ("int8", "int16x8"):
        calibration = np.asarray(windows)

        def representative() -> Iterator[list[np.ndarray]]:
            for number, window in enumerate(calibration):
                second = [] if len(model.inputs) == 1 else [np.asarray(person)[number : number + 1]]
                yield [window[None, None].astype(np.float32), *second]

        converter.representative_dataset = representative
        builtins = tf.lite.OpsSet
        if precision == "int8":
            converter.target_spec.supported_ops = [builtins.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        else:
            converter.target_spec.supported_ops = [
                builtins.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            ]
            converter.inference_input_type = converter.inference_output_type = tf.int16
    if not per_channel:
        converter._experimental_disable_per_channel = True
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    return converter.convert()


def float_difference(model: Any, content: bytes, windows: Any) -> float:
    """Largest difference of any output between the Keras model and the float32 file over `windows` (see `predict`)."""
    from ecgdeploy.quantization.runner import TfliteRunner
    from ecgdeploy.training.loop import predict

    found = TfliteRunner(content).run(windows)
    wanted = predict(model, windows, batch=1)
    difference = np.abs(found - wanted)
    return float(difference.max()) if np.isfinite(difference).all() else float("inf")


def output_names(model: Any) -> list[str]:
    """Names of the Keras model's outputs; the file's signature has them in this order as output_0, output_1, ..."""
    return list(model.output_names)


def main(folder: Path) -> None:
    """Serve one request."""
    from ecgdeploy.training import runtime

    runtime.tensorflow(1)
    import keras

    from ecgdeploy.models import transformer  # noqa: F401 - registers the layers of a saved model
    from ecgdeploy.quantization import fake  # noqa: F401 - registers those of a saved rounding model

    request = json.loads((folder / "request.json").read_text())
    model = batch_one(keras.saving.load_model(request["model"], compile=False))
    path = folder / "calibration.npy"
    windows = np.load(path) if path.exists() else None
    people = folder / "person.npy"
    person = np.load(people) if people.exists() else None
    difference = None
    for precision in request["precisions"]:
        (folder / "current").write_text(precision)
        content = to_bytes(model, precision, windows, request["per_channel"], person)
        if precision == "float32":
            rng = np.random.default_rng(0)
            shapes = [(8, *tensor.shape[2 if len(tensor.shape) == 4 else 1 :]) for tensor in model.inputs]
            probe = tuple(rng.normal(0, 1, shape).astype(np.float32) for shape in shapes)
            difference = float_difference(model, content, probe)
        (folder / f"{precision}.tflite").write_bytes(content)
    answer = {"outputs": output_names(model), "float_difference": difference}
    (folder / "answer.json").write_text(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
