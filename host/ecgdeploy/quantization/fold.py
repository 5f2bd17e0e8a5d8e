"""The network that an int8 file is made of: batch normalization in the weights, every activation where kernels have it.

What training saw and what the file computes can only be the same when both are made of the same steps. So a trained
model is first written as those steps, in float: convolutions and dense layers with bias and at most a ReLU, other
activations as layers of their own, additions of two. Layers that have no such form are refused by name.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ecgdeploy.errors import ModelError

PACKAGE = "ecgdeploy"
_L = keras.layers

#: layers with weights
WEIGHTED = (_L.Conv1D, _L.Conv2D, _L.DepthwiseConv1D, _L.DepthwiseConv2D, _L.Dense)
SEPARABLE = (_L.SeparableConv1D, _L.SeparableConv2D)
#: layers that compute new values from others, rounded anew
COMPUTING = (
    _L.Add, _L.Multiply, _L.Dot, _L.GlobalAveragePooling1D, _L.GlobalAveragePooling2D, _L.ReLU, _L.LeakyReLU,
)  # fmt: skip
#: layers whose output has the input's scale: int8 kernels only move its values, or average them on the same grid
AVERAGING = (_L.AveragePooling1D, _L.AveragePooling2D)
MOVING = (
    _L.MaxPooling1D, _L.MaxPooling2D, _L.GlobalMaxPooling1D, _L.GlobalMaxPooling2D, _L.Flatten, _L.Reshape, _L.Permute,
    _L.ZeroPadding1D, _L.ZeroPadding2D, _L.Concatenate, *AVERAGING,
)  # fmt: skip
#: layers that only training knows
IDLE = (_L.Dropout, _L.SpatialDropout1D, _L.SpatialDropout2D, _L.GaussianNoise, _L.ActivityRegularization)
#: activations with a kernel of their own, and the range that int8 kernels fix for their output
FIXED = {"sigmoid": (0.0, 255 / 256), "softmax": (0.0, 255 / 256), "tanh": (-1.0, 127 / 128)}
HINT = "quantize after training (int8), or write the layer with convolution, dense, ReLU, pooling, add"


@keras.saving.register_keras_serializable(package=PACKAGE)
class Scale(keras.layers.Layer):
    """Each channel times a weight plus a bias, then perhaps ReLU: a batch normalization that no convolution precedes.

    Computed as a depthwise convolution of one tap, which int8 kernels round once.
    """

    def __init__(self, activation: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)

    def build(self, shape: Any) -> None:
        """One weight and one bias a channel."""
        self.kernel = self.add_weight(shape=(shape[-1], 1), name="kernel", initializer="ones")
        self.bias = self.add_weight(shape=(shape[-1],), name="bias", initializer="zeros")

    def get_config(self) -> dict[str, Any]:
        """Keras' configuration."""
        return super().get_config() | {"activation": keras.activations.serialize(self.activation)}

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:  # noqa: ARG002 - as a norm is called
        """Inputs [batch, ..., channels] of any rank."""
        flat = keras.ops.reshape(inputs, (-1, 1, int(np.prod(inputs.shape[1:-1])), inputs.shape[-1]))
        return keras.ops.reshape(self._computed(flat, self.kernel), (-1, *inputs.shape[1:]))

    def _computed(self, flat: Any, kernel: Any) -> Any:
        kernel = tf.reshape(tf.convert_to_tensor(kernel), (1, 1, -1, 1))
        x = tf.nn.depthwise_conv2d(flat, kernel, [1, 1, 1, 1], "SAME")
        return self.activation(tf.nn.bias_add(x, tf.convert_to_tensor(self.bias)))


def function_of(layer: Any) -> str:
    """Name of a layer's activation; ``relu``, ``softmax`` ... for the layers that are one; ``linear`` for none."""
    if isinstance(layer, _L.Softmax):
        return "softmax"
    if isinstance(layer, _L.ReLU):
        plain = not layer.negative_slope and not layer.threshold
        limit = None if layer.max_value is None else float(layer.max_value)
        return {None: "relu", 6.0: "relu6"}.get(limit, "other") if plain else "other"
    return getattr(getattr(layer, "activation", None), "__name__", "linear")


def consumers(model: Any) -> dict[str, list[Any]]:
    """Layers that read each layer's output, by the producer's name.

    Raises
    ------
    ModelError
        Something in the model is no layer, or a layer is used more than once.
    """
    found: dict[str, list[Any]] = {layer.name: [] for layer in model.layers}
    for layer in model.layers:
        if len(layer._inbound_nodes) != 1:
            uses = len(layer._inbound_nodes)
            raise ModelError(f"{model.name}: layer {layer.name} is used {uses} times", "QAT takes each layer once")
        for tensor in layer._inbound_nodes[0].input_tensors:
            producer = tensor._keras_history.operation.name
            if producer not in found:
                raise ModelError(f"{model.name}: {producer} is no layer", "QAT takes models of layers only")
            found[producer].append(layer)
    return found


def outputs_of(model: Any) -> set[str]:
    """Names of the layers that give the model's outputs."""
    return {tensor._keras_history.operation.name for tensor in model.outputs}


def folded(model: Any, *, norms: bool = True) -> Any:
    """The same network in float, of the steps that int8 kernels take, with weights of its own.

    Parameters
    ----------
    norms : bool
        Fold batch normalizations into weights; False only to show what leaving them costs.

    Raises
    ------
    ModelError
        A layer that has no form in int8, or that is used twice: named.
    """
    readers, ends = consumers(model), outputs_of(model)
    norm_of: dict[str, Any] = {}
    relu_of: dict[str, str] = {}
    absorbed: set[str] = set()

    def next_of(layer: Any) -> Any:
        """The one layer that reads this one, if it is the only one."""
        return readers[layer.name][0] if len(readers[layer.name]) == 1 and layer.name not in ends else None

    for layer in model.layers:
        _known(model, layer)
        alone = norms and isinstance(layer, _L.BatchNormalization) and layer.name not in absorbed
        if not alone and not (isinstance(layer, (*WEIGHTED, *SEPARABLE)) and function_of(layer) == "linear"):
            continue
        last, after = layer, next_of(layer)
        if norms and not alone and isinstance(after, _L.BatchNormalization):
            norm_of[layer.name] = after
            absorbed.add(after.name)
            last, after = after, next_of(after)
        if isinstance(after, (_L.ReLU, _L.Activation)) and function_of(after) in ("relu", "relu6"):
            if isinstance(last, _L.BatchNormalization) and not norms:
                continue
            relu_of[layer.name] = function_of(after)
            absorbed.add(after.name)

    def step(layer: Any) -> Any:
        name, config = layer.name, layer.get_config()
        if isinstance(layer, SEPARABLE):
            return _Pair(layer, relu_of.get(name))
        if isinstance(layer, _L.BatchNormalization) and norms and name not in absorbed:
            return Scale(activation=relu_of.get(name), name=name)
        if isinstance(layer, WEIGHTED):
            own = function_of(layer)
            config |= {"use_bias": True, "activation": relu_of.get(name, own if own.startswith("relu") else None)}
            for key in list(config):
                if key.endswith(("_regularizer", "_constraint")):
                    config[key] = None
        elif isinstance(layer, _L.Activation) and function_of(layer).startswith("relu") and name not in absorbed:
            return _L.ReLU(6.0 if function_of(layer) == "relu6" else None, name=name)
        return layer.__class__.from_config(config)

    def called(new: Any, *args: Any, **kwargs: Any) -> Any:
        if new.name in absorbed or (isinstance(new, _L.Activation) and function_of(new) == "linear"):
            return args[0]
        if isinstance(new, (_L.Add, _L.Multiply)) and len(args[0]) > 2:  # a kernel takes two
            first, *others, last = args[0]
            for number, other in enumerate(others, start=2):
                first = new.__class__(name=f"{new.name}_{number}")([first, other])
            return new([first, last])
        result = new(*args, **kwargs)
        own = function_of(model.get_layer(new.name)) if new.name in split else "linear"
        if own == "softmax":
            return _L.Softmax(name=f"{new.name}_softmax")(result)
        return result if own == "linear" else _L.Activation(own, name=f"{new.name}_{own}")(result)

    split = {la.name for la in model.layers if isinstance(la, (*WEIGHTED, *SEPARABLE)) and function_of(la) in FIXED}
    clone = keras.models.clone_model(model, clone_function=step, call_function=called)
    for layer in model.layers:
        norm = norm_of.get(layer.name)
        if isinstance(layer, SEPARABLE):
            names = _Pair.names(layer)
            depth, point, *bias = layer.get_weights()
            zeros = np.zeros(depth.shape[-2] * depth.shape[-1], np.float32)
            clone.get_layer(names[0]).set_weights([depth, zeros])
            clone.get_layer(names[1]).set_weights(_with_norm(point, bias[0] if bias else None, norm, False))
        elif isinstance(layer, WEIGHTED):
            depthwise = isinstance(layer, (_L.DepthwiseConv1D, _L.DepthwiseConv2D))
            bias = np.asarray(layer.bias) if layer.use_bias else None
            clone.get_layer(layer.name).set_weights(_with_norm(np.asarray(layer.kernel), bias, norm, depthwise))
        elif isinstance(layer, _L.BatchNormalization) and not norms:
            clone.get_layer(layer.name).set_weights(layer.get_weights())
        elif isinstance(layer, _L.BatchNormalization) and layer.name not in absorbed:
            factor, offset = _factor(layer)
            clone.get_layer(layer.name).set_weights([factor[:, None], offset])
    return clone


def _known(model: Any, layer: Any) -> None:
    """Refuse a layer that has no int8 form here.

    Raises
    ------
    ModelError
    """
    function = function_of(layer)
    kinds = (*WEIGHTED, *SEPARABLE, *COMPUTING, *MOVING, *IDLE, _L.BatchNormalization, _L.InputLayer, _L.Softmax)
    named = f"{model.name}: layer {layer.name} ({type(layer).__name__}) "
    if type(layer) not in (*kinds, _L.Activation):  # a class of one's own may compute anything
        raise ModelError(named + "has no quantization-aware twin", HINT)
    if function not in ("linear", "relu", "relu6", *FIXED):
        raise ModelError(named + f"has an activation without quantization-aware twin, {function}", HINT)
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise ModelError(named + "has its channels first", "quantization-aware training takes channels last")
    if isinstance(layer, _L.Softmax) and _last_axis(layer.axis) not in (-1, len(layer.output.shape) - 1):
        raise ModelError(named + "is over another axis than the last", "put a Permute before it")
    if isinstance(layer, _L.BatchNormalization) and _last_axis(layer.axis) not in (-1, len(layer.output.shape) - 1):
        raise ModelError(named + "is over another axis than the last", HINT)


def _last_axis(axis: Any) -> int:
    return int(np.ravel(axis)[-1])


class _Pair:
    """A separable convolution as its two convolutions."""

    def __init__(self, layer: Any, relu: str | None) -> None:
        config, names = layer.get_config(), self.names(layer)
        flat = isinstance(layer, _L.SeparableConv1D)
        shared = {key: config[key] for key in ("strides", "padding", "dilation_rate")}
        depth, point = (_L.DepthwiseConv1D, _L.Conv1D) if flat else (_L.DepthwiseConv2D, _L.Conv2D)
        own = function_of(layer)
        activation = relu or (own if own.startswith("relu") else None)
        self.name = layer.name
        self.depth = depth(config["kernel_size"], depth_multiplier=config["depth_multiplier"], name=names[0], **shared)
        self.point = point(config["filters"], 1, activation=activation, name=names[1])

    @staticmethod
    def names(layer: Any) -> tuple[str, str]:
        """Names of the two."""
        return f"{layer.name}_depthwise", layer.name

    def __call__(self, x: Any) -> Any:
        return self.point(self.depth(x))


def _factor(norm: Any) -> tuple[np.ndarray, np.ndarray]:
    """What a batch normalization multiplies each channel with, and adds to it."""
    mean, variance = np.asarray(norm.moving_mean), np.asarray(norm.moving_variance)
    gamma = np.asarray(norm.gamma) if norm.scale else np.ones_like(variance)
    beta = np.asarray(norm.beta) if norm.center else np.zeros_like(mean)
    factor = gamma / np.sqrt(variance + norm.epsilon)
    return factor, beta - mean * factor


def _with_norm(kernel: np.ndarray, bias: np.ndarray | None, norm: Any, depthwise: bool) -> list[np.ndarray]:
    """Kernel and bias with the batch normalization behind them, if any, folded in."""
    width = kernel.shape[-1] * kernel.shape[-2] if depthwise else kernel.shape[-1]
    bias = np.zeros(width, np.float32) if bias is None else bias
    if norm is not None:
        factor, offset = _factor(norm)
        kernel = kernel * (factor.reshape(kernel.shape[-2:]) if depthwise else factor)
        bias = bias * factor + offset
    return [kernel.astype(np.float32), bias.astype(np.float32)]
