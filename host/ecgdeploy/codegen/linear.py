"""Additions of bytes that are one linear function, proven so over all pairs of bytes.

TFLite rescales both operands, adds them and rescales the sum: three double roundings. The first two are so fine
(2^-20 of an operand's step) that the result is a rounded linear function of the two bytes, unless exact halves occur.
Whether it is one, with constants that the kernel's 32 bits hold, is decided by trying all 65,536 pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecgdeploy.codegen import arithmetic as ar
from ecgdeploy.codegen import ir

FRACTION = 21
"""Fraction bits of the kernel's sum (``ECGD_ADD_FRACTION``)."""
LANE = 1 << 8
"""A byte less 128 stands in the upper half of a 16-bit lane; 16 bits of the product with a factor fall away."""


@dataclass(frozen=True)
class LinearAddition:
    """``out = clamp((factor_a * 256 * (a - 128) >> 16) + (the same of b) + constant >> 21, 0, 255)``."""

    factors: tuple[int, int]
    constant: int


def exact_sums(work: ir.Elementwise, offsets: tuple[int, int, int]) -> np.ndarray:
    """Bytes int64 [256, 256] that TFLite's arithmetic gives for every pair of bytes (q + 128).

    `offsets` are zero point + 128 of both operands and of the output.
    """
    bytes_ = np.arange(256, dtype=np.int64)
    inputs = [(bytes_ - offset) << work.left_shift for offset in offsets[:2]]
    terms = [
        ar.multiply_by_quantized_multiplier(x, m, shift)
        for x, m, shift in zip(inputs, work.multipliers, work.shifts, strict=False)
    ]
    total = terms[0][:, None] + terms[1][None, :]
    result = ar.multiply_by_quantized_multiplier(total, work.multipliers[2], work.shifts[2])
    return np.clip(result, work.low, work.high) + offsets[2]


def linear_addition(work: ir.Elementwise, offsets: tuple[int, int, int]) -> LinearAddition | None:
    """The linear function that equals an addition for all pairs of bytes, or None where there is none."""
    if work.low + offsets[2] > 0 or work.high + offsets[2] < 255:
        return None  # the kernel saturates to bytes, nothing less
    result = exact_sums(work, offsets)
    last = work.multipliers[2] * 2.0 ** (work.shifts[2] - 31 + work.left_shift)
    factors = [round(work.multipliers[k] * 2.0 ** (work.shifts[k] - 31) * last * (LANE << FRACTION)) for k in range(2)]
    if max(factors) >= 1 << 31:
        return None
    lanes = (np.arange(256, dtype=np.int64) - 128) * LANE
    shares = [(lanes * factor) >> 16 for factor in factors]
    sums = shares[0][:, None] + shares[1][None, :]
    least = int(((result << FRACTION) - sums)[result > 0].max(initial=-(1 << 40)))
    most = int((((result + 1) << FRACTION) - 1 - sums)[result < 255].min(initial=1 << 40))
    constant = (least + most) // 2
    steps = (np.zeros(1, np.int64), shares[0], sums)  # what the kernel's register holds, one after the other
    fits = all(ar.INT32_MIN <= constant + v.min() and constant + v.max() <= ar.INT32_MAX for v in steps)
    return LinearAddition((factors[0], factors[1]), constant) if least <= most and fits else None
