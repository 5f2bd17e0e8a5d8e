"""Weights of fewer than 8 bits after training: an int8 file whose weights lie on grids of 1 to 8 bits.

The file stays an ordinary full-integer ``.tflite``: each weight is an int8 number within ``-(2**(b-1) - 1) ..
2**(b-1) - 1``, with a scale of its own for each output channel. LiteRT and TFLM run it as any other and store a byte a
weight; the static engine keeps ``b`` bits a weight in flash (`ecgdeploy.codegen.subbyte`), with the same results. One
bit is the sign alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecgdeploy.compression.rounding import Inputs, best_scales, round_weights
from ecgdeploy.errors import ModelError, UsageError
from ecgdeploy.graph import Graph, read_tflite

WIDTHS = tuple(range(1, 9))
KINDS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
"""Operators with weights, and the axis of their output channels."""


def half_range(bits: int) -> int:
    """Largest int8 weight at `bits`.

    Raises
    ------
    UsageError
        Not 1 to 8 bits.
    """
    if bits not in WIDTHS:
        raise UsageError(f"weights of {bits} bits: the static engine has 1 to 8", "choose --bits 1 to 8, or auto")
    return max((1 << (bits - 1)) - 1, 1)


@dataclass(frozen=True, eq=False)
class WeightLayer:
    """One layer's weights.

    Attributes
    ----------
    operator : int
        Place in the file.
    kind, name : str
    tensor, bias : int
        Tensors of the file; bias -1 where there is none.
    weights : float32 [outputs, inputs of one output]
        In the order of the file for a convolution (taps, channels); a depthwise one has its taps.
    scales : float32 [1] or [outputs]
        Of the int8 file.
    bias_values : float64 [outputs]
    input_scale : float
    """

    operator: int
    kind: str
    name: str
    tensor: int
    bias: int
    weights: np.ndarray
    scales: np.ndarray
    bias_values: np.ndarray
    input_scale: float

    @property
    def count(self) -> int:
        """Number of weights."""
        return int(self.weights.size)


@dataclass(frozen=True, eq=False)
class Rounded:
    """A layer's weights on a grid.

    Attributes
    ----------
    bits : int
    values : int8 [outputs, inputs of one output]
    scales : float32 [1] or [outputs]
    bias_values : float64 [outputs]
        Corrected by the mean error that the rounding makes.
    error : float
        Energy of the output's error over that of the output, without its bias.
    """

    bits: int
    values: np.ndarray
    scales: np.ndarray
    bias_values: np.ndarray
    error: float


def weight_layers(int8: bytes, float32: bytes | None = None) -> tuple[WeightLayer, ...]:
    """The layers of a full-integer file whose weights can be kept in fewer bits.

    Parameters
    ----------
    float32 : the same model's float32 file: its weights are used where they are those of the int8 file; else the int8
        weights times their scales

    Raises
    ------
    ModelError
        No such layer, or weights that are not int8.
    """
    graph = read_tflite(int8, supported=False)
    found = []
    for operator in graph.operators:
        axis = KINDS.get(operator.kind)
        w = graph.tensors[operator.inputs[1]] if axis is not None else None
        if axis is None or w is None or w.data is None:
            continue
        x = graph.tensors[operator.inputs[0]]
        if w.dtype != "int8" or w.quantization is None or x.quantization is None or x.dtype != "int8":
            raise ModelError(
                f"{operator}: weights {w.dtype} with inputs {x.dtype} cannot be kept in fewer bits",
                "quantize to int8 first",
            )
        scales = np.asarray(w.quantization.scales, np.float32)
        rows = _rows(w.data, operator.kind)
        bias = operator.inputs[2] if len(operator.inputs) > 2 else -1
        values = np.zeros(len(rows))
        if bias >= 0:
            content = graph.tensors[bias].data
            assert content is not None
            values = content.reshape(-1).astype(np.float64) * scales.astype(np.float64) * x.quantization.scale
        found.append(
            WeightLayer(
                operator.index, operator.kind, short(w.name), w.index, bias,
                rows.astype(np.float32) * scales.reshape(-1, 1), scales, values, x.quantization.scale,
            )
        )  # fmt: skip
    if not found:
        raise ModelError(f"{graph.name}: no layer with int8 weights", "quantize to int8 first")
    return tuple(found) if float32 is None else _with_float_weights(found, read_tflite(float32, supported=False))


def short(name: str) -> str:
    """The shortest of the names that the converter joins, without what is the same everywhere."""
    return min(name.split(";"), key=len).rsplit("/", 1)[0].rsplit("/", 1)[-1] or name


def _rows(data: np.ndarray, kind: str) -> np.ndarray:
    return data.reshape(-1, data.shape[-1]).T if kind == "DEPTHWISE_CONV_2D" else data.reshape(len(data), -1)


def _with_float_weights(layers: list[WeightLayer], graph: Graph) -> tuple[WeightLayer, ...]:
    """Layers with the float file's weights, each where it is within half a step of the int8 ones."""
    from dataclasses import replace

    theirs: list[np.ndarray] = []
    for operator in graph.operators:
        w = graph.tensors[operator.inputs[1]].data if operator.kind in KINDS else None
        if w is not None and w.dtype == np.float32:
            theirs.append(_rows(w, operator.kind))
    result = []
    for layer in layers:
        match = next(
            (
                w
                for w in theirs
                if w.shape == layer.weights.shape
                and np.all(np.abs(w - layer.weights) <= 0.51 * layer.scales.reshape(-1, 1) + 1e-9)
            ),
            None,
        )
        result.append(layer if match is None else replace(layer, weights=match))
    return tuple(result)


def round_layer(layer: WeightLayer, bits: int, inputs: Inputs | None = None) -> Rounded:
    """The layer's weights on the grid of `bits`.

    Parameters
    ----------
    inputs : what the layer sees (`ecgdeploy.compression.rounding.observe`); with it, the error of each rounded weight
        is taken up by the weights that are still to be rounded, and the mean error by the bias
    """
    half = half_range(bits)
    scales = best_scales(layer.weights, half, len(layer.scales) == 1, bits == 1, inputs)
    values = round_weights(layer.weights, scales, half, bits == 1, inputs)
    wrong = layer.weights - values.astype(np.float32) * scales.reshape(-1, 1)
    bias = layer.bias_values
    if inputs is not None and layer.bias >= 0:
        bias = bias + wrong.astype(np.float64) @ inputs.mean
    return Rounded(bits, values.astype(np.int8), scales, bias, energy_ratio(wrong, layer.weights, inputs))


def energy_ratio(wrong: np.ndarray, weights: np.ndarray, inputs: Inputs | None) -> float:
    """Energy that `wrong` weights add to the output over that of the output."""

    def energy(w: np.ndarray) -> float:
        return float(np.sum(w * w) if inputs is None else np.sum((w @ inputs.second) * w))

    return energy(wrong) / max(energy(weights), 1e-30)


def with_weights(int8: bytes, layers: Sequence[WeightLayer], rounded: Mapping[int, Rounded]) -> bytes:
    """The file with the weights, scales and biases of the `rounded` operators."""
    from ai_edge_litert import schema_py_generated as schema

    from ecgdeploy.graph.rewrite import pack, prune, unpack

    model = unpack(int8)
    tensors = model.subgraphs[0].tensors

    def store(tensor: Any, content: np.ndarray, scales: np.ndarray) -> None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(content).tobytes(), np.uint8)
        model.buffers.append(buffer)  # buffers may be shared: the old one stays as it is
        tensor.buffer = len(model.buffers) - 1
        tensor.quantization.scale = np.asarray(scales, np.float32)
        tensor.quantization.zeroPoint = np.zeros(len(scales), np.int64)

    for layer in layers:
        new = rounded.get(layer.operator)
        if new is None:
            continue
        weights = tensors[layer.tensor]
        shape = tuple(int(n) for n in weights.shape)
        values = new.values.T if layer.kind == "DEPTHWISE_CONV_2D" else new.values
        store(weights, values.reshape(shape), new.scales)
        if layer.bias >= 0:
            steps = new.scales.astype(np.float64) * layer.input_scale
            info = np.iinfo(np.int32)
            bias = np.clip(np.round(new.bias_values / steps), info.min, info.max).astype(np.int32)
            store(tensors[layer.bias], bias, steps.astype(np.float32))
    prune(model)
    return pack(model)
