"""Which channels of a network hang together: the map that removing a channel needs.

Every value of a tensor's last axis gets a number. Layers that act on each channel alone hand the numbers on; an
addition or a gate (residual and squeeze-and-excitation connections) ties the numbers of its operands together. A tied
set goes or stays as a whole. What a layer does that is not known here keeps its channels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ecgdeploy.errors import ModelError


@dataclass
class Channels:
    """The map of one network.

    Attributes
    ----------
    outputs, inputs : dict
        Layer name -> number of every channel of its output, and of its first input.
    producers : dict
        Layers that make new channels (convolutions, dense layers) -> numbers of these.
    """

    outputs: dict[str, np.ndarray] = field(default_factory=dict)
    inputs: dict[str, np.ndarray] = field(default_factory=dict)
    producers: dict[str, np.ndarray] = field(default_factory=dict)
    parent: list[int] = field(default_factory=list)
    fixed: set[int] = field(default_factory=set)

    def new(self, count: int, *, fixed: bool = False) -> np.ndarray:
        """`count` new numbers."""
        start = len(self.parent)
        made = np.arange(start, start + count)
        self.parent.extend(made.tolist())
        if fixed:
            self.fixed.update(made.tolist())
        return made

    def root(self, number: int) -> int:
        """The number that stands for its tied set."""
        while self.parent[number] != number:
            self.parent[number] = self.parent[self.parent[number]]
            number = self.parent[number]
        return number

    def roots(self, numbers: np.ndarray) -> np.ndarray:
        """`root` of each."""
        return np.array([self.root(int(number)) for number in numbers], np.int64)

    def tie(self, first: np.ndarray, second: np.ndarray) -> None:
        """Tie two lists of numbers, one by one."""
        for a, b in zip(first.tolist(), second.tolist(), strict=True):
            a, b = self.root(a), self.root(b)
            if a != b:
                self.parent[max(a, b)] = min(a, b)

    def keep(self, numbers: np.ndarray) -> None:
        """Channels that must stay."""
        self.fixed.update(numbers.tolist())

    def removable(self) -> list[int]:
        """Roots of the sets that may go, in the network's order."""
        fixed = {self.root(number) for number in self.fixed}
        made = dict.fromkeys(int(r) for numbers in self.producers.values() for r in self.roots(numbers))
        return [root for root in made if root not in fixed]


def channels(model: Any) -> Channels:
    """Map the channels of a functional Keras network.

    Raises
    ------
    ModelError
        A layer that is used more than once.
    """
    import keras

    found = Channels()
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            found.outputs[layer.name] = found.new(layer.output.shape[-1], fixed=True)
            continue
        if len(layer._inbound_nodes) != 1:
            raise ModelError(
                f"{model.name}: layer {layer.name} is used {len(layer._inbound_nodes)} times",
                "structured pruning takes networks whose layers are used once",
            )
        tensors = layer._inbound_nodes[0].input_tensors
        operands = [found.outputs[tensor._keras_history.operation.name] for tensor in tensors]
        found.inputs[layer.name] = operands[0]
        found.outputs[layer.name] = _through(layer, operands, found)
    for tensor in model.outputs:
        found.keep(found.outputs[tensor._keras_history.operation.name])
    return found


def _through(layer: Any, operands: list[np.ndarray], found: Channels) -> np.ndarray:
    """Numbers of a layer's output from those of its inputs."""
    import keras

    kinds = keras.layers
    first, width = operands[0], layer.output.shape[-1]
    # a softmax weighs each channel against all others: none can go alone
    apart = getattr(getattr(layer, "activation", None), "__name__", "") != "softmax"
    if isinstance(layer, (kinds.DepthwiseConv1D, kinds.DepthwiseConv2D)):
        if layer.depth_multiplier == 1 and apart:
            return first
    elif (isinstance(layer, (kinds.Conv1D, kinds.Conv2D)) and layer.groups == 1) or isinstance(layer, kinds.Dense):
        found.producers[layer.name] = found.new(width, fixed=not apart)
        return found.producers[layer.name]
    elif isinstance(layer, (kinds.Add, kinds.Multiply)):
        if all(len(operand) == width for operand in operands):
            for other in operands[1:]:
                found.tie(first, other)
            return first
    elif isinstance(layer, kinds.Concatenate) and layer.axis in (-1, len(layer.output.shape) - 1):
        return np.concatenate(operands)
    elif isinstance(layer, kinds.Flatten):
        return np.tile(first, width // len(first))
    elif isinstance(layer, kinds.Reshape):
        if width == len(first):
            return first
    elif isinstance(layer, kinds.Dot) and tuple(np.ravel(layer.axes)) == (2, 1):
        found.keep(first)
        return operands[1]
    elif isinstance(layer, (kinds.LSTM, kinds.Bidirectional)):
        return found.new(width, fixed=True)
    elif isinstance(layer, _each_channel_alone()) and apart:
        return first
    for operand in operands:
        found.keep(operand)
    return found.new(width, fixed=True)


def _each_channel_alone() -> tuple[type, ...]:
    import keras

    kinds = keras.layers
    return (
        kinds.BatchNormalization,
        kinds.ReLU,
        kinds.Activation,
        kinds.LeakyReLU,
        kinds.Dropout,
        kinds.SpatialDropout1D,
        kinds.SpatialDropout2D,
        kinds.MaxPooling1D,
        kinds.MaxPooling2D,
        kinds.AveragePooling1D,
        kinds.AveragePooling2D,
        kinds.GlobalAveragePooling2D,
        kinds.GlobalMaxPooling2D,
        kinds.GlobalAveragePooling1D,
        kinds.GlobalMaxPooling1D,
        kinds.ZeroPadding1D,
        kinds.ZeroPadding2D,
    )
