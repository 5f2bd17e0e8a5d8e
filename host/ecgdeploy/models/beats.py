"""The preset beat classifier: small enough for a Cortex-M4 with 256 kB of RAM, many times over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ecgdeploy.models.layers import conv_block, pool


def beat_cnn(
    samples: int = 256,
    leads: int = 1,
    classes: int = 3,
    filters: Sequence[int] = (16, 32, 32, 64),
    kernels: Sequence[int] = (7, 7, 5, 5),
    dense: int = 32,
    dropout: float = 0.3,
    momentum: float = 0.99,
) -> Any:
    """One-window beat classifier.

    Convolution, batch normalization, ReLU and max-pool 2 per entry of `filters` (no pool after the last), mean over
    time, dense with ReLU, dense with softmax.

    Returns
    -------
    keras.Model
        [batch, 1, samples, leads] -> probabilities [batch, classes].
    """
    import keras

    x = inputs = keras.Input((1, samples, leads), name="ecg")
    for index, (width, kernel) in enumerate(zip(filters, kernels, strict=True), start=1):
        x = conv_block(x, width, kernel, bias=False, momentum=momentum, name=f"block{index}")
        if index < len(filters):
            x = pool(x, 2, name=f"block{index}_pool")
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    x = keras.layers.Dense(dense, activation="relu", name="dense")(x)
    x = keras.layers.Dense(classes, name="logits")(x)
    outputs = keras.layers.Softmax(dtype="float32", name="beat")(x)
    return keras.Model(inputs, outputs, name="beat_cnn")
