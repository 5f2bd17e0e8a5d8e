"""Transformer layers that convert to every precision: their own layer norm, attention of plain matrix products.

Keras' LayerNormalization becomes NEG in a ``.tflite``, an operator without an int8 kernel; `Norm` does not.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="ecgdeploy")
class Norm(keras.layers.Layer):
    """Layer normalization (Ba et al. 2016) from SUB, MUL, MEAN and RSQRT: over the last axis, or another."""

    def __init__(self, epsilon: float = 1e-5, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon, self.axis = epsilon, axis

    def build(self, input_shape: Any) -> None:
        """Create gain and offset."""
        self.gamma = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="beta")

    def call(self, x: Any) -> Any:
        """Normalize each position."""
        centred = x - keras.ops.mean(x, axis=self.axis, keepdims=True)
        variance = keras.ops.mean(centred * centred, axis=self.axis, keepdims=True)
        return centred * keras.ops.rsqrt(variance + self.epsilon) * self.gamma + self.beta

    def get_config(self) -> dict[str, Any]:
        """Configuration."""
        return super().get_config() | {"epsilon": self.epsilon, "axis": self.axis}


@keras.saving.register_keras_serializable(package="ecgdeploy")
class Positions(keras.layers.Layer):
    """Add the fixed sinusoidal positions of Vaswani et al. 2017, section 3.5."""

    def build(self, input_shape: Any) -> None:
        """Make the table [time, width]."""
        time, width = input_shape[1:]
        angle = np.arange(time)[:, None] / 10_000 ** (2 * (np.arange(width)[None] // 2) / width)
        self.table = np.where(np.arange(width)[None] % 2, np.cos(angle), np.sin(angle)).astype(np.float32)

    def call(self, x: Any) -> Any:
        """Add them."""
        return x + self.table[None]


def add_positions(x: Any) -> Any:
    """Tokens [time, width] with their positions added."""
    return Positions(name="positions")(x)


def attention(x: Any, heads: int, *, name: str) -> Any:
    """Multi-head self-attention of tokens [time, width]."""
    time, width = x.shape[1:]
    size = width // heads

    def split(part: str, order: tuple[int, int, int]) -> Any:
        y = keras.layers.Dense(width, name=f"{name}_{part}")(x)
        y = keras.layers.Reshape((time, heads, size), name=f"{name}_{part}_heads")(y)
        return keras.layers.Permute(order, name=f"{name}_{part}_moved")(y)

    query, key, value = split("query", (2, 1, 3)), split("key", (2, 3, 1)), split("value", (2, 1, 3))
    scores = Product(scale=size**-0.5, name=f"{name}_scores")([query, key])
    y = Product(name=f"{name}_mixed")([keras.layers.Softmax(name=f"{name}_weights")(scores), value])
    y = keras.layers.Permute((2, 1, 3), name=f"{name}_back")(y)
    y = keras.layers.Reshape((time, width), name=f"{name}_joined")(y)
    return keras.layers.Dense(width, name=f"{name}_out")(y)


@keras.saving.register_keras_serializable(package="ecgdeploy")
class Product(keras.layers.Layer):
    """Matrix product of the last two axes of two tensors, times a constant."""

    def __init__(self, scale: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, inputs: Any) -> Any:
        """Multiply."""
        first, second = inputs
        return keras.ops.matmul(first * self.scale if self.scale != 1.0 else first, second)

    def get_config(self) -> dict[str, Any]:
        """Configuration."""
        return super().get_config() | {"scale": self.scale}


def transformer_layer(
    x: Any, heads: int, feed_forward: int, *, activation: str = "relu", dropout: float = 0.1, name: str
) -> Any:
    """One post-norm layer: attention + shortcut - norm - two dense layers + shortcut - norm."""
    width = x.shape[-1]
    y = keras.layers.Dropout(dropout, name=f"{name}_drop1")(attention(x, heads, name=f"{name}_attention"))
    x = Norm(name=f"{name}_norm1")(keras.layers.Add(name=f"{name}_add1")([x, y]))
    y = keras.layers.Dense(feed_forward, activation=activation, name=f"{name}_dense1")(x)
    y = keras.layers.Dense(width, name=f"{name}_dense2")(y)
    y = keras.layers.Dropout(dropout, name=f"{name}_drop2")(y)
    return Norm(name=f"{name}_norm2")(keras.layers.Add(name=f"{name}_add2")([x, y]))


@keras.saving.register_keras_serializable(package="ecgdeploy")
class MaskedFrames(keras.layers.Layer):
    """Frames [time, width], some of them replaced by one learned vector while `hidden` [batch, time] says so.

    Masked-prediction pre-training sets `hidden` around its call; without it the layer passes its input on.
    """

    hidden: Any = None

    def build(self, input_shape: Any) -> None:
        """Create the vector that stands for a hidden frame."""
        self.mask = self.add_weight(shape=(input_shape[-1],), initializer="uniform", name="mask")

    def call(self, x: Any) -> Any:
        """Hide frames."""
        if self.hidden is None:
            return x
        hidden = keras.ops.cast(self.hidden, x.dtype)[..., None]
        return x * (1 - hidden) + self.mask * hidden


@keras.saving.register_keras_serializable(package="ecgdeploy")
class ConvPositions(keras.layers.Layer):
    """Positions of wav2vec 2.0 and HuBERT: tokens plus the GELU of a long grouped convolution of them.

    Written as a matrix product over gathered frames: TensorFlow's grouped convolution has no gradient on a CPU.
    """

    def __init__(self, kernel: int = 128, groups: int = 16, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size, self.groups = kernel, groups

    def build(self, input_shape: Any) -> None:
        """Create the kernel [taps, groups, width / groups, width / groups] and bias."""
        part = input_shape[-1] // self.groups
        shape = (self.size, self.groups, part, part)
        self.kernel = self.add_weight(
            shape=shape, initializer=keras.initializers.RandomNormal(stddev=(self.size * part) ** -0.5), name="kernel"
        )
        self.bias = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="bias")

    def call(self, x: Any) -> Any:
        """Add them. An even kernel reaches half its length back and one less ahead."""
        time, width = x.shape[1:]
        left = self.size // 2
        padded = keras.ops.pad(x, ((0, 0), (left, self.size - 1 - left), (0, 0)))
        taps = np.arange(time)[:, None] + np.arange(self.size)[None]
        frames = keras.ops.take(padded, taps.reshape(-1), axis=1)
        frames = keras.ops.reshape(frames, (-1, time, self.size, self.groups, width // self.groups))
        y = keras.ops.einsum("btkgi,kgio->btgo", frames, self.kernel)
        return x + keras.ops.gelu(keras.ops.reshape(y, (-1, time, width)) + self.bias, approximate=False)

    def get_config(self) -> dict[str, Any]:
        """Configuration."""
        return super().get_config() | {"kernel": self.size, "groups": self.groups}
