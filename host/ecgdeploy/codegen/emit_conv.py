"""Convolutions and pools as C: their constants, and the call of the kernel."""

# ruff: noqa: E501  (lines of C)
from __future__ import annotations

from typing import TYPE_CHECKING

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.emit_layer import packed_layer
from ecgdeploy.codegen.emit_narrow import narrow_convolution
from ecgdeploy.codegen.emit_subbyte import subbyte_calls
from ecgdeploy.codegen.emit_wide import wide_convolution

if TYPE_CHECKING:
    from ecgdeploy.codegen.emit import Emitter


def convolution(e: Emitter, stage: ir.Stage, work: ir.Conv | ir.Depthwise) -> list[str]:
    """The statements of a convolution, dense layer or depthwise convolution."""
    x = e.network.values[stage.reads[0].value]
    y = e.network.values[stage.writes]
    if work.packing is not None:
        return subbyte_calls(e, stage, work, work.packing)
    if work.requant.wide:
        return wide_convolution(e, stage, work)
    if x.narrow or y.narrow:
        return narrow_convolution(e, stage, work)
    kernel, layer = packed_layer(e, str(stage.index), stage, work, x.low, x.high, y.zero_point, y.time)
    return [f"{kernel}(&{layer}, {e.window(stage, 0)}, (uint32_t)n, room_{stage.writes}(n));"]


def pool(e: Emitter, stage: ir.Stage, work: ir.Pool) -> list[str]:
    """The statements of a pool."""
    x, y = e.network.values[stage.reads[0].value], e.network.values[stage.writes]
    kernel = f"ecgd_{work.mode}_pool{'_u8' if y.narrow else ''}"
    i = stage.index
    e.source.constants.append(
        f"static const ecgd_pool_t pool_{i} = {{.channels = {y.channels}, .taps = {work.taps}, .stride = {work.stride}, "
        f".low = {work.low}, .high = {work.high}, .zero = {y.zero_point}}};\n"
    )
    reach_end = (y.time - 1) * work.stride + work.taps - work.before
    if work.before == 0 and reach_end <= x.time:
        return [f"{kernel}(&pool_{i}, {e.window(stage, 0)}, (uint32_t)n, room_{stage.writes}(n));"]
    edges = "pool_at_edges_u8" if y.narrow else "pool_at_edges"
    e.needs_edges.add("pool_u8" if y.narrow else "pool")
    start = f"({y.time} - s.left_{i}) * {work.stride} - {work.before}"
    return [f"{edges}({kernel}, &pool_{i}, {e.window(stage, 0)}, {start}, {x.time}, n, room_{stage.writes}(n));"]
