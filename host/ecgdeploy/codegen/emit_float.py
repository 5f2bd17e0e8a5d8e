"""The float32 stages as C: calls of ``firmware/kernels/ecgd_kernels_f32.h``."""

# ruff: noqa: E501  (lines of C)
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.c_text import c_float, c_floats
from ecgdeploy.codegen.schedule import outputs_of

if TYPE_CHECKING:
    from ecgdeploy.codegen.emit import Emitter

BLOCK = 8  # output channels that run side by side (ECGD_F32_CHANNELS)


def float_calls(e: Emitter, stage: ir.Stage) -> list[str]:
    """The statements of a float32 stage that do its work."""
    work, i = stage.work, stage.index
    x = e.network.values[stage.reads[0].value]
    if isinstance(work, ir.Output):
        return [f"memcpy(OUTPUT_{work.number}, {e.window(stage, 0)}, {4 * x.elements});"]
    y = e.network.values[stage.writes]
    if isinstance(work, ir.FloatConv):
        return _convolution(e, stage, work)
    if isinstance(work, ir.Pool):
        e.source.constants.append(
            f"static const ecgd_pool_f32_t pool_{i} = {{.channels = {y.channels}, .taps = {work.taps}, .stride = {work.stride}, "
            f".low = {c_float(work.low)}, .high = {c_float(work.high)}}};\n"
        )
        kernel = f"ecgd_{work.mode}_pool_f32"
        if work.before == 0 and (y.time - 1) * work.stride + work.taps <= x.time:
            return [f"{kernel}(&pool_{i}, {e.window(stage, 0)}, (uint32_t)n, room_{stage.writes}(n));"]
        e.needs_edges.add("pool_f32")
        start = f"({y.time} - s.left_{i}) * {work.stride} - {work.before}"
        return [
            f"pool_at_edges_f32({kernel}, &pool_{i}, {e.window(stage, 0)}, {start}, {x.time}, n, room_{stage.writes}(n));"
        ]
    if isinstance(work, ir.Elementwise):
        return _elementwise(e, stage, work)
    if isinstance(work, ir.Mean):
        count = x.elements // y.elements if stage.reads[0].whole else "(uint32_t)n"
        finish = f"ecgd_divide_f32(SUMS_{i}, {y.elements}, {float(work.divisor)}f, room_{stage.writes}(1));"
        if not work.divisor:
            finish = f"memcpy(room_{stage.writes}(1), SUMS_{i}, {4 * y.elements});"
        return [
            f"if (s.left_{i} == {outputs_of(e.network, stage)}) {{",
            f"    zero(SUMS_{i}, {4 * y.elements});",
            "}",
            f"ecgd_accumulate_f32(SUMS_{i}, {e.window(stage, 0)}, {y.elements}, {count});",
            f"if (s.left_{i} == n) {{",
            f"    {finish}",
            "}",
        ]
    if isinstance(work, ir.MatMul):
        return _matmul(e, stage, work)
    assert isinstance(work, ir.FloatFunction), stage.kind
    out, count, window = f"room_{stage.writes}(n)", f"(uint32_t)n * {y.channels}u", e.window(stage, 0)
    if work.function == "softmax":
        return [f"ecgd_softmax_f32({c_float(work.parameter)}, {window}, (uint32_t)n, {y.channels}, {out});"]
    if work.function == "logistic":
        return [f"ecgd_logistic_f32({window}, {count}, {out});"]
    if work.function == "leaky_relu":
        return [f"ecgd_leaky_relu_f32({window}, {count}, {c_float(work.parameter)}, {out});"]
    if work.function == "sum_rows":
        e.headers.add("ecgd_functions.h")
        return [f"ecgd_sum_rows_f32({window}, (uint32_t)n, {x.elements // y.elements}, {c_float(work.parameter)}, {out});"]
    if work.function != "clamp":
        e.headers.add("ecgd_functions.h")
        name = "exp_all" if work.function == "exp" else work.function
        return [f"ecgd_{name}_f32({window}, {count}, {out});"]
    return [f"ecgd_clamp_f32({window}, {count}, {c_float(work.low)}, {c_float(work.high)}, {out});"]


def _matmul(e: Emitter, stage: ir.Stage, work: ir.MatMul) -> list[str]:
    e.headers.add("ecgd_functions.h")
    i = stage.index
    e.source.constants.append(
        f"static const ecgd_matmul_f32_t matmul_{i} = {{.rows = {work.rows}, .columns = {work.columns}, "
        f".depth = {work.depth}, .row_a = {work.row_a}, .depth_a = {work.depth_a}, .depth_b = {work.depth_b}, "
        f".column_b = {work.column_b}}};\n"
    )
    a, b, c = work.rows * work.depth, work.depth * work.columns, work.rows * work.columns
    return [
        f"float *out = room_{stage.writes}(n);",
        f"for (int b = 0; b < {work.batches}; b++) {{",
        f"    ecgd_matmul_f32(&matmul_{i}, {e.window(stage, 0)} + b * {a}, {e.window(stage, 1)} + b * {b}, out + b * {c});",
        "}",
    ]


def _convolution(e: Emitter, stage: ir.Stage, work: ir.FloatConv) -> list[str]:
    kernel, layer = float_layer(e, stage, work, e.network.values[stage.reads[0].value].channels)
    return [f"{kernel}(&{layer}, {e.window(stage, 0)}, (uint32_t)n, room_{stage.writes}(n));"]


def float_layer(e: Emitter, stage: ir.Stage, work: ir.FloatConv, inputs: int) -> tuple[str, str]:
    """Constants of a float32 convolution of `inputs` channels; (kernel, name of its struct)."""
    i = stage.index
    y = e.network.values[stage.writes]
    limits = f".low = {c_float(work.low)}, .high = {c_float(work.high)}"
    if work.depthwise:
        kind, kernel, weights, bias = "ecgd_depthwise_f32_t", "ecgd_depthwise_f32", work.weights, work.bias
        shape = f".taps = {work.taps}, .step = {work.dilation * inputs}"
    else:
        kind, kernel = "ecgd_conv_f32_t", "ecgd_conv_f32"
        outputs, taps, inputs = work.weights.shape
        filled = -(-outputs // BLOCK) * BLOCK
        full = np.zeros((filled, taps * inputs), np.float32)
        full[:outputs] = work.weights.reshape(outputs, -1)
        weights = full.reshape(-1, BLOCK, taps * inputs).transpose(0, 2, 1)
        bias = np.zeros(filled, np.float32)
        bias[:outputs] = work.bias
        contiguous = work.dilation == 1 or taps == 1
        segments, length = (1, taps * inputs) if contiguous else (taps, inputs)
        shape = f".segments = {segments}, .length = {length}, .step = {0 if contiguous else work.dilation * inputs}"
    e.source.constants.append(
        f"/* {e.describe(stage)} */\n"
        f"static const float weights_{i}[{weights.size}] = {{\n    {c_floats(weights)}}};\n"
        f"static const float bias_{i}[{bias.size}] = {{\n    {c_floats(bias)}}};\n"
        f"static const {kind} layer_{i} = {{.weights = weights_{i}, .bias = bias_{i}, .channels = {y.channels}, {shape}, "
        f".stride = {work.stride * inputs}, {limits}}};\n"
    )
    return kernel, f"layer_{i}"


def _elementwise(e: Emitter, stage: ir.Stage, work: ir.Elementwise) -> list[str]:
    y = e.network.values[stage.writes]
    i, c = stage.index, y.channels
    e.source.constants.append(
        f"static const ecgd_elementwise_f32_t elementwise_{i} = {{.low = {c_float(work.low)}, .high = {c_float(work.high)}}};\n"
    )
    operands, patterns = [], list(work.patterns)
    variable = iter(range(len(stage.reads)))
    for which, constant in enumerate(work.constants):
        if constant is None:
            operands.append(e.window(stage, next(variable)))
            continue
        name = f"operand_{i}_{which}"
        e.source.constants.append(f"static const float {name}[{constant.size}] = {{\n    {c_floats(constant)}}};\n")
        offset = {"full": f" + ({y.time} - s.left_{i}) * {c}", "position": f" + ({y.time} - s.left_{i})"}
        operands.append(name + offset.get(patterns[which], ""))
    one = ("scalar", "position")
    if work.operation not in ("add", "sub", "mul"):
        e.headers.add("ecgd_functions.h")
    if patterns[0] in one and work.operation in ("add", "mul"):  # the kernels broadcast their second operand only
        operands.reverse()
        patterns.reverse()
    kernel, op = f"ecgd_{work.operation}_f32", f"&elementwise_{i}"
    row = {"full": f" + p * {c}", "position": " + p", "channel": "", "scalar": ""}
    a, b = (f"{operand}{row[pattern]}" for operand, pattern in zip(operands, patterns, strict=True))
    head = [f"float *out = room_{stage.writes}(n);", "for (int p = 0; p < n; p++) {"]
    if patterns[0] in one:
        inner = f"{kernel}({op}, {a}, {b}{' + k' if patterns[1] not in one else ''}, 1, 1, out + p * {c} + k);"
        return [*head, f"    for (int k = 0; k < {c}; k++) {{", f"        {inner}", "    }", "}"]
    return [*head, f"    {kernel}({op}, {a}, {b}, {0 if patterns[1] in one else 1}, {c}, out + p * {c});", "}"]
