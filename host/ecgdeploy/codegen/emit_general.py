"""Stages of ``firmware/kernels/ecgd_general.h`` as C."""

# ruff: noqa: E501  (lines of C)
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.arithmetic import sigmoid_table16
from ecgdeploy.codegen.c_text import c_float
from ecgdeploy.codegen.emit_layer import packed_layer
from ecgdeploy.codegen.emit_wide import shared_table

if TYPE_CHECKING:
    from ecgdeploy.codegen.emit import Emitter


def general_calls(e: Emitter, stage: ir.Stage, work: Any) -> list[str]:
    """The statements of such a stage that do its work."""
    i = stage.index
    e.headers.add("ecgd_lstm.h" if isinstance(work, ir.Lstm) else "ecgd_general.h")
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
            f"ecgd_sum_rows({window}, (uint32_t)n, {x.elements // y.elements}, {work.multiplier}, {-work.shift}, {work.low}, {work.high}, {out});"
        ]
    if isinstance(work, ir.Convert):
        count = f"(uint32_t)n * {y.channels}u"
        if work.direction == "quantize" and y.dtype == "int16":
            e.headers.add("ecgd_wide.h")
            return [f"ecgd_quantize_wide_f32({window}, {count}, {c_float(work.scale)}, {out});"]
        if work.direction == "quantize":
            return [f"ecgd_quantize_f32({window}, {count}, {c_float(work.scale)}, {y.zero_point}, {out});"]
        return [f"ecgd_dequantize_f32({window}, {count}, {c_float(work.scale)}, {out});"]
    if isinstance(work, ir.Lstm):
        return _lstm(e, stage, work)
    assert isinstance(work, ir.MatMul), stage.kind
    e.source.constants.append(
        f"static const ecgd_matmul_t matmul_{i} = {{.rows = {work.rows}, .columns = {work.columns}, .depth = {work.depth}, "
        f".row_a = {work.row_a}, .depth_a = {work.depth_a}, .depth_b = {work.depth_b}, .column_b = {work.column_b}, "
        f".multiplier = {work.multiplier}, .right = {-work.shift}, .low = {work.low}, .high = {work.high}}};\n"
    )
    a, b, c = work.rows * work.depth, work.depth * work.columns, work.rows * work.columns
    second, kernel = e.window(stage, 1), "ecgd_matmul_wide" if y.dtype == "int16" else "ecgd_matmul"
    if y.dtype == "int16":
        e.headers.add("ecgd_wide.h")
    return [
        f"int16_t *out = {out};",
        f"for (int b = 0; b < {work.batches}; b++) {{",
        f"    {kernel}(&matmul_{i}, {window} + b * {a}, {second} + b * {b}, out + b * {c});",
        "}",
    ]


def _lstm(e: Emitter, stage: ir.Stage, work: ir.Lstm) -> list[str]:
    i = stage.index
    x, y = e.network.values[stage.reads[0].value], e.network.values[stage.writes]
    kernels, layers = [], []
    for number, gate in enumerate(work.gates):
        source = x if number < 4 else y
        kernel, layer = packed_layer(e, f"{i}_{number}", stage, gate, source.low, source.high, 0, 1)
        kernels.append(kernel)
        layers.append(f"&{layer}")
    shared_table(e, "sigmoid_table", "uint16_t", sigmoid_table16())
    e.source.constants.append(
        f"static const ecgd_lstm_t lstm_{i} = {{.input_kernel = {{{', '.join(kernels[:4])}}}, .hidden_kernel = {{{', '.join(kernels[4:])}}}, "
        f".input = {{{', '.join(layers[:4])}}}, .hidden = {{{', '.join(layers[4:])}}}, .sigmoid = sigmoid_table, "
        f".multiplier = {{{', '.join(map(str, work.multipliers))}}}, .right = {{{', '.join(str(-s) for s in work.shifts)}}}, "
        f".units = {work.units}, .cell_clip = {work.cell_clip}, .cell_power = {work.cell_power}, .low = {work.low}, .high = {work.high}}};\n"
    )
    return [
        f"if (s.left_{i} == {y.time}) {{",
        f"    zero(STATE_{i}, {4 * work.units});",
        "}",
        f"int16_t *out = room_{stage.writes}(n);",
        "for (int p = 0; p < n; p++) {",
        f"    ecgd_lstm_step(&lstm_{i}, {e.window(stage, 0)} + p * {x.channels}, STATE_{i}, out + p * {y.channels});",
        "}",
    ]
