"""Layers that compute as LiteRT's int8 kernels will, but in float, so that training can see the rounding.

Activations: asymmetric, 8 bits, one scale a tensor, a range fixed beforehand. Weights: symmetric in [-127, 127], one
scale an output channel, taken from the weights themselves; the gradient passes straight through the rounding.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

PACKAGE = "ecgdeploy"


#: step of the least mean square error for normally distributed weights, in standard deviations (levels -half..half)
STEPS = {2: 1.22, 3: 0.65, 4: 0.35, 5: 0.19, 6: 0.104, 7: 0.057}


def rounded(weights: Any, bits: int = 8) -> Any:
    """Weights rounded to the grid of `bits` of their output channel (the last axis); identity gradient.

    At 8 bits the largest weight is the largest level; at fewer, the step is what suits most of the weights.
    """
    axes = tuple(range(len(weights.shape) - 1))
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
    """Mixin: an optional range for the input and one for the output; without one, float."""

    def __init__(
        self,
        *args: Any,
        limits: Any = None,
        input_limits: Any = None,
        quantize_weights: bool = True,
        weight_bits: int = 8,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.limits = tuple(limits) if limits else None
        self.input_limits = tuple(input_limits) if input_limits else None
        self.quantize_weights = quantize_weights
        self.weight_bits = weight_bits

    def get_config(self) -> dict[str, Any]:
        own = {
            "limits": self.limits,
            "input_limits": self.input_limits,
            "quantize_weights": self.quantize_weights,
            "weight_bits": self.weight_bits,
        }
        return super().get_config() | own  # type: ignore[misc]

    def _in(self, x: Any) -> Any:
        return faked(x, self.input_limits) if self.input_limits else x

    def _out(self, x: Any) -> Any:
        return faked(x, self.limits) if self.limits else x

    def _weights(self, weights: Any) -> Any:
        weights = tf.convert_to_tensor(weights)
        return rounded(weights, self.weight_bits) if self.quantize_weights else weights


@keras.saving.register_keras_serializable(package=PACKAGE)
class FakeConv2D(_Ranged, keras.layers.Conv2D):
    """Conv2D (its batch normalization folded in) with rounded kernel and output."""

    def call(self, inputs: Any) -> Any:
        x = keras.ops.conv(
            self._in(inputs), self._weights(self.kernel), strides=list(self.strides), padding=self.padding
        )
        return self._out(self.activation(x + self.bias))


@keras.saving.register_keras_serializable(package=PACKAGE)
class FakeDense(_Ranged, keras.layers.Dense):
    """Dense with rounded kernel and output."""

    def call(self, inputs: Any, training: Any = None) -> Any:  # noqa: ARG002 - Keras' signature
        x = keras.ops.matmul(self._in(inputs), self._weights(self.kernel))
        return self._out(self.activation(x + self.bias))


@keras.saving.register_keras_serializable(package=PACKAGE)
class FakeReLU(_Ranged, keras.layers.ReLU):
    """ReLU with rounded output."""

    def call(self, inputs: Any) -> Any:
        return self._out(super().call(inputs))


@keras.saving.register_keras_serializable(package=PACKAGE)
class FakeMean(_Ranged, keras.layers.GlobalAveragePooling2D):
    """Mean over time with rounded output."""

    def call(self, inputs: Any) -> Any:
        return self._out(super().call(inputs))


@keras.saving.register_keras_serializable(package=PACKAGE)
class FakeAdd(_Ranged, keras.layers.Add):
    """Addition with rounded output."""

    def call(self, inputs: Any) -> Any:
        return self._out(super().call(inputs))


@keras.saving.register_keras_serializable(package=PACKAGE)
class Folded(_Ranged, keras.layers.Layer):
    """Where a batch normalization was: it is in the weights of the layer before; rounds where no ReLU follows."""

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:  # noqa: ARG002 - as it was called
        return self._out(inputs)


#: float layer -> its rounding twin; layers that only move values (pooling, reshape) need none
TWINS: dict[type, type] = {
    keras.layers.Conv2D: FakeConv2D,
    keras.layers.Dense: FakeDense,
    keras.layers.ReLU: FakeReLU,
    keras.layers.GlobalAveragePooling2D: FakeMean,
    keras.layers.Add: FakeAdd,
}
PASSING = (keras.layers.MaxPooling2D, keras.layers.Dropout, keras.layers.Softmax, keras.layers.Activation)
