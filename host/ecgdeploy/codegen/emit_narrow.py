"""C of stages that read or write values kept as bytes (`ecgdeploy.codegen.storage`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.emit_layer import packed_constants, packed_layer
from ecgdeploy.codegen.packing import pack_conv_bytes
from ecgdeploy.codegen.schedule import outputs_of
from ecgdeploy.codegen.scratch import gathered, interleaved, widened_rows

if TYPE_CHECKING:
    from ecgdeploy.codegen.emit import Emitter


def narrow_convolution(e: Emitter, stage: ir.Stage, work: ir.Conv | ir.Depthwise) -> list[str]:
    """A convolution: depthwise kernels read bytes, others an int16 copy of the window; either ending stores them."""
    x, y = e.network.values[stage.reads[0].value], e.network.values[stage.writes]
    window, out = e.window(stage, 0), f"room_{stage.writes}(n)"
    layer_of = (str(stage.index), stage)
    limits = (x.low, x.high, y.zero_point, y.time)
    if isinstance(work, ir.Depthwise):
        kernel, layer = packed_layer(e, *layer_of, work, *limits, narrow=True, offset=x.padding)
        return [f"{kernel}(&{layer}, {window}, (uint32_t)n, {out});"]
    if not x.narrow:
        kernel, layer = packed_layer(e, *layer_of, work, *limits, narrow=True)
        return [f"{kernel}(&{layer}, {window}, (uint32_t)n, {out});"]
    if interleaved(e.network, stage):
        r = work.requant
        packed = pack_conv_bytes(
            work.weights, work.bias, r.multipliers, r.shifts, r.low, r.high, y.zero_point, x.low, x.high, work.stride,
            y.narrow, x.padding,
        )  # fmt: skip
        assert packed is not None, "storage.py keeps a clamped value as int16"
        kernel, layer = packed_constants(e, str(stage.index), stage, packed)
        return [f"{kernel}(&{layer}, {window}, (uint32_t)n, (int16_t *)SCRATCH_{stage.index}, {out});"]
    if gathered(stage):
        work = replace(work, stride=1)
    kernel, layer = packed_layer(e, *layer_of, work, *limits, narrow=y.narrow)
    scratch, channels = f"(int16_t *)SCRATCH_{stage.index}", x.channels
    if gathered(stage):
        _, step = widened_rows(stage, 1)
        rows = f"(uint32_t)n, {channels}, {step * channels}"
    else:
        read = stage.reads[0]
        count = f"((uint32_t)n - 1u) * {read.stride * channels}u + {read.reach * channels}u"
        rows = f"1, {count}, 0"
    return [
        f"ecgd_widen_rows({window}, {rows}, {x.padding}, {scratch});",
        f"{kernel}(&{layer}, {scratch}, (uint32_t)n, {out});",
    ]


def narrow_mean(e: Emitter, stage: ir.Stage, work: ir.Mean) -> list[str]:
    """Sums of bytes, whose offset is taken away when they are requantized."""
    i = stage.index
    x, y = e.network.values[stage.reads[0].value], e.network.values[stage.writes]
    count = x.elements // y.elements
    rows = f"{count}" if stage.reads[0].whole else "(uint32_t)n"
    return [
        f"if (s.left_{i} == {outputs_of(e.network, stage)}) {{",
        f"    zero(SUMS_{i}, {2 * y.elements});",
        "}",
        f"ecgd_accumulate_u8(SUMS_{i}, {e.window(stage, 0)}, {y.elements}, {rows});",
        f"if (s.left_{i} == n) {{",
        f"    ecgd_requantize_sums_u8(SUMS_{i}, {y.elements}, {count * x.padding}, {work.multiplier}, {-work.shift}, "
        f"{work.low}, {work.high}, room_{stage.writes}(1));",
        "}",
    ]
