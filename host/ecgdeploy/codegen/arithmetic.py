"""TFLite's quantized arithmetic on the host: multipliers, activation ranges, fixed-point functions, look-up tables.

Every number that goes into the generated C is made here, in the arithmetic that TensorFlow Lite Micro's Prepare and
reference kernels use (Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-
Arithmetic-Only Inference"; gemmlowp's fixed point), so that no rounding is left to the device's compiler.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1
RANGES = {"int8": (-128, 127), "uint8": (-128, 127), "int16": (-32768, 32767)}


def round_half_away(value: float) -> int:
    """``std::round``: halves go away from zero."""
    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


def quantize_multiplier(real: float) -> tuple[int, int]:
    """Express `real` as ``multiplier / 2^31 * 2^shift`` with a multiplier in [2^30, 2^31).

    Returns
    -------
    (multiplier, shift)
        (0, 0) where `real` is 0 or below 2^-32, as TFLite flushes it.
    """
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = round_half_away(fraction * (1 << 31))
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    return multiplier, shift


def rounding_doubling_high_mul(a: np.ndarray | int, b: np.ndarray | int) -> np.ndarray:
    """gemmlowp's SaturatingRoundingDoublingHighMul on int32 values (held in int64)."""
    a64, b64 = np.asarray(a, np.int64), np.asarray(b, np.int64)
    product = a64 * b64
    nudged = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    result = np.where(nudged >= 0, nudged >> 31, -((-nudged) >> 31))
    return np.where((a64 == INT32_MIN) & (b64 == INT32_MIN), INT32_MAX, result)


def rounding_divide_by_pot(x: np.ndarray | int, exponent: int) -> np.ndarray:
    """Division by 2^exponent, halves away from zero."""
    x64 = np.asarray(x, np.int64)
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (x64 < 0)
    return (x64 >> exponent) + ((x64 & mask) > threshold)


def wrap32(x: np.ndarray) -> np.ndarray:
    """Two's complement int32 value of `x`."""
    return (x + (1 << 31)) % (1 << 32) - (1 << 31)


def multiply_by_quantized_multiplier(x: np.ndarray | int, multiplier: int, shift: int) -> np.ndarray:
    """TFLite's double-rounding requantization of int32 values."""
    left, right = max(shift, 0), max(-shift, 0)
    shifted = wrap32(np.asarray(x, np.int64) << left)
    return rounding_divide_by_pot(rounding_doubling_high_mul(shifted, multiplier), right)


def activation_range(activation: str, scale: float, zero_point: int, dtype: str = "int8") -> tuple[int, int]:
    """Smallest and largest quantized output of a fused activation."""
    low, high = RANGES[dtype]
    scale32 = np.float32(scale)

    def quantized(value: float) -> int:
        return zero_point + round_half_away(float(np.float32(value) / scale32))

    if activation in ("RELU", "RELU6"):
        low = max(low, quantized(0.0))
    if activation == "RELU6":
        high = min(high, quantized(6.0))
    if activation == "RELU_N1_TO_1":
        low, high = max(low, quantized(-1.0)), min(high, quantized(1.0))
    return low, high


def input_radius(integer_bits: int, left_shift: int, total_bits: int = 31) -> int:
    """Largest input magnitude that a fixed-point function with `integer_bits` can take."""
    return math.floor(((1 << integer_bits) - 1) * (1 << (total_bits - integer_bits)) / (2.0**left_shift))


# --- gemmlowp fixed point on Q0.31 and Qn.(31-n), values as int64 arrays -------------------------------------------


def _saturating_shift_left(x: np.ndarray, bits: int) -> np.ndarray:
    return np.clip(np.asarray(x, np.int64) << bits, INT32_MIN, INT32_MAX)


def _exp_on_quarter(a: np.ndarray) -> np.ndarray:
    """exp on [-1/4, 0), Q0.31: Taylor series about -1/8 to the fourth order."""
    x = wrap32(a + (1 << 28))
    x2 = rounding_doubling_high_mul(x, x)
    x3 = rounding_doubling_high_mul(x2, x)
    x4 = rounding_doubling_high_mul(x2, x2)
    x4_over_4 = rounding_divide_by_pot(x4, 2)
    third = rounding_doubling_high_mul(wrap32(x4_over_4 + x3), 715827883) + x2
    polynomial = rounding_divide_by_pot(wrap32(third), 1)
    factor = 1895147668
    return wrap32(factor + rounding_doubling_high_mul(factor, wrap32(x + polynomial)))


# exp(-2^k) in Q0.31 for k = -2 .. 4
_EXP_FACTORS = (
    (-2, 1672461947),
    (-1, 1302514674),
    (0, 790015084),
    (1, 290630308),
    (2, 39332535),
    (3, 720401),
    (4, 242),
)


def exp_on_negative(a: np.ndarray | int, integer_bits: int) -> np.ndarray:
    """exp of non-positive Q(integer_bits) values, as Q0.31."""
    a64 = np.asarray(a, np.int64)
    fractional = 31 - integer_bits
    quarter = 1 << (fractional - 2)
    remainder_in_quarter = (a64 & (quarter - 1)) - quarter
    result = _exp_on_quarter(wrap32(remainder_in_quarter << integer_bits))
    remainder = wrap32(remainder_in_quarter - a64)
    for exponent, factor in _EXP_FACTORS:
        if integer_bits > exponent:
            bit = 1 << (fractional + exponent)
            result = np.where(remainder & bit, rounding_doubling_high_mul(result, factor), result)
    if integer_bits > 5:
        result = np.where(a64 < -(1 << (fractional + 5)), 0, result)
    return np.where(a64 == 0, INT32_MAX, result)


def exponentials(multiplier: int, left_shift: int, smallest: int) -> np.ndarray:
    """exp (Q0.31) of the distances 0, 1, ... of an int8 softmax's inputs below their largest, as far as they count."""
    distances = np.arange(min(255, -smallest) + 1, dtype=np.int64)
    return exp_on_negative(rounding_doubling_high_mul(-(distances << left_shift), multiplier), 5)


def _rounding_half_sum(a: np.ndarray, b: np.ndarray | int) -> np.ndarray:
    total = np.asarray(a, np.int64) + b
    adjusted = total + np.where(total >= 0, 1, -1)
    return np.where(adjusted >= 0, adjusted >> 1, -((-adjusted) >> 1))


def _newton_reciprocal(half_denominator: np.ndarray) -> np.ndarray:
    """1 / denominator in Q2.29 by three Newton-Raphson steps from 48/17 - 32/17 d."""
    x = wrap32(1515870810 + rounding_doubling_high_mul(half_denominator, -1010580540))
    for _ in range(3):
        product = rounding_doubling_high_mul(half_denominator, x)
        correction = wrap32((1 << 29) - product)
        x = wrap32(x + _saturating_shift_left(rounding_doubling_high_mul(x, correction), 2))
    return x


def one_over_one_plus_x(a: np.ndarray) -> np.ndarray:
    """1 / (1 + x) for x in [0, 1], Q0.31."""
    x = _newton_reciprocal(_rounding_half_sum(a, INT32_MAX))
    return _saturating_shift_left(x, 1)


def one_minus_x_over_one_plus_x(a: np.ndarray) -> np.ndarray:
    """(1 - x) / (1 + x) for x in [0, 1], Q0.31."""
    x = _newton_reciprocal(_rounding_half_sum(a, INT32_MAX))
    return _saturating_shift_left(wrap32(x - (1 << 29)), 2)


def fixed_logistic(a: np.ndarray, integer_bits: int) -> np.ndarray:
    """Logistic function of Q(integer_bits) values, as Q0.31."""
    a64 = np.asarray(a, np.int64)
    positive = one_over_one_plus_x(exp_on_negative(-np.abs(a64), integer_bits))
    result = np.where(a64 > 0, positive, INT32_MAX - positive)
    return np.where(a64 == 0, 1 << 30, result)


def fixed_tanh(a: np.ndarray, integer_bits: int) -> np.ndarray:
    """Hyperbolic tangent of Q(integer_bits) values, as Q0.31."""
    a64 = np.asarray(a, np.int64)
    positive = one_minus_x_over_one_plus_x(exp_on_negative(-np.abs(a64), integer_bits + 1))
    return np.where(a64 == 0, 0, np.where(a64 > 0, positive, -positive))


# --- tables of int8 -> int8 functions: index is q + 128, value is q --------------------------------------------------

_ALL = np.arange(-128, 128, dtype=np.int64)


def _table(values: np.ndarray) -> np.ndarray:
    return np.clip(values, -128, 127).astype(np.int8)


def _sigmoidal(scale: float, zero_point: int, function: Callable, fraction_bits: int, offset: int) -> np.ndarray:
    multiplier, shift = math.frexp(float(np.float32(scale)) * (1 << 27))
    fixed = round_half_away(multiplier * (1 << 31))
    radius = input_radius(4, shift)
    x = _ALL - zero_point
    inside = np.clip(x, -radius, radius)
    raw = function(multiply_by_quantized_multiplier(inside, min(fixed, INT32_MAX), shift), 4)
    result = rounding_divide_by_pot(raw, 31 - fraction_bits) + offset
    result = np.where(x <= -radius, -128, np.where(x >= radius, 127, result))
    return _table(result)


def logistic_table(scale: float, zero_point: int) -> np.ndarray:
    """LOGISTIC int8 (output scale 1/256, zero point -128)."""
    return _sigmoidal(scale, zero_point, fixed_logistic, 8, -128)


def tanh_table(scale: float, zero_point: int) -> np.ndarray:
    """TANH int8 (output scale 1/128, zero point 0)."""
    return _sigmoidal(scale, zero_point, fixed_tanh, 7, 0)


def requantize_table(scale: float, zero_point: int, out_scale: float, out_zero_point: int, relu: bool) -> np.ndarray:
    """RELU (`relu`) or QUANTIZE from int8 to int8."""
    real = float(np.float32(scale)) / float(np.float32(out_scale))
    result = multiply_by_quantized_multiplier(_ALL - zero_point, *quantize_multiplier(real)) + out_zero_point
    return _table(np.maximum(result, out_zero_point) if relu else result)


def relu6_table(scale: float, zero_point: int) -> np.ndarray:
    """RELU6 int8: TFLM only clamps, it does not rescale."""
    six = int(np.clip(zero_point + round_half_away(float(np.float32(6.0) / np.float32(scale))), -128, 127))
    return _table(np.clip(_ALL, zero_point, six))


def leaky_relu_table(scale: float, zero_point: int, out_scale: float, out_zero_point: int, alpha: float) -> np.ndarray:
    """LEAKY_RELU int8."""
    real = float(np.float32(scale)) / float(np.float32(out_scale))
    slope = quantize_multiplier(float(np.float32(scale)) * float(np.float32(alpha)) / float(np.float32(out_scale)))
    identity = quantize_multiplier(real)
    x = _ALL - zero_point
    negative = multiply_by_quantized_multiplier(x, abs(slope[0]), slope[1]) * (-1 if slope[0] < 0 else 1)
    return _table(np.where(x >= 0, multiply_by_quantized_multiplier(x, *identity), negative) + out_zero_point)


def hard_swish_table(scale: float, zero_point: int, out_scale: float, out_zero_point: int) -> np.ndarray:
    """HARD_SWISH int8 in TFLite's 16-bit fixed point."""
    high_resolution = np.float32(np.float32(1.0 / 128.0) * np.float32(scale))
    out32, out_exponent = quantize_multiplier(float(high_resolution / np.float32(out_scale)))
    reluish32, reluish_exponent = quantize_multiplier(float(high_resolution / np.float32(3.0 / 32768.0)))
    out16, reluish16 = _downscale16(out32), _downscale16(reluish32)
    x = (_ALL - zero_point) * 128
    preshift = _high_mul16(x, out16, rounding=True)
    reluish = x
    if reluish_exponent > 0:
        reluish = np.clip(reluish << (reluish_exponent - 1), -32768, 32767)
    reluish = _high_mul16(reluish, reluish16, rounding=True)
    if reluish_exponent > 0:
        reluish = np.clip(reluish << 1, -32768, 32767)
    if reluish_exponent < 0:
        reluish = rounding_divide_by_pot(reluish, -reluish_exponent)
    reluish = (reluish + (1 << 15)) >> 1
    result = rounding_divide_by_pot(_high_mul16(reluish, preshift, rounding=False), -out_exponent)
    return _table(result + out_zero_point)


def elu_table(scale: float, zero_point: int, out_scale: float, out_zero_point: int) -> np.ndarray:
    """ELU int8: float32 arithmetic on each of the 256 inputs."""
    x = np.float32(scale) * (_ALL - zero_point).astype(np.float32)
    y = np.where(x < 0, np.expm1(x.astype(np.float64)).astype(np.float32), x) * (np.float32(1) / np.float32(out_scale))
    return _table(np.array([round_half_away(float(v)) for v in y], np.int64) + out_zero_point)


def gelu_table(scale: float, zero_point: int, out_scale: float, out_zero_point: int, approximate: bool) -> np.ndarray:
    """GELU int8 as LiteRT's table has it: float32 arithmetic on each of the 256 inputs."""
    x = np.float32(scale) * (_ALL - zero_point).astype(np.float32)
    half, one = np.float32(0.5), np.float32(1)
    if approximate:
        cube = np.float32(0.044715) * x * x * x
        bent = np.tanh((np.float32(math.sqrt(2 / math.pi)) * (x + cube)).astype(np.float64)).astype(np.float32)
    else:
        bent = np.array([math.erf(v) for v in x * np.float32(math.sqrt(0.5))], np.float32)
    y = half * x * (one + bent) * (one / np.float32(out_scale))
    return _table(np.array([round_half_away(float(v)) for v in y], np.int64) + out_zero_point)


def inverse_square_root(value: int) -> tuple[int, int]:
    """1 / sqrt(value) as (multiplier, right shift), by TFLite's Newton-Raphson in Q3.28."""
    if value <= 1:
        return INT32_MAX, 0
    shift = 11
    while value >= 1 << 29:
        value //= 4
        shift += 1
    pairs = (31 - value.bit_length()) // 2 - 1  # leaves the value in [2^27, 2^29)
    shift -= pairs
    value = value << 2 * pairs if pairs >= 0 else value >> -2 * pairs
    half_input = int(rounding_divide_by_pot(value >> 1, 1))
    half_three = (1 << 28) + (1 << 27)
    x = np.asarray(1 << 28, np.int64)
    for _ in range(5):
        cube = _rescale3(rounding_doubling_high_mul(rounding_doubling_high_mul(x, x), x), 9)
        step = rounding_doubling_high_mul(half_three, x) - rounding_doubling_high_mul(half_input, cube)
        x = _rescale3(step, 6)
    result = int(rounding_doubling_high_mul(x, 1518500250))
    if shift < 0:
        result <<= -shift
        shift = 0
    return result, -shift


def _rescale3(x: np.ndarray, integer_bits: int) -> np.ndarray:
    return _saturating_shift_left(x, integer_bits - 3)


def rsqrt_table(scale: float, zero_point: int, out_scale: float, out_zero_point: int) -> np.ndarray:
    """RSQRT int8; inputs below the zero point (TFLM stops there) count as 0."""
    s, o = np.float32(scale), np.float32(out_scale)
    multiplier, shift = quantize_multiplier(1.0 / float(np.float32(np.sqrt(s)) * o))
    values = []
    for q in range(-128, 128):
        x = q - zero_point
        if x <= 0:
            values.append(127)
            continue
        inverse, inverse_shift = inverse_square_root(x)
        data = multiply_by_quantized_multiplier(1, inverse, inverse_shift + 20)
        values.append(int(multiply_by_quantized_multiplier(data, multiplier, shift - 20)) + out_zero_point)
    return _table(np.array(values, np.int64))


# TFLM's table of sigmoid(i / 24) in Q0.16 is one more than the rounded function in these places (found with LOGISTIC)
_ONE_MORE = (
    4, 8, 12, 14, 15, 16, 17, 19, 20, 21, 22, 25, 27, 28, 29, 30, 31, 33, 34, 35, 37, 39, 40, 41, 43, 44, 45, 46, 49,
    50, 54, 62, 63, 64, 66, 82, 86, 93, 100, 103, 112, 116, 135, 255,
)  # fmt: skip


def sigmoid_table16() -> np.ndarray:
    """sigmoid(i / 24) in Q0.16 for i < 256, as TFLM's 16-bit functions look it up."""
    exact = np.floor(65536.0 / (1.0 + np.exp(-np.arange(256) / 24.0)) + 0.5).astype(np.int64)
    exact[list(_ONE_MORE)] += 1
    return exact.astype(np.uint16)


def _downscale16(multiplier: int) -> int:
    return 0x7FFF if multiplier >= INT32_MAX - (1 << 15) else (multiplier + (1 << 15)) >> 16


def _high_mul16(a: np.ndarray, b: np.ndarray | int, rounding: bool) -> np.ndarray:
    product = np.asarray(a, np.int64) * b
    total = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14)) if rounding else product
    quotient = np.where(total >= 0, total >> 15, -((-total) >> 15))
    return np.where((np.asarray(a) == -32768) & (np.asarray(b) == -32768), 32767, quotient)
