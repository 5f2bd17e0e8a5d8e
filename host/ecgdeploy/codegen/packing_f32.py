"""Constants of the float32 kernels, in the layouts that ``firmware/kernels/ecgd_kernels_f32.h`` declares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CHANNELS = 8
"""Output channels that stand side by side (ECGD_F32_CHANNELS)."""


@dataclass(frozen=True, eq=False)
class PackedFloat:
    """What the generated C needs for one float32 convolution or dense layer.

    Attributes
    ----------
    kernel : C function to call
    weights, bias : float32 arrays
    fields : the members of ``ecgd_conv_f32_t`` or ``ecgd_depthwise_f32_t`` beside the arrays, as C literals
    """

    kernel: str
    weights: np.ndarray
    bias: np.ndarray
    fields: dict[str, str]

    def initialiser(self, weights: str, bias: str) -> str:
        """C initialiser of the struct, given the names of the two arrays."""
        members = ", ".join(f".{name} = {value}" for name, value in self.fields.items())
        return f"{{.weights = {weights}, .bias = {bias}, {members}}}"


def float_literal(value: float) -> str:
    """C literal of exactly this float32 value (hexadecimal, so that no compiler rounds)."""
    text = float(np.float32(value)).hex()
    return text + "f"


def pack_conv_f32(
    weights: np.ndarray, bias: np.ndarray, low: float, high: float, stride: int = 1, dilation: int = 1
) -> PackedFloat:
    """Pack a convolution in one dimension, or a dense layer (one tap).

    Parameters
    ----------
    weights : float32 [outputs, taps, inputs]
    bias : float32 [outputs]
    low, high : fused activation; the largest finite floats where there is none
    stride, dilation : in positions
    """
    outputs, taps, inputs = weights.shape
    segments, length, step = (1, taps * inputs, 0) if dilation == 1 or taps == 1 else (taps, inputs, dilation * inputs)
    blocks = -(-outputs // CHANNELS)
    filled = np.zeros((blocks * CHANNELS, taps * inputs), np.float32)
    filled[:outputs] = weights.reshape(outputs, -1)
    filled_bias = np.zeros(blocks * CHANNELS, np.float32)
    filled_bias[:outputs] = bias
    fields = {"channels": outputs, "segments": segments, "length": length, "step": step, "stride": stride * inputs}
    return PackedFloat(
        "ecgd_conv_f32", filled.reshape(blocks, CHANNELS, -1).transpose(0, 2, 1).reshape(-1), filled_bias,
        {**{k: str(v) for k, v in fields.items()}, "low": float_literal(low), "high": float_literal(high)},
    )  # fmt: skip


def pack_depthwise_f32(
    weights: np.ndarray, bias: np.ndarray, low: float, high: float, stride: int = 1, dilation: int = 1
) -> PackedFloat:
    """Pack a depthwise convolution with one filter a channel; `weights` float32 [taps, channels]."""
    taps, channels = weights.shape
    fields = {"channels": channels, "taps": taps, "step": dilation * channels, "stride": stride * channels}
    return PackedFloat(
        "ecgd_depthwise_f32", np.ascontiguousarray(weights, np.float32).reshape(-1), np.asarray(bias, np.float32),
        {**{k: str(v) for k, v in fields.items()}, "low": float_literal(low), "high": float_literal(high)},
    )  # fmt: skip
