"""The 1-D ResNets of Weimann and Conrad: 18, 34 and 50 layers, kernels 7, 5, 5, 3 by stage; and their smaller twins.

Weimann K, Conrad TOF. Transfer learning for ECG classification. Scientific Reports 11:5251 (2021). The paper says
"ResNet v2"; its published code normalizes after each convolution, with normalized projections (4,482,880, 9,069,632 and
16,920,896 trainable parameters without the head), which is ``order="post"`` here. ``order="pre"`` is He et al. 2016
(4,481,088, 9,067,840 and 16,913,216); its batch normalization stands before the convolution and cannot be folded into
it, so that on a device it costs a multiplication and an addition a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ecgdeploy.errors import ModelError, UsageError, unknown

FILTERS = (64, 128, 256, 512)
KERNELS = (7, 5, 5, 3)
#: depth -> blocks of each stage, and whether a block is a bottleneck (1 x 1, kernel, 1 x 1 with four times the filters)
DEPTHS: dict[int, tuple[tuple[int, ...], bool]] = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
}
EXPANSION = 4
#: layer whose output is the encoding; what comes behind it is the head
ENCODING = "mean"
ANSWERS = ("softmax", "sigmoid")


def weimann_resnet(
    depth: int = 18,
    samples: int = 15_000,
    leads: int = 1,
    classes: int = 4,
    width: float = 1.0,
    order: str = "post",
    answer: str = "softmax",
    blocks: Sequence[int] | None = None,
    momentum: float = 0.9,
) -> Any:
    """Build one of the networks with a head of `classes`.

    Parameters
    ----------
    depth : {18, 34, 50}
    width : float
        All filters times this; 1 is the paper's.
    order : {"post", "pre"}
        Batch normalization behind the convolutions (foldable) or before them.
    answer : {"softmax", "sigmoid"}
        One label a record, or many.
    blocks : sequence of int, optional
        Blocks of each stage instead of the depth's; fewer than four entries leave stages out.

    Returns
    -------
    keras.Model
        [batch, 1, samples, leads] -> probabilities [batch, classes].

    Raises
    ------
    UsageError
        Unknown depth, order or answer.
    """
    import keras

    for name, value, known in (("order", order, ("post", "pre")), ("answer", answer, ANSWERS)):
        if value not in known:
            raise unknown(name, value, known)
    if depth not in DEPTHS:
        raise UsageError(f"no ResNet of depth {depth}", f"choose one of {', '.join(map(str, DEPTHS))}")
    counts, bottleneck = DEPTHS[depth]
    build = _Builder(order == "pre", bottleneck, momentum)
    inputs = keras.Input((1, samples, leads), name="ecg")
    x = build.conv(inputs, _scaled(FILTERS[0], width), 7, 2, "stem_conv")
    if not build.pre:
        x = build.activated(x, "stem")
    x = keras.layers.MaxPooling2D((1, 3), (1, 2), padding="same", name="stem_pool")(x)
    for stage, count in enumerate(blocks or counts, start=1):
        for number in range(1, count + 1):
            stride = 2 if stage > 1 and number == 1 else 1
            filters = _scaled(FILTERS[stage - 1], width)
            x = build.block(x, filters, KERNELS[stage - 1], stride, f"stage{stage}_block{number}")
    if build.pre:
        x = build.activated(x, "last")
    x = keras.layers.GlobalAveragePooling2D(name=ENCODING)(x)
    return keras.Model(inputs, _head(x, classes, answer), name=f"resnet{depth}")


def _scaled(filters: int, width: float) -> int:
    return max(4, round(filters * width))


def _head(x: Any, classes: int, answer: str) -> Any:
    import keras

    x = keras.layers.Dense(classes, name="logits")(x)
    if answer == "softmax":
        return keras.layers.Softmax(dtype="float32", name="answer")(x)
    return keras.layers.Activation("sigmoid", dtype="float32", name="answer")(x)


class _Builder:
    """The repeated parts, so that both orders read alike."""

    def __init__(self, pre: bool, bottleneck: bool, momentum: float) -> None:
        self.pre, self.bottleneck, self.momentum = pre, bottleneck, momentum

    def conv(self, x: Any, filters: int, kernel: int, stride: int, name: str) -> Any:
        import keras

        # over a height of one the first stride changes nothing; with (1, 2) oneDNN (TensorFlow 2.21, CPU) overruns its
        # memory in the gradient of a 1 x 1 convolution, from some 2,500 samples on
        return keras.layers.Conv2D(
            filters, (1, kernel), (stride, stride), "same", use_bias=False, kernel_initializer="he_normal", name=name
        )(x)

    def normalized(self, x: Any, name: str) -> Any:
        import keras

        return keras.layers.BatchNormalization(momentum=self.momentum, name=f"{name}_bn")(x)

    def activated(self, x: Any, name: str) -> Any:
        import keras

        return keras.layers.ReLU(name=f"{name}_relu")(self.normalized(x, name))

    def block(self, x: Any, filters: int, kernel: int, stride: int, name: str) -> Any:
        """Residual block; the shortcut is a convolution where the shape changes."""
        import keras

        out = filters * EXPANSION if self.bottleneck else filters
        plan = [(filters, kernel, stride), (filters, kernel, 1)]
        if self.bottleneck:
            plan = [(filters, 1, 1), (filters, kernel, stride), (out, 1, 1)]
        changes = stride > 1 or x.shape[-1] != out
        shortcut = x
        if self.pre:
            x = self.activated(x, f"{name}_0")
            if changes:
                shortcut = self.conv(x, out, 1, stride, f"{name}_skip")
        elif changes:
            shortcut = self.normalized(self.conv(x, out, 1, stride, f"{name}_skip"), f"{name}_skip")
        for index, (width, size, step) in enumerate(plan, start=1):
            x = self.conv(x, width, size, step, f"{name}_conv{index}")
            if index < len(plan):
                x = self.activated(x, f"{name}_{index}")
            elif not self.pre:
                x = self.normalized(x, f"{name}_{index}")
        x = keras.layers.Add(name=f"{name}_add")([x, shortcut])
        return x if self.pre else keras.layers.ReLU(name=f"{name}_relu")(x)


def encoder(model: Any) -> Any:
    """The network up to the mean over time: [batch, 1, samples, leads] -> [batch, filters]."""
    import keras

    return keras.Model(model.inputs[0], model.get_layer(ENCODING).output, name=f"{model.name}_encoder")


def transfer(source: Any, target: Any) -> int:
    """Copy the encoder's weights (all but the head's), spreading one input lead over several.

    The first kernel is repeated for every lead and divided by their number, so that twelve equal leads give what one
    gave (Weimann and Conrad, section "Downstream data set").

    Returns
    -------
    int
        Values copied.

    Raises
    ------
    ModelError
        The encoders differ in more than the number of input leads.
    """
    names = [layer.name for layer in encoder(target).layers if layer.weights]
    have = {layer.name: layer for layer in source.layers}
    copied = 0
    for name in names:
        ours = target.get_layer(name)
        theirs = have[name].get_weights() if name in have else []
        fitted = [_spread(value, weight.shape) for value, weight in zip(theirs, ours.weights, strict=False)]
        if len(theirs) != len(ours.weights) or any(value is None for value in fitted):
            raise ModelError(
                f"{target.name}: layer {name} is not that of the pre-trained {source.name}",
                "pre-train and fine-tune with the same depth, width and order",
            )
        ours.set_weights(fitted)
        copied += sum(value.size for value in fitted if value is not None)
    return copied


def _spread(value: np.ndarray, shape: Sequence[int]) -> np.ndarray | None:
    """`value` with the wanted shape; a one-lead kernel [1, k, 1, filters] is spread over the leads."""
    if tuple(value.shape) == tuple(shape):
        return np.asarray(value)
    if len(shape) == 4 and value.shape[2] == 1 and (*value.shape[:2], value.shape[3]) == (*shape[:2], shape[3]):
        return np.repeat(value, shape[2], axis=2) / np.float32(shape[2])
    return None
