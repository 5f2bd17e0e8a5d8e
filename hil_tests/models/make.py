"""Makes ``twelve-lead.tflite``: a small int8 network over 12 leads x 1000 samples with seeded random weights.

Its answers mean nothing clinically; its shape, its cost and its arithmetic are real. Run from the clone's root:
``python hil_tests/models/make.py``.
"""

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "host" / "tests" / "codegen"))

from tflite_builder import ACTIVATIONS, SAME, Builder  # noqa: E402

LEADS, SAMPLES, CLASSES = 12, 1000, 5
# (kernel, stride, channels) of the convolutions
LAYERS = ((15, 2, 16), (7, 2, 24))
INPUT_SCALE, LAYER_SCALE, LOGIT_SCALE = 0.04, 0.05, 0.06


def convolution(b, source, random, shape, source_scale, kernel, stride, channels):
    """int8 CONV_2D with per-channel weights, SAME padding, ReLU."""
    weights = random.integers(-127, 128, (channels, 1, kernel, shape[-1]), dtype=np.int8)
    scales = (random.uniform(0.5, 1.5, channels) / (40 * np.sqrt(kernel * shape[-1]))).astype(np.float32)
    bias = random.integers(-300, 300, channels, dtype=np.int32)
    out_shape = (1, 1, -(-shape[2] // stride), channels)
    target = b.tensor(out_shape, "int8", LAYER_SCALE, -128)
    inputs = [
        source,
        b.constant(weights, scale=scales, axis=0),
        b.constant(bias, scale=scales * np.float32(source_scale), axis=0),
    ]
    fields = {"padding": SAME, "strideW": stride, "strideH": 1, "fusedActivationFunction": ACTIVATIONS["RELU"]}
    b.operator("CONV_2D", inputs, [target], ("Conv2DOptions", {**fields, "dilationWFactor": 1, "dilationHFactor": 1}))
    return target, out_shape


def model():
    """The file's bytes; always the same."""
    random, b = np.random.default_rng(12), Builder()
    shape, scale = (1, 1, SAMPLES, LEADS), INPUT_SCALE
    tensor = b.input(shape, "int8", scale, 3)
    for layer in LAYERS:
        tensor, shape = convolution(b, tensor, random, shape, scale, *layer)
        scale = LAYER_SCALE
    pooled = b.tensor((1, shape[-1]), "int8", LAYER_SCALE / 4, -128)
    axes = b.constant(np.array([1, 2], np.int32))
    b.operator("MEAN", [tensor, axes], [pooled], ("ReducerOptions", {"keepDims": False}))
    weights = random.integers(-127, 128, (CLASSES, shape[-1]), dtype=np.int8)
    logits = b.tensor((1, CLASSES), "int8", LOGIT_SCALE, 0)
    constants = [
        b.constant(weights, scale=0.02),
        b.constant(random.integers(-200, 200, CLASSES, dtype=np.int32), scale=0.02 * LAYER_SCALE / 4),
    ]
    b.operator("FULLY_CONNECTED", [pooled, *constants], [logits], ("FullyConnectedOptions", {}))
    scores = b.tensor((1, CLASSES), "int8", 1 / 256, -128)
    b.operator("LOGISTIC", [logits], [scores])
    return b.finish([scores])


if __name__ == "__main__":
    (HERE / "twelve-lead.tflite").write_bytes(model())
