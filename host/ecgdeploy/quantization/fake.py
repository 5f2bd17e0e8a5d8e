"""Layers that compute as LiteRT's int8 kernels will, but in float, so that training can see the rounding.

Activations: asymmetric, 8 bits, one scale a tensor, a range fixed beforehand. Weights: symmetric in [-127, 127], one
scale an output channel, taken from the weights themselves; the gradient passes straight through the rounding.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from ecgdeploy.quantization.fold import AVERAGING, COMPUTING, PACKAGE, Scale

#: step of the least mean square error for normally distributed weights, in standard deviations (levels -half..half)
STEPS = {2: 1.22, 3: 0.65, 4: 0.35, 5: 0.19, 6: 0.104, 7: 0.057}


def rounded(weights: Any, bits: int = 8, channel_axes: int = 1) -> Any:
    """Weights rounded to the grid of `bits` of their output channel; identity gradient.

    At 8 bits the largest weight is the largest level; at fewer, the step is what suits most of the weights.

    Parameters
    ----------
    channel_axes : int
        How many of the last axes number the output channels: 1, and 2 for a depthwise kernel [..., inputs, multiplier].
    """
    axes = tuple(range(len(weights.shape) - channel_axes))
    half = float(max((1 << (bits - 1)) - 1, 1))

    @tf.custom_gradient
    def straight(w: Any) -> Any:
        if bits == 1:
            scale = tf.maximum(tf.reduce_mean(tf.abs(w), axis=axes, keepdims=True), 1e-12)
            return tf.where(w < 0, -scale, scale), lambda upstream: upstream
        scale = tf.reduce_max(tf.abs(w), axis=axes, keepdims=True) / half
        if bits in STEPS:
            spread = tf.sqrt(tf.reduce_mean(tf.square(w), axis=axes, keepdims=True))
            scale = tf.minimum(scale, STEPS[bits] * spread)
        scale = tf.maximum(scale, 1e-12)
        return tf.clip_by_value(tf.round(w / scale), -half, half) * scale, lambda upstream: upstream

    return straight(weights)


def faked(x: Any, limits: tuple[float, float]) -> Any:
    """Activation rounded to 256 steps over `limits`, which are widened to contain zero."""
    low, high = min(limits[0], 0.0), max(limits[1], 0.0)
    return tf.quantization.fake_quant_with_min_max_args(x, low, high if high > low else low + 1e-6)


class _Ranged:
    """Mixin: an optional range for the output; without one, float. `grid` names what shares the range."""

    def __init__(self, *args: Any, limits: Any = None, grid: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limits = tuple(limits) if limits else None
        self.grid = grid

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"limits": self.limits, "grid": self.grid}  # type: ignore[misc]

    def _out(self, x: Any) -> Any:
        return faked(x, self.limits) if self.limits else x


class Weighted(_Ranged):
    """Mixin: also rounded weights."""

    channel_axes = 1

    def __init__(self, *args: Any, quantize_weights: bool = True, weight_bits: int = 8, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.quantize_weights = quantize_weights
        self.weight_bits = weight_bits

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"quantize_weights": self.quantize_weights, "weight_bits": self.weight_bits}

    def rounded_kernel(self) -> Any:
        kernel = tf.convert_to_tensor(self.kernel)  # type: ignore[attr-defined]
        return rounded(kernel, self.weight_bits, self.channel_axes) if self.quantize_weights else kernel

    def _finished(self, x: Any) -> Any:
        return self._out(self.activation(x + self.bias))  # type: ignore[attr-defined]


def _register(kind: type) -> type:
    return keras.saving.register_keras_serializable(package=PACKAGE)(kind)


@_register
class FakeConv2D(Weighted, keras.layers.Conv2D):
    """Conv2D with rounded kernel and output."""

    def call(self, inputs: Any) -> Any:
        return self._finished(
            keras.ops.conv(
                inputs, self.rounded_kernel(), self.strides, self.padding, dilation_rate=self.dilation_rate
            )
        )


@_register
class FakeDepthwiseConv2D(Weighted, keras.layers.DepthwiseConv2D):
    """DepthwiseConv2D with rounded kernel and output."""

    channel_axes = 2

    def call(self, inputs: Any) -> Any:
        return self._finished(
            keras.ops.depthwise_conv(
                inputs, self.rounded_kernel(), self.strides, self.padding, dilation_rate=self.dilation_rate
            )
        )


def _high(layer: Any, inputs: Any, convolve: Callable[..., Any]) -> Any:
    """A convolution over time [batch, time, channels] as one of height one, from kernel to rounding.

    Converter and engines have no other; with bias and ReLU inside, the file fuses them.
    """
    padding = layer.padding
    if padding == "causal":
        before = layer.dilation_rate[0] * (layer.kernel_size[0] - 1)
        inputs, padding = tf.pad(inputs, [[0, 0], [before, 0], [0, 0]]), "valid"
    stride, dilation = layer.strides[0], layer.dilation_rate[0]
    kernel = tf.expand_dims(layer.rounded_kernel(), 0)
    x = convolve(tf.expand_dims(inputs, 1), kernel, (1, stride), padding, dilation_rate=(1, dilation))
    return tf.squeeze(layer._finished(x), 1)


@_register
class FakeConv1D(Weighted, keras.layers.Conv1D):
    """Conv1D with rounded kernel and output."""

    def call(self, inputs: Any) -> Any:
        return _high(self, inputs, keras.ops.conv)


@_register
class FakeDepthwiseConv1D(Weighted, keras.layers.DepthwiseConv1D):
    """DepthwiseConv1D with rounded kernel and output."""

    channel_axes = 2

    def call(self, inputs: Any) -> Any:
        def convolve(x: Any, kernel: Any, strides: Any, padding: str, dilation_rate: Any) -> Any:
            equal = (strides[1], strides[1])  # over a height of one the first changes nothing; TensorFlow wants both
            return keras.ops.depthwise_conv(x, kernel, equal, padding, dilation_rate=dilation_rate)

        return _high(self, inputs, convolve)


@_register
class FakeDense(Weighted, keras.layers.Dense):
    """Dense with rounded kernel and output."""

    def call(self, inputs: Any, training: Any = None) -> Any:  # noqa: ARG002 - Keras' signature
        return self._finished(keras.ops.matmul(inputs, self.rounded_kernel()))


@_register
class FakeScale(Weighted, Scale):
    """Scale with rounded weights and output."""

    channel_axes = 2

    def _computed(self, flat: Any, kernel: Any) -> Any:  # noqa: ARG002 - the rounded one
        return self._out(super()._computed(flat, self.rounded_kernel()))


@_register
class Round(_Ranged, keras.layers.Layer):
    """The input as the file takes it."""

    def call(self, inputs: Any) -> Any:
        return self._out(inputs)


def _value(kind: type) -> type:
    """A layer without weights, its output rounded."""

    @functools.wraps(kind.call)  # type: ignore[attr-defined] # Keras passes what the signature names
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._out(super(twin, self).call(*args, **kwargs))

    doc = f"{kind.__name__} with rounded output."
    twin: Any = type(f"Fake{kind.__name__}", (_Ranged, kind), {"call": call, "__doc__": doc, "__module__": __name__})
    return _register(twin)


_VALUES = (*COMPUTING, *AVERAGING, keras.layers.Activation, keras.layers.Softmax, keras.layers.BatchNormalization)
#: float layer -> its rounding twin; layers that only move values need none
TWINS: dict[type, type] = {
    keras.layers.Conv1D: FakeConv1D,
    keras.layers.Conv2D: FakeConv2D,
    keras.layers.DepthwiseConv1D: FakeDepthwiseConv1D,
    keras.layers.DepthwiseConv2D: FakeDepthwiseConv2D,
    keras.layers.Dense: FakeDense,
    Scale: FakeScale,
    **{kind: _value(kind) for kind in _VALUES},
}
