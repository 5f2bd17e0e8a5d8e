"""Constants of the kernels for 16-bit activations (``firmware/kernels/ecgd_wide.h`` declares them).

TFLite sums such a layer in 64 bits and rounds once, with a multiplier of 15 bits. The weights, the biases and the range
of the input say how large a sum can get: where that is below 2^31, the kernels sum in 32 bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.packing import (
    ALIGNED_STRIDE_LIMIT,
    DEPTHWISE_REACH,
    DEPTHWISE_TAPS,
    STRIDE_LIMIT,
    bounds_of,
    encode,
    pair_weights,
    unroll_of,
)

WHOLE = 1 << 31
"""Sums of smaller magnitude are made in 32 bits."""
RELU, ALL, CLAMP = 6, 7, 8
"""Endings of the DSP kernels."""
_NAMES = {RELU: "relu16", ALL: "int16", CLAMP: "clamp16"}


@dataclass(frozen=True, eq=False)
class PackedWide:
    """What the generated C needs for one layer.

    Attributes
    ----------
    kernel : C function to call
    definition : line that must stand once in the generated source before the call; empty where none is needed
    weights : int8 array, to be 4-byte aligned
    scale : int32 array [channels rounded up to even, 2], bias (0 where `bias` is there) and multiplier
    right : int8 array of the same length, or None where all shifts are in the multipliers
    bias : int64 array [channels] of a layer whose sums need 64 bits, else None
    fields : the numeric members of ``ecgd_conv_t`` or ``ecgd_depthwise_t`` by name
    """

    kernel: str
    definition: str
    weights: np.ndarray
    scale: np.ndarray
    right: np.ndarray | None
    bias: np.ndarray | None
    fields: dict[str, int]


def long_sums(rows: np.ndarray, bias: np.ndarray, x: ir.Value) -> bool:
    """Whether sums of weights [channels, ...] with values like `x`, and a bias, may need more than 32 bits."""
    bounds = bounds_of(rows, bias, x.low, x.high)
    return bool(np.any(np.maximum(bounds.accumulators, bounds.sums) >= WHOLE) or np.any(np.abs(bias) >= WHOLE))


def pack_wide(work: ir.Conv | ir.Depthwise, x: ir.Value, y: ir.Value) -> PackedWide:
    """Pack a convolution or dense layer from value `x` to `y`; long sums are made by convolutions only."""
    requant = work.requant
    multipliers = reduced(requant.multipliers)
    total = 15 - requant.shifts.astype(np.int64)  # right shift of sum * reduced multiplier
    ending = ALL if (requant.low, requant.high) == (-32768, 32767) else CLAMP
    ending = RELU if (requant.low, requant.high) == (0, 32767) else ending
    if isinstance(work, ir.Conv) and long_sums(work.weights.reshape(len(work.bias), -1), work.bias, x):
        assert work.pool == 1, "only what fits 32 bits is pooled"
        weights, fields = _conv(work)
        return PackedWide(
            "ecgd_conv_long", "", weights, _pad(np.stack([np.zeros_like(multipliers), multipliers], 1)), _pad(total),
            work.bias.astype(np.int64), fields,
        )  # fmt: skip
    # multiplier / 2^(32 + right) = short multiplier / 2^total, with a multiplier below 2^31
    right = np.where(total > 32, total - 32, np.minimum(total - 16, 0))
    multipliers = multipliers << (32 + right - total)
    scale = _pad(np.stack([work.bias.astype(np.int64), multipliers], 1))
    shifted = _pad(right) if np.any(right) else None
    weights, fields = _conv(work) if isinstance(work, ir.Conv) else _depthwise(work)
    kernel, definition = "ecgd_conv_wide" if isinstance(work, ir.Conv) else "ecgd_depthwise_wide", ""
    if shifted is None and len(work.bias) % 2 == 0:
        instance = _conv_instance(work, y, ending) if isinstance(work, ir.Conv) else _depthwise_instance(work, ending)
        kernel, definition = instance or (kernel, definition)
    return PackedWide(kernel, definition, weights, scale, shifted, None, fields)


def reduced(multipliers: np.ndarray) -> np.ndarray:
    """Multipliers of 31 bits as TFLite shortens them to 15."""
    wide = multipliers.astype(np.int64)
    return np.where(wide < 0x7FFF0000, (wide + (1 << 15)) >> 16, 0x7FFF)


def _pad(values: np.ndarray) -> np.ndarray:
    """One row more of zeros where their number is odd."""
    return np.concatenate([values, np.zeros_like(values[:1])]) if len(values) % 2 else values


def _conv(work: ir.Conv) -> tuple[np.ndarray, dict[str, int]]:
    outputs, taps, inputs = work.weights.shape
    contiguous = work.dilation == 1 or taps == 1
    segments, length, step = (1, taps * inputs, 0) if contiguous else (taps, inputs, work.dilation * inputs)
    fields = {
        "channels": outputs, "segments": segments, "length": length, "step": step, "stride": work.stride * inputs,
        "low": work.requant.low, "high": work.requant.high, "form": 1, "pool": work.pool,
    }  # fmt: skip
    return encode(pair_weights(work.weights.reshape(outputs, segments, length), 4), False), fields


def _depthwise(work: ir.Depthwise) -> tuple[np.ndarray, dict[str, int]]:
    taps, channels = work.weights.shape
    pairs = pair_weights(work.weights.T.reshape(channels, 1, taps), 4)
    fields = {
        "channels": channels, "taps": taps, "length": pairs.shape[2], "step": work.dilation * channels,
        "stride": work.stride * channels, "low": work.requant.low, "high": work.requant.high,
    }  # fmt: skip
    return encode(pairs, False), fields


def _conv_instance(work: ir.Conv, y: ir.Value, ending: int) -> tuple[str, str] | None:
    """(function, definition) of the DSP kernel for a layer, or None where it does not take it."""
    _, taps, inputs = work.weights.shape
    segmented = work.dilation != 1 and taps != 1
    apart = 2 * work.stride * inputs
    if y.time == 1 or apart > STRIDE_LIMIT or (segmented and work.pool > 1):
        return None
    aligned = inputs % 2 == 0 and apart <= ALIGNED_STRIDE_LIMIT
    units = -(-(inputs if segmented else taps * inputs) // 4)
    unroll = unroll_of(units, taps)
    mode = 2 if work.pool == 2 else int(segmented)
    name = f"ecgd_conv_{apart}_{unroll}_{_NAMES[ending]}" + ("" if aligned else "_any")
    name += ("", "_dilated", "_pool2")[mode] + ("_once" if unroll == units else "")
    arguments = (apart, unroll, int(unroll == units), ending, int(aligned), mode)
    return name, f"ECGD_CONV_WIDE_KERNEL({name}, {', '.join(map(str, arguments))})"


def _depthwise_instance(work: ir.Depthwise, ending: int) -> tuple[str, str] | None:
    taps, channels = work.weights.shape
    apart, between = 2 * work.stride * channels, 2 * work.dilation * channels
    if taps > DEPTHWISE_TAPS or 2 * apart + (taps - 1) * between > DEPTHWISE_REACH:
        return None
    name = f"ecgd_depthwise_{apart}_{between}_{taps}_{_NAMES[ending]}"
    return name, f"ECGD_DEPTHWISE_WIDE_KERNEL({name}, {apart}, {between}, {taps}, {ending})"
