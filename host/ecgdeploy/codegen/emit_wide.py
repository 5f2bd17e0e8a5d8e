"""Stages of 16-bit activations as C: calls of ``firmware/kernels/ecgd_wide.h``."""

# ruff: noqa: E501  (lines of C)
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgdeploy.codegen import ir, ir_wide
from ecgdeploy.codegen.arithmetic import sigmoid_table16
from ecgdeploy.codegen.arithmetic_wide import exponential_table, reciprocal_table
from ecgdeploy.codegen.c_text import c_array
from ecgdeploy.codegen.packing_wide import pack_wide

if TYPE_CHECKING:
    from ecgdeploy.codegen.emit import Emitter


def wide_layer(e: Emitter, stage: ir.Stage, work: ir.Conv | ir.Depthwise) -> tuple[str, str]:
    """Constants of a convolution or dense layer that is rounded once; (kernel, name of its struct)."""
    e.headers.add("ecgd_wide.h")
    i = stage.index
    packed = pack_wide(work, e.network.values[stage.reads[0].value], e.network.values[stage.writes])
    if packed.definition and packed.definition not in e.definitions:
        e.definitions.append(packed.definition)
    scale = ",\n    ".join(f"{{{int(b)}, {int(m)}}}" for b, m in packed.scale)
    lines = [
        f"/* {e.describe(stage)} */",
        f"static const int8_t weights_{i}[{packed.weights.size}] __attribute__((aligned(4))) = {{\n    {c_array(packed.weights)}}};",
        f"static const ecgd_scale_t scale_{i}[{len(packed.scale)}] = {{\n    {scale}}};",
    ]
    right = "NULL"
    if packed.right is not None:
        right = f"right_{i}"
        lines.append(f"static const int8_t {right}[{packed.right.size}] = {{\n    {c_array(packed.right)}}};")
    members = ", ".join(f".{name} = {value}" for name, value in packed.fields.items())
    layer = f"{{.weights = weights_{i}, .scale = scale_{i}, .right = {right}, {members}}}"
    kind = "ecgd_conv_t" if isinstance(work, ir.Conv) else "ecgd_depthwise_t"
    if packed.bias is not None:
        kind, layer = "ecgd_conv_long_t", f"{{.layer = {layer}, .bias = bias_{i}}}"
        biases = ", ".join(_int64(int(b)) for b in packed.bias)
        lines.append(f"static const int64_t bias_{i}[{packed.bias.size}] = {{{biases}}};")
    lines.append(f"static const {kind} layer_{i} = {layer};\n")
    e.source.constants.append("\n".join(lines))
    return packed.kernel, f"layer_{i}"


def wide_convolution(e: Emitter, stage: ir.Stage, work: ir.Conv | ir.Depthwise) -> list[str]:
    """The statements of such a layer in one dimension."""
    kernel, layer = wide_layer(e, stage, work)
    return [f"{kernel}(&{layer}, {e.window(stage, 0)}, (uint32_t)n, room_{stage.writes}(n));"]


def _int64(value: int) -> str:
    return f"INT64_C({value})" if value > -(1 << 63) else "INT64_MIN"


def shared_table(e: Emitter, name: str, kind: str, values: np.ndarray) -> str:
    """Name of a constant table that several stages use."""
    if name not in e.shared:
        e.shared.add(name)
        e.source.constants.append(f"static const {kind} {name}[{values.size}] = {{\n    {c_array(values)}}};\n")
    return name


def wide_calls(e: Emitter, stage: ir.Stage, work: ir_wide.Function) -> list[str]:
    """The statements of a function of 16-bit values."""
    i = stage.index
    e.headers.add("ecgd_wide.h")
    y = e.network.values[stage.writes]
    window, out, count = e.window(stage, 0), f"room_{stage.writes}(n)", f"(uint32_t)n * {y.channels}u"
    if isinstance(work, ir_wide.Rescale):
        e.source.constants.append(
            f"static const ecgd_rescale_t rescale_{i} = {{.multiplier = {{{work.multipliers[0]}, {work.multipliers[1]}}}, "
            f".right = {{{-work.shifts[0]}, {-work.shifts[1]}}}, .low = {work.low}, .high = {work.high}}};\n"
        )
        return [f"ecgd_rescale(&rescale_{i}, {window}, {count}, {out});"]
    if isinstance(work, ir_wide.Sigmoid):
        table = shared_table(e, "sigmoid_table", "uint16_t", sigmoid_table16())
        e.source.constants.append(
            f"static const ecgd_sigmoid_t {work.function}_{i} = {{.table = {table}, .multiplier = {work.multiplier}, .shift = {work.shift}}};\n"
        )
        return [f"ecgd_{work.function}_wide(&{work.function}_{i}, {window}, {count}, {out});"]
    if isinstance(work, ir_wide.Rsqrt):
        e.source.constants.append(
            f"static const ecgd_rsqrt_t rsqrt_{i} = {{.multiplier = {work.multiplier}, .right = {-work.shift}}};\n"
        )
        return [f"ecgd_rsqrt_wide(&rsqrt_{i}, {window}, {count}, {out});"]
    assert isinstance(work, ir_wide.WideSoftmax), stage.kind
    exponential = shared_table(e, "exponential_table", "int16_t", exponential_table())
    reciprocal = shared_table(e, "reciprocal_table", "int16_t", reciprocal_table())
    e.source.constants.append(
        f"static const ecgd_softmax_wide_t softmax_{i} = {{.exponential = {exponential}, .reciprocal = {reciprocal}, "
        f".multiplier = {work.multiplier}, .right = {-work.shift}}};\n"
    )
    return [f"ecgd_softmax_wide(&softmax_{i}, {window}, (uint32_t)n, {y.channels}, {out});"]
