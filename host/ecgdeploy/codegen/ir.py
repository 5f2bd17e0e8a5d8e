"""What the code generator works on: values (positions x channels) and stages that turn values into values.

A value holds ``time`` positions of ``channels`` elements, in the order of the file's tensor. A stage reads windows of
its inputs and writes one value. RESHAPE and its kin are gone: tensors that are the same bytes are the same value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Value:
    """``time`` x ``channels`` elements; int8 ones are worked on as int16, free of their zero point.

    `tensor` is the file's tensor that names it in messages. A `narrow` value is kept as bytes, q + 128
    (`ecgdeploy.codegen.storage`).
    """

    index: int
    tensor: int
    name: str
    time: int
    channels: int
    dtype: str
    scale: float
    zero_point: int
    low: int  # smallest and largest zero-point-free element that can occur
    high: int
    narrow: bool = False

    @property
    def elements(self) -> int:
        """Number of elements."""
        return self.time * self.channels

    @property
    def padding(self) -> int:
        """The byte that padding is filled with."""
        return self.zero_point + 128 if self.narrow else 0


@dataclass(frozen=True)
class Read:
    """How a stage reads a value: for output i the positions from ``i * stride - before``, `reach` of them.

    Attributes
    ----------
    value : index of the value read
    reach, stride : window length (with dilation) and step, in positions
    before, after : positions outside the value that are read as zero
    clipped : the window is cut at the edges instead (pooling)
    whole : the stage needs all positions before it can start
    group : outputs that share a window: those of one row, where positions are the pixels of an image
    """

    value: int
    reach: int = 1
    stride: int = 1
    before: int = 0
    after: int = 0
    clipped: bool = False
    whole: bool = False
    group: int = 1


@dataclass(frozen=True, eq=False)
class Requant:
    """Accumulator to output: per-channel multiplier and shift, clamp of the zero-point-free result.

    A `wide` one is that of 16-bit activations: the accumulator has 64 bits, and is rounded once.
    """

    multipliers: np.ndarray  # int32 [channels]
    shifts: np.ndarray  # int32 [channels], positive = left
    low: int
    high: int
    wide: bool = False


@dataclass(frozen=True, eq=False)
class Packing:
    """How a layer's weights are kept in fewer than 8 bits (`ecgdeploy.codegen.subbyte`).

    Attributes
    ----------
    bits : of a code, 1..7
    offset : taken from every code; 0 where there is a table
    table : what the codes stand for, int8 [tables, 2**bits]: one table, or one an output channel; None: themselves
    sum_form : whether the kernel's bytes are of the sum form (`ecgd_weights_t`)
    group : output channels that are unpacked at a time
    blocks : of 32 bytes in a group
    codes : uint32 words of all groups
    signs : the weights are -1 and 1: twice the code, less the offset
    """

    bits: int
    offset: int
    table: np.ndarray | None
    sum_form: bool
    group: int
    blocks: int
    codes: np.ndarray
    signs: bool = False

    @property
    def bytes(self) -> int:
        """Bytes in flash: codes and tables."""
        return 4 * len(self.codes) + (0 if self.table is None else self.table.size)

    @property
    def scratch_bytes(self) -> int:
        """RAM that a group's unpacked weights take."""
        return 32 * self.blocks


@dataclass(frozen=True, eq=False)
class Conv:
    """Convolution (dense layers too, with one tap): weights int8 [out, taps, in], bias int32 or (wide) int64 [out].

    `pool` is 2 where the larger of each two neighbouring positions is the result (`ecgdeploy.codegen.fuse`).
    """

    weights: np.ndarray
    bias: np.ndarray
    taps: int
    stride: int
    dilation: int
    requant: Requant
    pool: int = 1
    packing: Packing | None = None


@dataclass(frozen=True, eq=False)
class Depthwise:
    """One filter a channel: weights int8 [taps, channels]."""

    weights: np.ndarray
    bias: np.ndarray
    taps: int
    stride: int
    dilation: int
    requant: Requant
    packing: Packing | None = None


@dataclass(frozen=True)
class Plane:
    """Geometry of a window that runs over two dimensions of an image [height][width][channels].

    The input element of tap (i, j) for output (y, x) is at row ``y * stride_h + i * dilation_h - before_h``, divided by
    `up_h` where it is a multiple of it, else zero (transposed convolutions insert zeros); columns likewise.
    """

    height: int
    width: int
    out_height: int
    out_width: int
    taps_h: int
    taps_w: int
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    before_h: int
    before_w: int
    up_h: int = 1
    up_w: int = 1


@dataclass(frozen=True, eq=False)
class Grid:
    """A convolution over a `plane`: the windows of `block` outputs at a time are gathered, side by side, for `inner`.

    `inner` is a Conv or FloatConv of one tap whose input is the whole window, or a depthwise one of all its taps.
    `channels` are the image's: the value that is read may run in another layout.
    """

    plane: Plane
    channels: int
    inner: Conv | Depthwise | FloatConv
    block: int


@dataclass(frozen=True)
class GridPool:
    """Max or average over the part of a window that lies inside the image."""

    plane: Plane
    mode: str
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class FloatConv:
    """Float32 convolution: weights [out, taps, in], or [taps, channels] where `depthwise`; bias [out]."""

    weights: np.ndarray
    bias: np.ndarray
    taps: int
    stride: int
    dilation: int
    low: float
    high: float
    depthwise: bool


@dataclass(frozen=True)
class FloatFunction:
    """RELU and its kin (a clamp), LEAKY_RELU, LOGISTIC or SOFTMAX of float32 values."""

    function: str
    low: float = 0.0
    high: float = 0.0
    parameter: float = 0.0  # slope or beta


@dataclass(frozen=True)
class Pool:
    """Max or average over a window, clamped; zero points of input and output are equal."""

    mode: str  # "max" or "average"
    taps: int
    stride: int
    before: int
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Elementwise:
    """ADD, SUB, MUL or SQUARED_DIFFERENCE of two operands.

    Attributes
    ----------
    operation : "add", "sub", "mul" or "squared_difference"
    patterns : how each operand runs: "full" [time][channels], "channel" [channels], "position" [time][1], "scalar"
    constants : zero-point-free int16 data of a constant operand, else None
    multipliers, shifts : input 1, input 2, output ("mul": output only)
    left_shift : shift of the inputs before rescaling
    """

    operation: str
    patterns: tuple[str, str]
    constants: tuple[np.ndarray | None, np.ndarray | None]
    multipliers: tuple[int, ...]
    shifts: tuple[int, ...]
    left_shift: int
    low: float
    high: float


@dataclass(frozen=True)
class Mean:
    """Sum over time, then requantized (MEAN divides in its multiplier; float32: by `divisor`)."""

    multiplier: int
    shift: int
    low: int = 0
    high: int = 0
    divisor: int = 0


@dataclass(frozen=True, eq=False)
class Lookup:
    """An int8 function as a table: index is q + 128 of the input, content is q of the output."""

    function: str
    table: np.ndarray


@dataclass(frozen=True)
class Softmax:
    """Softmax over the channels of every position (TFLite's fixed point, 5 integer bits)."""

    multiplier: int
    left_shift: int
    diff_min: int


@dataclass(frozen=True)
class Concat:
    """Inputs side by side: along the channels, or (all whole) along time."""

    axis: str  # "channels" or "time"


@dataclass(frozen=True)
class Move:
    """A box of elements in another order: slices, splits, transposes. Steps in elements of the input."""

    extents: tuple[int, ...]
    steps: tuple[int, ...]
    offset: int


@dataclass(frozen=True)
class SumRows:
    """Sum over the channels of every position, requantized."""

    multiplier: int
    shift: int
    low: int
    high: int


@dataclass(frozen=True)
class MatMul:
    """Product of two activations, `batches` times; steps in elements."""

    batches: int
    rows: int
    columns: int
    depth: int
    row_a: int
    depth_a: int
    depth_b: int
    column_b: int
    multiplier: int
    shift: int
    low: int
    high: int


@dataclass(frozen=True)
class Convert:
    """QUANTIZE from float32 ("quantize") or DEQUANTIZE to it ("dequantize")."""

    direction: str
    scale: float


@dataclass(frozen=True, eq=False)
class Lstm:
    """An int8 LSTM, a step a position: gates forget, input, cell, output, each from the input and the hidden state."""

    units: int
    gates: tuple[Conv, ...]  # input of the four gates, then hidden state of the four gates
    multipliers: tuple[int, ...]
    shifts: tuple[int, ...]
    cell_clip: int
    cell_power: int
    low: int
    high: int


@dataclass(frozen=True, eq=False)
class Prelu:
    """x, or x times the slope of its place where it is negative; int8: with two rescalings.

    `pattern` says how the slopes run, as in `Elementwise`.
    """

    pattern: str
    slopes: np.ndarray
    multipliers: tuple[int, ...] = ()
    shifts: tuple[int, ...] = ()
    low: int = 0
    high: int = 0


@dataclass(frozen=True)
class Pick:
    """For each of `rows` rows (0: positions) of `width` pieces of `inner` elements: the pieces named."""

    indices: tuple[int, ...]
    width: int
    inner: int
    rows: int


@dataclass(frozen=True)
class PadBox:
    """Zeros around a box in several dimensions: its shape, and how many before and after it in each."""

    shape: tuple[int, ...]
    widths: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Pad:
    """Zero positions before and after."""

    before: int
    after: int


@dataclass(frozen=True)
class Input:
    """Graph input number `number`, arriving as bytes."""

    number: int


@dataclass(frozen=True)
class Output:
    """Graph output number `number`, kept as bytes until the next inference."""

    number: int
    tensor: int


@dataclass(frozen=True, eq=False)
class Stage:
    """One step of the network: reads values, writes one (an output stage writes none)."""

    index: int
    operator: int  # index in the file, -1 for inputs and outputs
    kind: str
    reads: tuple[Read, ...]
    writes: int  # value index, -1 for none
    work: Any


@dataclass(frozen=True, eq=False)
class Network:
    """Values and stages of one graph, in execution order."""

    values: tuple[Value, ...]
    stages: tuple[Stage, ...]
    inputs: tuple[int, ...]  # tensor indices
    outputs: tuple[int, ...]
    macs: dict[int, int] = field(default_factory=dict)  # stage index -> multiply-accumulates
