"""Work of stages that only 16-bit activations have (see `ecgdeploy.codegen.ir`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rescale:
    """Requantization of 16-bit values: by one multiplier and shift where they are positive, by another below 0."""

    multipliers: tuple[int, int]
    shifts: tuple[int, int]
    low: int
    high: int


@dataclass(frozen=True)
class Sigmoid:
    """LOGISTIC or TANH of 16-bit values, by TFLM's table; the input times multiplier / 2^shift is in 1 / (3 * 4096)."""

    function: str  # "logistic" or "tanh"
    multiplier: int
    shift: int


@dataclass(frozen=True)
class Rsqrt:
    """1 / sqrt of 16-bit values: the root of an integer in Q20, then requantized."""

    multiplier: int
    shift: int


@dataclass(frozen=True)
class WideSoftmax:
    """Softmax of 16-bit values over the channels of every position, by TFLM's tables of exp and 1 / (1 + x)."""

    multiplier: int
    shift: int


Function = Rescale | Sigmoid | Rsqrt | WideSoftmax
