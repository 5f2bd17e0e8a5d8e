"""Stages of ``firmware/kernels/ecgd_functions.h`` as C."""

# ruff: noqa: E501  (lines of C)
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.c_text import c_array, c_floats
from ecgdeploy.codegen.scratch import c_type, element_bytes

if TYPE_CHECKING:
    from ecgdeploy.codegen.emit import Emitter


def prelu(e: Emitter, stage: ir.Stage, work: ir.Prelu) -> list[str]:
    """The statements of a PRELU: a row at a time, with the slopes of its place."""
    e.headers.add("ecgd_functions.h")
    i, y = stage.index, e.network.values[stage.writes]
    floats, c = y.dtype == "float32", y.channels
    values = c_floats(work.slopes) if floats else c_array(work.slopes)
    kind = "float" if floats else "int16_t"
    text = f"static const {kind} slopes_{i}[{work.slopes.size}] = {{\n    {values}}};\n"
    if not floats:
        multipliers, right = ", ".join(map(str, work.multipliers)), ", ".join(str(-s) for s in work.shifts)
        text += (
            f"static const ecgd_prelu_t prelu_{i} = {{.multiplier = {{{multipliers}}}, .right = {{{right}}}, "
            f".low = {work.low}, .high = {work.high}}};\n"
        )
    e.source.constants.append(text)
    at = f"({y.time} - s.left_{i} + p)"
    slope = {"full": f"slopes_{i} + {at} * {c}", "channel": f"slopes_{i}", "position": f"slopes_{i} + {at}"}.get(
        work.pattern, f"slopes_{i}"
    )
    step = 1 if work.pattern in ("full", "channel") else 0
    call = "ecgd_prelu_f32(" if floats else f"ecgd_prelu(&prelu_{i}, "
    return [
        f"{c_type(y)} *out = room_{stage.writes}(n);",
        "for (int p = 0; p < n; p++) {",
        f"    {call}{e.window(stage, 0)} + p * {c}, {slope}, {step}, {c}, out + p * {c});",
        "}",
    ]


def pick(e: Emitter, stage: ir.Stage, work: ir.Pick) -> list[str]:
    """The statements of a GATHER."""
    e.headers.add("ecgd_functions.h")
    i, size = stage.index, element_bytes(e.network.values[stage.writes])
    e.source.constants.append(
        f"static const uint16_t picked_{i}[{len(work.indices)}] = {{\n    {c_array(np.array(work.indices))}}};\n"
    )
    rows = f"{work.rows}u" if work.rows else "(uint32_t)n"
    return [
        f"ecgd_pick({e.window(stage, 0)}, {rows}, {work.width}, {work.inner * size}, picked_{i}, {len(work.indices)}, room_{stage.writes}(n));"
    ]
