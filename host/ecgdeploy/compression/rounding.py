"""Rounding weights to few bits with the least harm to what the layer computes.

A weight rounded by itself costs what its error does to the output; which errors matter, the layer's inputs say. With
their second moments H = E[x x'], the weights of an output channel are rounded one after the other, and the error of
each is spread over those that are still to come so that the output changes least (Frantar et al. 2023, GPTQ: the same
update as Optimal Brain Surgeon's, solved once for all channels by a Cholesky factor of the inverse of H).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgdeploy.errors import ModelError
from ecgdeploy.graph import Graph, Operator, read_tflite
from ecgdeploy.graph.extents import leading_padding

if TYPE_CHECKING:
    from ecgdeploy.compression.bits import WeightLayer

POSITIONS = 48
"""Windows of one recording that count in the moments of a layer's inputs."""
DAMPING = 0.01
"""Part of the mean second moment that is added to each: recordings are few."""
SHARES = np.linspace(0.3, 1.0, 29)
"""Tried places of the largest level, as parts of the largest weight."""
BLOCK = 64
LARGEST = 6000
"""Inputs of one output above which the moments are not kept (their matrix has the square of it)."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a layer sees: moments of its input windows.

    Attributes
    ----------
    mean : float64 [n]
    second : float32 [n, n]
    """

    mean: np.ndarray
    second: np.ndarray

    @cached_property
    def factor(self) -> np.ndarray:
        """Upper Cholesky factor of the inverse of the damped second moments: float32 [n, n]."""
        damped = self.second.astype(np.float64)
        damped[np.diag_indices(len(damped))] += DAMPING * float(np.trace(damped)) / len(damped) + 1e-12
        return np.linalg.cholesky(np.linalg.inv(damped)).T.astype(np.float32)


def observe(
    int8: bytes, layers: Sequence[WeightLayer], calibration: Any, *, windows: int = 64, seed: int = 0
) -> dict[int, Inputs]:
    """Moments of the inputs of every layer but the depthwise ones, by operator.

    Parameters
    ----------
    calibration : CalibrationView
        Training windows; `windows` of them are drawn with `seed`.

    Raises
    ------
    DataError
        Not a `CalibrationView`.
    ModelError
        LiteRT does not run the file.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    from ecgdeploy.ecg.views import for_calibration
    from ecgdeploy.quantization.runner import quantize

    view = for_calibration(calibration)
    graph = read_tflite(int8, supported=False)
    wanted = {la.operator: la for la in layers if la.kind != "DEPTHWISE_CONV_2D" and la.weights.shape[1] <= LARGEST}
    operators = [o for o in graph.operators if o.index in wanted]
    try:
        interpreter = Interpreter(
            model_content=int8,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
            num_threads=1,
        )
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"LiteRT does not run this file: {str(error)[:120]}", "convert it again") from error
    draw = np.random.default_rng(seed)
    rows = np.sort(draw.permutation(len(view))[:windows])
    details = sorted(interpreter.get_input_details(), key=lambda d: -int(np.prod(d["shape"])))
    arrays = view.arrays(len(details))
    sums = {o.index: _Sums(wanted[o.index].weights.shape[1]) for o in operators}
    for row in rows:
        for detail, array in zip(details, arrays, strict=True):
            x = np.asarray(array[row], np.float32).reshape(detail["shape"])
            scale, zero_point = detail["quantization"]
            interpreter.set_tensor(detail["index"], quantize(x, scale, zero_point, detail["dtype"]))
        interpreter.invoke()
        for operator in operators:
            tensor = graph.tensors[operator.inputs[0]]
            assert tensor.quantization is not None
            real = interpreter.get_tensor(operator.inputs[0]).astype(np.float32) - tensor.quantization.zero_point
            sums[operator.index].add(_windows_of(graph, operator, real * np.float32(tensor.quantization.scale), draw))
    return {index: total.moments() for index, total in sums.items()}


class _Sums:
    def __init__(self, width: int) -> None:
        self.count = 0
        self.first = np.zeros(width)
        self.second = np.zeros((width, width), np.float32)

    def add(self, x: np.ndarray) -> None:
        self.count += len(x)
        self.first += x.sum(0)
        self.second += x.T @ x

    def moments(self) -> Inputs:
        return Inputs(self.first / self.count, self.second / np.float32(self.count))


def _windows_of(graph: Graph, operator: Operator, x: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Some of the windows that an operator multiplies with its weights: [at most POSITIONS, inputs of one output]."""
    if operator.kind == "FULLY_CONNECTED":
        rows = x.reshape(-1, graph.tensors[operator.inputs[1]].shape[1])
        return rows if len(rows) <= POSITIONS else rows[draw.permutation(len(rows))[:POSITIONS]]
    _, kernel_h, kernel_w, _ = graph.tensors[operator.inputs[1]].shape
    out = graph.tensors[operator.outputs[0]].shape
    o = operator.options
    steps, gaps = (o["stride_h"], o["stride_w"]), (o.get("dilation_h", 1), o.get("dilation_w", 1))
    x = x.reshape(x.shape[-3:])
    for axis, kernel in enumerate((kernel_h, kernel_w)):
        before, _ = leading_padding(x.shape[axis], kernel, steps[axis], gaps[axis], o["padding"])
        reach = (out[1 + axis] - 1) * steps[axis] + (kernel - 1) * gaps[axis] + 1
        after = max(reach - before - x.shape[axis], 0)
        widths = [(0, 0)] * 3
        widths[axis] = (before, after)
        x = np.pad(x, widths)
    places = draw.permutation(out[1] * out[2])[:POSITIONS]
    return np.stack(
        [
            x[
                row * steps[0] : row * steps[0] + (kernel_h - 1) * gaps[0] + 1 : gaps[0],
                column * steps[1] : column * steps[1] + (kernel_w - 1) * gaps[1] + 1 : gaps[1],
            ].reshape(-1)
            for row, column in zip(*np.divmod(places, out[2]), strict=True)
        ]
    )


def best_scales(weights: np.ndarray, half: int, single: bool, sign_only: bool, inputs: Inputs | None) -> np.ndarray:
    """The scale of each row (or, `single`, of all) whose rounding adds the least energy to the output: float32."""
    weight = np.ones(weights.shape[1], np.float32) if inputs is None else np.diag(inputs.second) + np.float32(1e-12)
    if sign_only:
        means = np.abs(weights).mean() if single else np.abs(weights).mean(1)
        return np.maximum(np.atleast_1d(means), 1e-9).astype(np.float32)
    tops = np.abs(weights).max(1)
    tops = np.maximum(np.full(1, tops.max()) if single else tops, 1e-9)
    best, least = tops / half, np.full(len(tops), np.inf)
    for share in SHARES if half < 127 else (1.0,):
        scales = (tops * share / half).astype(np.float32)
        steps = scales.reshape(-1, 1)
        wrong = weights - np.clip(np.round(weights / steps), -half, half) * steps
        cost = (wrong * wrong * weight).sum(1)
        cost = np.atleast_1d(cost.sum()) if single else cost
        better = cost < least
        best, least = np.where(better, scales, best), np.where(better, cost, least)
    return best.astype(np.float32)


def round_weights(
    weights: np.ndarray, scales: np.ndarray, half: int, sign_only: bool, inputs: Inputs | None
) -> np.ndarray:
    """Weights as multiples of their scale within -half..half, float32 [outputs, n]."""
    steps = scales.reshape(-1, 1).astype(np.float32)

    def level(w: np.ndarray, s: np.ndarray) -> np.ndarray:
        return np.where(w < 0, -1.0, 1.0) if sign_only else np.clip(np.round(w / s), -half, half)

    if inputs is None:
        return level(weights, steps).astype(np.float32)
    upper = inputs.factor
    left = weights.astype(np.float32).copy()
    result = np.zeros_like(left)
    count = left.shape[1]
    for start in range(0, count, BLOCK):
        end = min(start + BLOCK, count)
        errors = np.zeros((len(left), end - start), np.float32)
        for i in range(start, end):
            chosen = level(left[:, i : i + 1], steps)
            result[:, i : i + 1] = chosen
            errors[:, i - start] = (left[:, i] - (chosen * steps)[:, 0]) / upper[i, i]
            left[:, i + 1 : end] -= errors[:, i - start, None] * upper[i, i + 1 : end]
        left[:, end:] -= errors @ upper[start:end, end:]
    return result
