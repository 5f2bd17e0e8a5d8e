"""The few layer idioms that every network here shares."""

from __future__ import annotations

from typing import Any


def time_strides(kernel: int, stride: int) -> tuple[int, int]:
    """Strides of a 1 x `kernel` convolution over an input whose height is one.

    There the first stride changes nothing. A 1 x 1 convolution with strides (1, 2) makes oneDNN (TensorFlow 2.21, CPU)
    overrun its memory in the gradient, from some 2,500 samples on; with equal strides it does not.
    """
    return (stride, stride) if kernel == 1 else (1, stride)


def conv_block(
    x: Any, filters: int, kernel: int, *, stride: int = 1, bias: bool = True, momentum: float = 0.99, name: str
) -> Any:
    """1 x `kernel` convolution, batch normalization, ReLU: in this order BN folds into the weights at conversion.

    `momentum` is batch normalization's; a run of few steps needs a smaller one than Keras' 0.99.
    """
    import keras

    x = keras.layers.Conv2D(
        filters, (1, kernel), time_strides(kernel, stride), "same", use_bias=bias, name=f"{name}_conv"
    )(x)
    x = keras.layers.BatchNormalization(momentum=momentum, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def pool(x: Any, size: int, name: str) -> Any:
    """Max pooling over time, `size` samples to one."""
    import keras

    return keras.layers.MaxPooling2D((1, size), name=name)(x)


def residual_block(
    x: Any, filters: int, kernel: int, *, stride: int = 1, momentum: float = 0.9, se_ratio: int = 0, name: str
) -> Any:
    """Two convolutions with a shortcut: conv - BN - ReLU - conv - BN (- squeeze and excitation) + shortcut - ReLU.

    The shortcut is a 1 x 1 convolution with batch normalization wherever time is halved or the width changes.
    """
    import keras

    def norm(x: Any, part: str) -> Any:
        return keras.layers.BatchNormalization(momentum=momentum, name=f"{name}_{part}_bn")(x)

    def conv(x: Any, size: int, steps: int, part: str) -> Any:
        return keras.layers.Conv2D(
            filters, (1, size), time_strides(size, steps), "same", use_bias=False, name=f"{name}_{part}"
        )(x)

    skip = x
    x = keras.layers.ReLU(name=f"{name}_relu1")(norm(conv(x, kernel, stride, "conv1"), "conv1"))
    x = norm(conv(x, kernel, 1, "conv2"), "conv2")
    if se_ratio:
        x = squeeze_excite(x, se_ratio, name=name)
    if stride > 1 or skip.shape[-1] != filters:
        skip = norm(conv(skip, 1, stride, "skip"), "skip")
    return keras.layers.ReLU(name=f"{name}_relu2")(keras.layers.Add(name=f"{name}_add")([x, skip]))


def squeeze_excite(x: Any, ratio: int, *, name: str) -> Any:
    """Scale each channel by what its mean over time suggests, without biases (Hu et al. 2018).

    1 x 1 convolutions over the mean are dense layers that need no reshape in a ``.tflite``.
    """
    import keras

    width = x.shape[-1]
    y = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    y = keras.layers.Conv2D(width // ratio, 1, use_bias=False, name=f"{name}_se1")(y)
    y = keras.layers.ReLU(name=f"{name}_se_relu")(y)
    y = keras.layers.Conv2D(width, 1, use_bias=False, name=f"{name}_se2")(y)
    y = keras.layers.Activation("sigmoid", name=f"{name}_se_gate")(y)
    return keras.layers.Multiply(name=f"{name}_scale")([x, y])


def attention_pool(x: Any, hidden: int | None, *, name: str) -> Any:
    """Mean over time, weighted by a softmax of learned scores: [1, time, width] -> [width].

    The sum is a matrix product: LiteRT's int8 SUM after a MUL is off by up to 128 steps in its reference kernels.
    """
    import keras

    _, time, width = x.shape[1:]
    y = x
    if hidden:
        y = keras.layers.Conv2D(hidden, 1, activation="tanh", name=f"{name}_hidden")(y)
    y = keras.layers.Conv2D(1, 1, name=f"{name}_score")(y)
    y = keras.layers.Reshape((1, time), name=f"{name}_scores")(y)
    y = keras.layers.Softmax(name=f"{name}_weights")(y)
    frames = keras.layers.Reshape((time, width), name=f"{name}_frames")(x)
    x = keras.layers.Dot((2, 1), name=f"{name}_sum")([y, frames])
    return keras.layers.Reshape((width,), name=f"{name}_pooled")(x)
