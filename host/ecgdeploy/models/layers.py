"""The few layer idioms that every network here shares."""

from __future__ import annotations

from typing import Any


def conv_block(
    x: Any, filters: int, kernel: int, *, stride: int = 1, bias: bool = True, momentum: float = 0.99, name: str
) -> Any:
    """1 x `kernel` convolution, batch normalization, ReLU: in this order BN folds into the weights at conversion.

    `momentum` is batch normalization's; a run of few steps needs a smaller one than Keras' 0.99.
    """
    import keras

    x = keras.layers.Conv2D(
        filters, (1, kernel), strides=(1, stride), padding="same", use_bias=bias, name=f"{name}_conv"
    )(x)
    x = keras.layers.BatchNormalization(momentum=momentum, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def pool(x: Any, size: int, name: str) -> Any:
    """Max pooling over time, `size` samples to one."""
    import keras

    return keras.layers.MaxPooling2D((1, size), name=name)(x)
