"""Tables of TFLM's 16-bit functions: 513 values at every 128th argument, between which its kernels draw lines.

Each value is moved by half of the error that the line makes in the middle of its interval, as
``lut_populate`` of TFLM does, in float32.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

STEPS = 512


def _round(values: np.ndarray) -> np.ndarray:
    """``std::round`` of float32 values."""
    return np.trunc(values + np.copysign(np.float32(0.5), values)).astype(np.float32)


def _table(input_min: float, input_max: float, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Q0.15 table of a function on input_min..input_max, int16 [513]; results are on -1..1."""
    low, high = np.float32(input_min), np.float32(input_max)
    step = np.float32((high - low) / np.float32(STEPS))
    half = np.float32(step / np.float32(2))
    scale = np.float32(32768.0)
    at = (low + np.arange(STEPS, dtype=np.float32) * step).astype(np.float32)
    following = (low + np.arange(1, STEPS + 1, dtype=np.float32) * step).astype(np.float32)
    value, middle, after = function(at), function((at + half).astype(np.float32)), function(following)
    sample = _round(value * scale)
    line = _round((after * scale + _round(value * scale)) / np.float32(2))
    bias = _round((line - _round(middle * scale)) / np.float32(2))
    entries = np.append(sample - bias, _round(function(np.array([high])) * scale))
    return np.clip(entries, -32768, 32767).astype(np.int16)


def exponential_table() -> np.ndarray:
    """exp on -10..0."""
    return _table(-10.0, 0.0, lambda x: np.exp(x.astype(np.float64)).astype(np.float32))


def reciprocal_table() -> np.ndarray:
    """1 / (1 + x) on 0..1."""
    return _table(0.0, 1.0, lambda x: (np.float32(1) / (np.float32(1) + x)).astype(np.float32))
