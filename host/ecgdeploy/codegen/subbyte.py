"""Weights of fewer than 8 bits: which layers' int8 weights fit in them without loss, and the words they become.

A layer is packed as it stands in the file: its int8 weights lie on a grid of at most 2**b values, and the grid's places
are kept in b bits (``firmware/kernels/ecgd_packed.h`` declares the layout). Two kinds of grid are recognised:

* consecutive values: the bytes that the kernel reads, less an offset. Weights quantized to b bits, that is within
  ``-(2**(b-1) - 1) .. 2**(b-1) - 1`` with their own scale a channel, are of this kind;
* any other 2**b values, through a table for the layer or one for each channel: weights that were rounded to few levels
  and quantized to int8 afterwards.

Nothing is approximated here; results are those of the unpacked layer, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.packing import PackedConv, pack_conv, pack_depthwise
from ecgdeploy.errors import unknown

MODES = ("auto", "packed", "int8")
"""Pack where flash is won, wherever it is possible, or nowhere."""
BLOCK = 32
SCRATCH = 1024
"""Bytes of unpacked weights that a group of channels fills, unless two channels need more."""
MOST_SCRATCH = 8192
"""Bytes of RAM above which a layer is not packed unasked: a dense layer on a flattened record would need them."""
MOST_BLOCKS = 65535
LEAST_SAVING = 0.1
"""Part of a layer's weights that packing must save: the unpacking takes instructions and RAM."""
CODE_BYTES = 640
"""What the unpacking functions take of flash; the layers together must save more."""
WIDTHS = (4, 2, 1)


def pack_weights(network: ir.Network, mode: str = "auto") -> ir.Network:
    """The same network with a `Packing` on the layers that are to be kept packed.

    Parameters
    ----------
    mode : "auto" (layers that get at least a tenth smaller and take at most MOST_SCRATCH of RAM, if all of them
        together save more than the code costs), "packed" (every layer that fits in fewer than 8 bits) or "int8" (none)

    Raises
    ------
    UsageError
        Another mode.
    """
    if mode not in MODES:
        raise unknown("way of keeping weights", mode, MODES)
    if mode == "int8":
        return network
    found: dict[int, ir.Packing] = {}
    saved = 0
    for stage in network.stages:
        work = stage.work
        if not isinstance(work, (ir.Conv, ir.Depthwise)) or network.values[stage.reads[0].value].dtype != "int8":
            continue
        packing = _smallest(network, stage, work)
        if packing is None or packing.blocks > MOST_BLOCKS:
            continue
        whole = _plain_bytes(work)
        worth = whole - packing.bytes >= LEAST_SAVING * whole and packing.scratch_bytes <= MOST_SCRATCH
        if mode == "packed" or worth:
            found[stage.index] = packing
            saved += whole - packing.bytes
    if not found or (mode == "auto" and saved <= CODE_BYTES):
        return network
    stages = tuple(
        replace(s, work=replace(s.work, packing=found[s.index])) if s.index in found else s for s in network.stages
    )
    return replace(network, stages=stages)


def pack_layer(network: ir.Network, stage: ir.Stage, work: ir.Conv | ir.Depthwise, may_sum: bool = True) -> PackedConv:
    """The constants of one convolution as the kernels read them."""
    x, y = network.values[stage.reads[0].value], network.values[stage.writes]
    pack: Callable[..., PackedConv] = (
        partial(pack_conv, pool=work.pool, may_sum=may_sum) if isinstance(work, ir.Conv) else pack_depthwise
    )
    return pack(
        work.weights, work.bias, work.requant.multipliers, work.requant.shifts, work.requant.low, work.requant.high,
        y.zero_point, x.low, x.high, work.stride, work.dilation, "portable", y.time,
    )  # fmt: skip


def _smallest(network: ir.Network, stage: ir.Stage, work: ir.Conv | ir.Depthwise) -> ir.Packing | None:
    """The packing that takes the fewest bytes, consecutive values first; None where all need 8 bits."""
    channels = len(work.bias)
    channels += channels % 2
    as_read = pack_layer(network, stage, work)
    summed = isinstance(work, ir.Conv) and as_read.fields["form"] == 0
    plain = pack_layer(network, stage, work, may_sum=False) if summed else as_read
    choices: list[ir.Packing] = []
    for stream, sum_form in ((as_read.weights, summed), (plain.weights, False)):
        low, high = min(int(stream.min()), 0), int(stream.max())
        bits = max(int(high - low).bit_length(), 1)
        if bits < 8:
            choices.append(_packing(stream.astype(np.int16) - low, channels, bits, -low, None, sum_form))
    rows = plain.weights.reshape(channels // 2, -1, 2).transpose(0, 2, 1).reshape(channels, -1)
    choices += _tables(rows, plain.weights, channels)
    return min(choices, key=lambda p: (p.bytes, p.table is not None), default=None)


def _tables(rows: np.ndarray, stream: np.ndarray, channels: int) -> list[ir.Packing]:
    """Packings through tables of the values that occur: one for the layer, or one a channel."""
    found = []
    levels = np.unique(rows)
    if len(levels) <= 64:
        bits = max(int(len(levels) - 1).bit_length(), 1)
        codes = np.searchsorted(levels, stream)
        if levels.tolist() == [-1, 1]:
            found.append(replace(_packing(codes, channels, 1, 1, None, False), signs=True))
        else:
            found.append(_packing(codes, channels, bits, 0, _filled(levels, bits)[None], False))
    own = [np.unique(row) for row in rows]
    most = max(len(values) for values in own)
    if most <= 64 and most < len(levels):
        bits = max(int(most - 1).bit_length(), 1)
        table = np.stack([_filled(values, bits) for values in own])
        codes = np.stack([np.searchsorted(values, row) for values, row in zip(own, rows, strict=True)])
        flat = codes.reshape(channels // 2, 2, -1).transpose(0, 2, 1).reshape(-1)
        found.append(_packing(flat, channels, bits, 0, table, False))
    return found


def _filled(values: np.ndarray, bits: int) -> np.ndarray:
    table = np.zeros(1 << bits, np.int8)
    table[: len(values)] = values
    return table


def _packing(
    codes: np.ndarray, channels: int, bits: int, offset: int, table: np.ndarray | None, sum_form: bool
) -> ir.Packing:
    """`codes` in the order of the kernel's bytes, cut into groups of whole channel pairs."""
    pair = codes.size // (channels // 2)
    pairs = max(1, min(SCRATCH // pair, channels // 2))
    groups = -(-(channels // 2) // pairs)
    pairs = -(-(channels // 2) // groups)  # the last group is no leaner than it must be
    size = -(-pairs * pair // BLOCK) * BLOCK
    filled = np.zeros((groups, size), np.uint32)
    for group in range(groups):
        part = codes[group * pairs * pair : (group + 1) * pairs * pair]
        filled[group, : part.size] = part
    words = _words(filled.reshape(-1, BLOCK), bits)
    return ir.Packing(bits, offset, table, sum_form, 2 * pairs, size // BLOCK, words)


def _words(blocks: np.ndarray, bits: int) -> np.ndarray:
    """Blocks [blocks, 32] of codes -> uint32 words [blocks * bits], as ``ecgd_packed.h`` says."""
    places = np.array([1, 1 << 8, 1 << 16, 1 << 24], np.uint32)
    planes = []
    below = 0
    for width in WIDTHS:
        if not bits & width:
            continue
        fields = (blocks >> below) & ((1 << width) - 1)
        words = (fields.reshape(-1, 8, 4) * places).sum(2, dtype=np.uint32)  # one for each word that comes out
        per = 8 // width
        shifts = (width * np.arange(per)).astype(np.uint32)
        planes.append((words.reshape(len(blocks), width, per) << shifts).sum(2, dtype=np.uint32))
        below += width
    return np.concatenate(planes, axis=1).reshape(-1)


@dataclass(frozen=True)
class LayerWeights:
    """What one layer's weights take.

    Attributes
    ----------
    stage, operator : places in the plan and in the file
    kind : of the operator
    count : weights
    bits : of each as kept: 1..8, or 32
    bytes : in flash: words, tables and the fillings between
    """

    stage: int
    operator: int
    kind: str
    count: int
    bits: int
    bytes: int


def layer_weights(network: ir.Network) -> tuple[LayerWeights, ...]:
    """The weights of every convolution, dense layer and LSTM, in the order of the network."""
    found = []
    for stage in network.stages:
        work = stage.work
        if isinstance(work, (ir.Conv, ir.Depthwise)):
            packing = work.packing
            bits, size = (packing.bits, packing.bytes) if packing else (8, _plain_bytes(work))
            count = work.weights.size
        elif isinstance(work, ir.FloatConv):
            count, bits, size = work.weights.size, 32, 4 * work.weights.size
        elif isinstance(work, ir.Lstm):
            count, bits = sum(gate.weights.size for gate in work.gates), 8
            size = sum(_plain_bytes(gate) for gate in work.gates)
        else:
            continue
        found.append(LayerWeights(stage.index, stage.operator, stage.kind, count, bits, size))
    return tuple(found)


def _plain_bytes(work: ir.Conv | ir.Depthwise) -> int:
    """Bytes of int8 weights as the kernels read them: channels in pairs, windows in fours."""
    if isinstance(work, ir.Depthwise):
        channels, windows = work.weights.shape[1], [len(work.weights)]
    else:
        channels, taps, inputs = work.weights.shape
        windows = [taps * inputs] if work.dilation == 1 or taps == 1 else [inputs] * taps
    return (channels + channels % 2) * sum(-(-window // 4) * 4 for window in windows)
