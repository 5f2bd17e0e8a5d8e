"""Constants of the C kernels: weights in the order the kernels read them, and which kernel a layer calls.

The layouts are declared in ``firmware/kernels/ecgd_kernels.h``; this is the only place that writes them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SUM_LIMIT = 1 << 23
"""The DSP kernels recover the odd channel's sum from 24 bits: exact while its magnitude stays below."""
ACCUMULATOR_LIMIT = 1 << 30
"""The DSP kernels double the accumulator before the high multiplication."""
LONGEST_TURN, WHOLE = 12, 24
"""Units of 4 elements in the largest unrolled loop, and in the longest window that is unrolled whole."""
DEPTHWISE_REACH, DEPTHWISE_TAPS = 4092, 32
"""Bytes that the depthwise kernel's offsets reach, and taps whose unrolled code is worth its bytes."""
ALIGNED_STRIDE_LIMIT, STRIDE_LIMIT = 1440, 2000
"""Bytes between positions that the DSP kernels' immediate offsets reach, with paired and with single loads."""


CLAMP = 2
"""The ending of a layer whose results are clamped to less than its type holds."""


@dataclass(frozen=True, eq=False)
class PackedConv:
    """What the generated C needs for one convolution or dense layer.

    Attributes
    ----------
    kernel : C function to call
    definition : line that must stand once in the generated source before the call; empty where none is needed
    weights : int8 array, to be 4-byte aligned
    scale : int32 array [channels rounded up to even, 2], bias and multiplier
    right : int8 array [channels rounded up to even], right shifts
    fields : the numeric members of ``ecgd_conv_t`` or ``ecgd_depthwise_t`` by name
    """

    kernel: str
    definition: str
    weights: np.ndarray
    scale: np.ndarray
    right: np.ndarray
    fields: dict[str, int]

    def initialiser(self, weights: str, scale: str, right: str) -> str:
        """C initialiser of the struct, given the names of the three arrays."""
        members = ", ".join(f".{name} = {value}" for name, value in self.fields.items())
        return f"{{.weights = {weights}, .scale = {scale}, .right = {right}, {members}}}"


def pack_conv(
    weights: np.ndarray, bias: np.ndarray, multipliers: np.ndarray, shifts: np.ndarray, low: int, high: int, zero: int,
    input_low: int, input_high: int, stride: int = 1, dilation: int = 1, target: str = "portable",
    positions: int = 3, pool: int = 1, may_sum: bool = True, narrow: bool = False,
) -> PackedConv:  # fmt: skip
    """Pack a convolution in one dimension, or a dense layer (one tap).

    The result serves every `target`: where there is no DSP extension, a definition names the portable function.

    Parameters
    ----------
    weights : int8 [outputs, taps, inputs]
    bias, multipliers, shifts : int32 [outputs]; shifts as TFLite has them (positive = left)
    low, high : clamp of the zero-point-free result
    zero : output zero point
    input_low, input_high : range of the zero-point-free input; 0 (padding) is added to it
    stride, dilation : in positions
    positions : how many the layer computes in all; a dense layer of one row has 1
    pool : 2 where max-pooling of two positions by two, without padding or clamp, is part of the kernel; else 1
    may_sum : whether the weights may take the sum form
    narrow : whether results are stored as bytes
    """
    del target
    outputs, taps, inputs = weights.shape
    segments, length, step = (1, taps * inputs, 0) if dilation == 1 or taps == 1 else (taps, inputs, dilation * inputs)
    pairs = pair_weights(weights.reshape(outputs, segments, length), 4)
    bounds = bounds_of(weights.reshape(outputs, -1), bias, input_low, input_high)
    sum_form = may_sum and bool(np.all(bounds.sums[1::2] < SUM_LIMIT)) and _fits_sum(pairs)
    fields = {
        "channels": outputs, "segments": segments, "length": length, "step": step, "stride": stride * inputs,
        "low": low, "high": high, "zero": zero, "form": 0 if sum_form else 1, "pool": pool,
    }  # fmt: skip
    if narrow:
        fields["narrow"] = 1
    kernel, definition = "ecgd_conv_any", ""
    simple = _simple_requantization(bounds, shifts) and not (segments > 1 and pool > 1)
    finish = ending(low, high, zero)
    simple = simple and not (narrow and finish == CLAMP)
    if outputs % 2 == 0 and positions > 1 and simple:
        mode = 2 if pool == 2 else int(segments > 1)
        units = -(-length // 4)
        instance = _conv_instance(inputs, stride, unroll_of(units, taps), units, finish + 3 * narrow, sum_form, mode)
        kernel, definition = instance or (kernel, definition)
    return PackedConv(kernel, definition, encode(pairs, sum_form), *_scales(bias, multipliers, shifts), fields)


def _bias_of_bytes(weights: np.ndarray, bias: np.ndarray, offset: int) -> np.ndarray:
    return bias.astype(np.int64) - offset * weights.sum(axis=1, dtype=np.int64)


def reads_bytes(
    weights: np.ndarray, bias: np.ndarray, shifts: np.ndarray, input_low: int, input_high: int, offset: int
) -> bool:
    """Whether a convolution has a kernel that reads bytes (arguments as in `pack_conv_bytes`)."""
    outputs, _, inputs = weights.shape
    flat = weights.reshape(outputs, -1)
    return bool(
        inputs % 4 == 0 and outputs % 2 == 0
        and _simple_requantization(bounds_of(flat, bias, input_low, input_high), shifts)
        and np.all(np.abs(_bias_of_bytes(flat, bias, offset)) < ACCUMULATOR_LIMIT)
    )  # fmt: skip


BYTES_TURN = 32
"""Units of 4 elements in a turn of the inner loop of windows of bytes: one loop serves all strides."""


def pack_conv_bytes(
    weights: np.ndarray, bias: np.ndarray, multipliers: np.ndarray, shifts: np.ndarray, low: int, high: int, zero: int,
    input_low: int, input_high: int, stride: int, narrow: bool, offset: int,
) -> PackedConv | None:  # fmt: skip
    """Pack a convolution of several taps that reads bytes, ``ECGD_CONV_U8_KERNEL``; None where that cannot take it.

    Parameters
    ----------
    offset : by how much the bytes are larger than the zero-point-free input; the rest as in `pack_conv`
    """
    outputs, taps, inputs = weights.shape
    length, flat = taps * inputs, weights.reshape(outputs, -1)
    finish = ending(low, high, zero)
    if (narrow and finish == CLAMP) or not reads_bytes(weights, bias, shifts, input_low, input_high, offset):
        return None
    limits = (input_low + offset, input_high + offset)
    bias = _bias_of_bytes(flat, bias, offset)
    places = np.arange(length).reshape(-1, 4)[:, [0, 2, 1, 3]].reshape(-1)
    flat = flat[:, places]
    pairs = pair_weights(flat.reshape(outputs, 1, length), 4)
    units = length // 4
    unroll = min(units, BYTES_TURN if taps > 1 else 4)  # the sizes of 1x1 convolutions share their code
    second = 4 * unroll * (((units - 1) // unroll + 1) // 2)  # elements of the second half
    halves = [part for part in (flat[:, : length - second], flat[:, length - second :]) if part.size]
    sums = [bool(np.all(bounds_of(part, bias, *limits).sums[1::2] < SUM_LIMIT)) for part in [flat, *halves]]
    sum_form = _fits_sum(pairs) and (sums[0] or (len(halves) == 2 and all(sums[1:])))
    split = int(sum_form and not sums[0])
    once = int(unroll == units) + 2 * int(sum_form and units % unroll == 0)
    kind = ("relu", "int8", "clamp", "relu_u8", "int8_u8")[finish + 3 * narrow]
    name = f"ecgd_conv_u8_{unroll}_{kind}{'' if sum_form else '_bytes'}{'_halves' * split}"
    name += ("", "_once", "_whole", "_whole_once")[once]
    arguments = (unroll, once, finish + 3 * narrow, 0 if sum_form else 1, split)
    fields = {
        "channels": outputs, "segments": 1, "length": length, "step": 0, "stride": stride * inputs,
        "low": low, "high": high, "zero": zero, "form": 0 if sum_form else 1, "pool": 1, "narrow": int(narrow),
    }  # fmt: skip
    definition = f"ECGD_CONV_U8_KERNEL({name}, {', '.join(map(str, arguments))})"
    return PackedConv(name, definition, encode(pairs, sum_form), *_scales(bias, multipliers, shifts), fields)


def _simple_requantization(bounds: Bounds, shifts: np.ndarray) -> bool:
    """Whether doubling the accumulator is exact and every channel shifts right by 1..30."""
    right = -np.asarray(shifts)
    return bool(np.all(bounds.accumulators < ACCUMULATOR_LIMIT) and np.all((right >= 1) & (right <= 30)))


def ending(low: int, high: int, zero: int) -> int:
    """Which ending the DSP kernels use: 0 for 0..255, 1 for all of int8, 2 for any other clamp."""
    if (low, high) == (0, 255):
        return 0
    return 1 if (low, high) == (-128 - zero, 127 - zero) else CLAMP


def unroll_of(units: int, taps: int) -> int:
    """Units of 4 elements in a turn of the inner loop: a turn costs 3 instructions beside them, a unit 72 bytes."""
    if taps == 1 or units < 20:
        return min(units, 4)  # the sizes of 1x1 convolutions share their code
    return units if units <= WHOLE else -(-units // -(-units // LONGEST_TURN))


def _conv_instance(
    inputs: int, stride: int, unroll: int, units: int, finish: int, sum_form: bool, mode: int
) -> tuple[str, str] | None:
    """(function, definition) of the DSP kernel for a position stride, or None where its addressing does not reach."""
    apart = 2 * stride * inputs
    aligned = inputs % 2 == 0 and apart <= ALIGNED_STRIDE_LIMIT
    if apart > STRIDE_LIMIT:
        return None
    name = f"ecgd_conv_{apart}_{unroll}_{('relu', 'int8', 'clamp', 'relu_u8', 'int8_u8')[finish]}"
    name += ("" if sum_form else "_bytes") + ("" if aligned else "_any") + ("", "_dilated", "_pool2")[mode]
    once = int(unroll == units)
    name += "_once" if once else ""
    arguments = (apart, unroll, once, finish, 0 if sum_form else 1, int(aligned), mode)
    return name, f"ECGD_CONV_KERNEL({name}, {', '.join(map(str, arguments))})"


def pack_depthwise(
    weights: np.ndarray, bias: np.ndarray, multipliers: np.ndarray, shifts: np.ndarray, low: int, high: int, zero: int,
    input_low: int, input_high: int, stride: int = 1, dilation: int = 1, target: str = "portable",
    positions: int = 3, narrow: bool = False, offset: int = 0,
) -> PackedConv:  # fmt: skip
    """Pack a depthwise convolution with one filter a channel; `weights` int8 [taps, channels], else as `pack_conv`.

    A `narrow` window is bytes, each larger than the zero-point-free input by `offset`: the biases take it away.
    """
    taps, channels = weights.shape
    pairs = pair_weights(weights.T.reshape(channels, 1, taps), 4)
    fields = {
        "channels": channels, "taps": taps, "length": pairs.shape[2], "step": dilation * channels,
        "stride": stride * channels, "low": low, "high": high, "zero": zero,
    }  # fmt: skip
    del target, positions
    bounds = bounds_of(weights.T, bias, input_low, input_high)
    kernel, definition = "ecgd_depthwise_any", ""
    size = 1 if narrow else 2
    apart, between = size * stride * channels, size * dilation * channels
    if narrow:
        fields["narrow"] = 1
    reaches = 2 * apart + (taps - 1) * between <= DEPTHWISE_REACH
    if channels % 2 == 0 and taps <= DEPTHWISE_TAPS and reaches and _simple_requantization(bounds, shifts):
        finish, kind = ending(low, high, zero), "_u8" if narrow else ""
        kernel = f"ecgd_depthwise{kind}_{apart}_{between}_{taps}_{('relu', 'int8', 'clamp')[finish]}"
        definition = f"ECGD_DEPTHWISE{kind.upper()}_KERNEL({kernel}, {apart}, {between}, {taps}, {finish})"
    scale = _scales(bias - offset * weights.sum(axis=0, dtype=np.int64), multipliers, shifts)
    return PackedConv(kernel, definition, encode(pairs, False), *scale, fields)


@dataclass(frozen=True, eq=False)
class Bounds:
    """Largest magnitudes per channel."""

    sums: np.ndarray  # of the sum of w x
    accumulators: np.ndarray  # with bias


def bounds_of(weights: np.ndarray, bias: np.ndarray, input_low: int, input_high: int) -> Bounds:
    """Largest magnitudes that any input in the range can give, per channel."""
    low, high = min(input_low, 0), max(input_high, 0)
    w = weights.astype(np.int64)
    positive, negative = np.maximum(w, 0).sum(1), np.minimum(w, 0).sum(1)
    top, bottom = positive * high + negative * low, positive * low + negative * high
    b = bias.astype(np.int64)
    return Bounds(np.maximum(top, -bottom), np.maximum(np.abs(top + b), np.abs(bottom + b)))


def pair_weights(weights: np.ndarray, multiple: int) -> np.ndarray:
    """[channels, segments, length] -> int64 [channel pairs, segments, filled length, 2], filled with zeros."""
    channels, segments, length = weights.shape
    filled = np.zeros((channels + channels % 2, segments, -(-length // multiple) * multiple), np.int64)
    filled[:channels, :, :length] = weights
    return filled.reshape(-1, 2, *filled.shape[1:]).transpose(0, 2, 3, 1)


def _fits_sum(pairs: np.ndarray) -> bool:
    sums = 256 * pairs[..., 1] + pairs[..., 0]
    return bool(np.all((sums >= -32768) & (sums <= 32767)))


def encode(pairs: np.ndarray, sum_form: bool) -> np.ndarray:
    """The weights' bytes in either form."""
    if sum_form:
        return (256 * pairs[..., 1] + pairs[..., 0]).astype("<i2").reshape(-1).view(np.int8)
    return pairs.astype(np.int8).reshape(-1)


def _scales(bias: np.ndarray, multipliers: np.ndarray, shifts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    channels = len(bias)
    scale = np.zeros((channels + channels % 2, 2), np.int32)
    scale[:channels, 0], scale[:channels, 1] = bias, multipliers
    right = np.zeros(len(scale), np.int8)
    right[:channels] = -np.asarray(shifts)
    right[channels:] = right[:1]
    return scale, right
