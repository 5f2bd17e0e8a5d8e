"""What compression must know of a Keras network: which weights may be pruned, and what each layer costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ecgdeploy.errors import ModelError


@dataclass(frozen=True)
class Weights:
    """One weight matrix.

    Attributes
    ----------
    path : str
        Keras' path of the variable, ``block1_conv/kernel``; what a mask is keyed by.
    layer : str
    variable : keras.Variable
    macs : int
        Multiply-accumulates that it takes part in, of one inference.
    kind : {"conv", "dense", "lstm"}
    """

    path: str
    layer: str
    variable: Any
    macs: int
    kind: str = "dense"

    @property
    def values(self) -> np.ndarray:
        """The weights."""
        return np.asarray(self.variable)

    @property
    def size(self) -> int:
        """Number of weights."""
        return int(np.prod(self.variable.shape))


def matrices(model: Any) -> list[Weights]:
    """Every weight matrix of convolutions, dense and LSTM layers, in the network's order; no biases, no norms.

    Raises
    ------
    ModelError
        A network without any.
    """
    import keras

    kinds = keras.layers
    found = []
    for layer in model.layers:
        if isinstance(layer, (kinds.Conv1D, kinds.Conv2D, kinds.DepthwiseConv1D, kinds.DepthwiseConv2D, kinds.Dense)):
            size = int(np.prod(layer.kernel.shape))
            kind = "dense" if isinstance(layer, kinds.Dense) else "conv"
            found.append(Weights(layer.kernel.path, layer.name, layer.kernel, size * _positions(layer), kind))
        elif isinstance(layer, (kinds.Bidirectional, kinds.LSTM)):
            steps = layer.input.shape[1]
            for variable in layer.trainable_variables:
                if len(variable.shape) == 2:
                    count = int(np.prod(variable.shape)) * steps
                    found.append(Weights(variable.path, layer.name, variable, count, "lstm"))
    if not found:
        raise ModelError(f"{model.name}: no convolution, dense or LSTM layer to prune", "give a trained network")
    return found


def _positions(layer: Any) -> int:
    """How often a layer's whole kernel is used in one inference."""
    return int(np.prod(layer.output.shape[1:-1]))  # of no axes: 1


def macs(model: Any) -> int:
    """Multiply-accumulates of one inference in the weight matrices."""
    return sum(weights.macs for weights in matrices(model))


def nonzero_macs(model: Any) -> int:
    """The same, without those whose weight is zero: what the paper counts as FLOPs saved by unstructured pruning."""
    return sum(round(w.macs * np.count_nonzero(w.values) / w.size) for w in matrices(model))


def nonzero_parameters(model: Any) -> int:
    """Trainable parameters that are not zero; biases and norms all count."""
    total = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    return total - sum(w.size - int(np.count_nonzero(w.values)) for w in matrices(model))
