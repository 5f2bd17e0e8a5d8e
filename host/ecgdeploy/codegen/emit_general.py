"""Stages of ``firmware/kernels/ecgd_general.h`` as C."""

# ruff: noqa: E501  (lines of C)
from __future__ import annotations

from typing import TYPE_CHECKING

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.emit_float import c_float

if TYPE_CHECKING:
    from ecgdeploy.codegen.emit import Emitter


def general_calls(e: Emitter, stage: ir.Stage) -> list[str]:
    """The statements of such a stage that do its work."""
    work, i = stage.work, stage.index
    e.headers.add("ecgd_general.h")
    x, y = e.network.values[stage.reads[0].value], e.network.values[stage.writes]
    window, out = e.window(stage, 0), f"room_{stage.writes}(n)"
    if isinstance(work, ir.Move):
        extents, steps = ", ".join(map(str, work.extents)), ", ".join(map(str, work.steps))
        e.source.constants.append(
            f"static const ecgd_move_t move_{i} = {{.extent = {{{extents}}}, .step = {{{steps}}}}};\n"
        )
        bits = 32 if x.dtype == "float32" else 16
        return [f"ecgd_move{bits}(&move_{i}, {window} + {work.offset}, {out});"]
    if isinstance(work, ir.SumRows):
        return [
            f"ecgd_sum_rows({window}, (uint32_t)n, {x.channels}, {work.multiplier}, {-work.shift}, {work.low}, {work.high}, {out});"
        ]
    if isinstance(work, ir.Convert):
        count = f"(uint32_t)n * {y.channels}u"
        if work.direction == "quantize":
            return [f"ecgd_quantize_f32({window}, {count}, {c_float(work.scale)}, {y.zero_point}, {out});"]
        return [f"ecgd_dequantize_f32({window}, {count}, {c_float(work.scale)}, {out});"]
    assert isinstance(work, ir.MatMul), stage.kind
    e.source.constants.append(
        f"static const ecgd_matmul_t matmul_{i} = {{.rows = {work.rows}, .columns = {work.columns}, .depth = {work.depth}, "
        f".row_a = {work.row_a}, .depth_a = {work.depth_a}, .depth_b = {work.depth_b}, .column_b = {work.column_b}, "
        f".multiplier = {work.multiplier}, .right = {-work.shift}, .low = {work.low}, .high = {work.high}}};\n"
    )
    a, b, c = work.rows * work.depth, work.depth * work.columns, work.rows * work.columns
    second = e.window(stage, 1)
    return [
        f"int16_t *out = {out};",
        f"for (int b = 0; b < {work.batches}; b++) {{",
        f"    ecgd_matmul(&matmul_{i}, {window} + b * {a}, {second} + b * {b}, out + b * {c});",
        "}",
    ]
