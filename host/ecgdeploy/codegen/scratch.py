"""Bytes of the elements that kernels work on, and of what a convolution lays out for itself before it computes."""

from __future__ import annotations

from functools import lru_cache

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.packing import reads_bytes

WORD = 4
CONV_BLOCK = 3  # positions a DSP convolution reads at once, however few are asked for (ecgd_kernels.h)
READ_SLACK = 4  # elements it may read past its last window


def c_type(value: ir.Value) -> str:
    """C type of an element while it is worked on."""
    return "float" if value.dtype == "float32" else "uint8_t" if value.narrow else "int16_t"


def element_bytes(value: ir.Value) -> int:
    """Bytes an element takes while it is worked on."""
    return 4 if value.dtype == "float32" else 1 if value.narrow else 2


def rounded(size: int) -> int:
    """Whole words."""
    return -(-size // WORD) * WORD


def gathered_bytes(work: ir.Grid, element: int) -> int:
    """RAM that the windows of a block take, side by side, with what kernels read beyond them."""
    weights = work.inner.weights
    depthwise = isinstance(work.inner, ir.Depthwise) or (isinstance(work.inner, ir.FloatConv) and work.inner.depthwise)
    window = weights.size if depthwise else weights.size // weights.shape[0]
    rows = -(-work.block // CONV_BLOCK) * CONV_BLOCK
    return rounded((rows * window + READ_SLACK) * element)


def packing_of(stage: ir.Stage) -> ir.Packing | None:
    """How a stage's weights of few bits are packed; None where they are not."""
    return stage.work.packing if isinstance(stage.work, (ir.Conv, ir.Depthwise)) else None


def scratch_rows(network: ir.Network, stage: ir.Stage, packing: ir.Packing, positions: int) -> int:
    """Bytes of a group's results before they take their places among the other channels' (``ecgd_packed.h``)."""
    whole = packing.group >= network.values[stage.writes].channels
    return 0 if whole or positions == 1 else rounded(positions * packing.group * 2)


def widened_rows(stage: ir.Stage, positions: int) -> tuple[int, int]:
    """Rows that a convolution of a narrow value widens for so many positions, and their distance in positions.

    Windows of one position are set side by side, so that the convolution's own stride is 1.
    """
    read = stage.reads[0]
    if gathered(stage):
        return positions, read.stride
    return (positions - 1) * read.stride + read.reach, 1


def gathered(stage: ir.Stage) -> bool:
    """Whether a convolution of a narrow value leaves out the rows that it does not read."""
    return stage.reads[0].reach == 1 and stage.reads[0].stride > 1


def interleaved(network: ir.Network, stage: ir.Stage) -> bool:
    """Whether a convolution, if its input is narrow, sets the bytes of three windows side by side as int16."""
    work, x = stage.work, network.values[stage.reads[0].value]
    if not isinstance(work, ir.Conv) or work.packing is not None or work.pool != 1 or stage.reads[0].whole:
        return False
    if (work.dilation > 1 and work.taps > 1) or network.values[stage.writes].time == 1 or x.dtype != "int8":
        return False
    return _reads_bytes(work, x.low, x.high, x.zero_point + 128)


@lru_cache(maxsize=256)
def _reads_bytes(work: ir.Conv, low: int, high: int, offset: int) -> bool:
    return reads_bytes(work.weights, work.bias, work.requant.shifts, low, high, offset)


def widened_bytes(network: ir.Network, stage: ir.Stage, positions: int) -> int:
    """RAM that the int16 copy of a convolution's narrow window takes; 0 for other stages."""
    if not isinstance(stage.work, ir.Conv) or not network.values[stage.reads[0].value].narrow:
        return 0
    if interleaved(network, stage):
        return 2 * CONV_BLOCK * stage.work.weights[0].size
    rows, _ = widened_rows(stage, -(-positions // CONV_BLOCK) * CONV_BLOCK)
    return rounded(2 * (rows * network.values[stage.reads[0].value].channels + READ_SLACK))
