"""Arithmetic of two operands, tables, softmax and means as C."""

# ruff: noqa: E501  (lines of C)
from __future__ import annotations

from typing import TYPE_CHECKING

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.arithmetic import exponentials
from ecgdeploy.codegen.c_text import c_array
from ecgdeploy.codegen.emit_narrow import narrow_mean
from ecgdeploy.codegen.linear import linear_addition
from ecgdeploy.codegen.schedule import outputs_of

if TYPE_CHECKING:
    from ecgdeploy.codegen.emit import Emitter


def elementwise(e: Emitter, stage: ir.Stage, work: ir.Elementwise) -> list[str]:
    """The statements of ADD and its kin."""
    y = e.network.values[stage.writes]
    i, c = stage.index, y.channels
    operands, patterns = [], list(work.patterns)
    variable = iter(range(len(stage.reads)))
    for which, constant in enumerate(work.constants):
        if constant is None:
            operands.append(e.window(stage, next(variable)))
            continue
        data = constant
        if patterns[which] == "full" and y.time == 1:
            patterns[which] = "channel"
        name = f"operand_{i}_{which}"
        e.source.constants.append(f"static const int16_t {name}[{data.size}] = {{\n    {c_array(data)}}};\n")
        offset = {"full": f" + ({y.time} - s.left_{i}) * {c}", "position": f" + ({y.time} - s.left_{i})"}
        operands.append(name + offset.get(patterns[which], ""))
    multipliers, shifts = list(work.multipliers), list(work.shifts)
    if work.operation == "mul":
        multipliers, shifts = [0, 0, *multipliers], [0, 0, *shifts]
    scalar_like = ("scalar", "position")
    if patterns[0] in scalar_like and patterns[1] not in scalar_like and work.operation != "sub":
        operands.reverse()
        patterns.reverse()
        multipliers[:2], shifts[:2] = multipliers[1::-1], shifts[1::-1]
    narrow = ""
    if y.narrow:
        offsets = [e.network.values[r.value].padding for r in stage.reads]
        if (linear := linear_addition(work, (offsets[0], offsets[1], y.padding))) is not None:
            e.source.constants.append(
                f"static const ecgd_linear_t linear_{i} = {{.factor = {{{linear.factors[0]}, {linear.factors[1]}}}, "
                f".constant = {linear.constant}}};\n"
            )
            return [
                f"ecgd_add_linear_u8(&linear_{i}, {', '.join(operands)}, (uint32_t)n * {c}u, room_{stage.writes}(n));"
            ]
        narrow = f", .offset = {{{offsets[0]}, {offsets[1]}, {y.padding}}}"
    e.source.constants.append(
        f"static const ecgd_elementwise_t elementwise_{i} = {{.multiplier = {{{', '.join(map(str, multipliers))}}}, "
        f".right = {{{', '.join(str(-v) for v in shifts)}}}, .left_shift = {work.left_shift}, .low = {work.low}, "
        f".high = {work.high}{narrow}}};\n"
    )
    a, b = operands
    if y.narrow:
        return [f"ecgd_add_u8(&elementwise_{i}, {a}, {b}, (uint32_t)n * {c}u, room_{stage.writes}(n));"]
    if work.operation in ("maximum", "minimum"):
        e.headers.add("ecgd_functions.h")
    if work.operation == "squared_difference":
        e.headers.add("ecgd_general.h")
    op, kernel = f"&elementwise_{i}", f"ecgd_{work.operation}"
    lines = [f"int16_t *out = room_{stage.writes}(n);"]
    if patterns == ["full", "full"]:
        return [*lines, f"{kernel}({op}, {a}, {b}, (uint32_t)n * {c}u, out);"]
    if patterns == ["full", "scalar"]:  # through a pointer: read as it stands, the arena's cast looks like a mistake
        lines.append(f"const int16_t *const one = {b};")
        return [*lines, f"{kernel}_scalar({op}, {a}, *one, (uint32_t)n * {c}u, out);"]
    step = {"full": f" + p * {c}", "position": " + p", "channel": "", "scalar": ""}
    if patterns[1] in scalar_like and patterns[0] not in scalar_like:
        call = f"{kernel}_scalar({op}, {a}{step[patterns[0]]}, *({b}{step[patterns[1]]}), {c}, out + p * {c});"
    elif patterns[0] in scalar_like:
        inner = f"{kernel}({op}, {a}{step[patterns[0]]}, {b}{step[patterns[1]]}{' + e' if patterns[1] not in scalar_like else ''}, 1, out + p * {c} + e);"
        return [
            *lines,
            "for (int p = 0; p < n; p++) {",
            f"    for (int e = 0; e < {c}; e++) {{",
            f"        {inner}",
            "    }",
            "}",
        ]
    else:
        call = f"{kernel}({op}, {a}{step[patterns[0]]}, {b}{step[patterns[1]]}, {c}, out + p * {c});"
    return [*lines, "for (int p = 0; p < n; p++) {", f"    {call}", "}"]


def mean(e: Emitter, stage: ir.Stage, work: ir.Mean) -> list[str]:
    """The statements of a reduction over time."""
    i, v = stage.index, stage.writes
    x, y = e.network.values[stage.reads[0].value], e.network.values[v]
    whole = stage.reads[0].whole
    count = x.elements // y.elements
    if x.narrow:
        return narrow_mean(e, stage, work)
    lines = [
        f"if (s.left_{i} == {outputs_of(e.network, stage)}) {{",
        f"    zero(SUMS_{i}, {4 * y.elements});",
        "}",
        f"ecgd_accumulate(SUMS_{i}, {e.window(stage, 0)}, {y.elements}, {f'{count}' if whole else '(uint32_t)n'});",
        f"if (s.left_{i} == n) {{",
        f"    ecgd_requantize_sums(SUMS_{i}, {y.elements}, {work.multiplier}, {-work.shift}, {work.low}, {work.high}, room_{v}(1));",
        "}",
    ]
    return lines


def lookup(e: Emitter, stage: ir.Stage, work: ir.Lookup) -> list[str]:
    """The statements of a function of one int8 operand."""
    x, y = e.network.values[stage.reads[0].value], e.network.values[stage.writes]
    name = f"{work.function}_{stage.index}"
    e.source.constants.append(f"static const int8_t {name}[256] = {{\n    {c_array(work.table)}}};\n")
    count, out = f"(uint32_t)n * {y.channels}u", f"room_{stage.writes}(n)"
    return [f"ecgd_lookup({name}, {x.zero_point}, {y.zero_point}, {e.window(stage, 0)}, {count}, {out});"]


TABLE_PAYS = 512
"""Elements of a softmax (attention, a mask over time) from which a kilobyte of exponentials is worth its flash."""


def softmax(e: Emitter, stage: ir.Stage, work: ir.Softmax) -> list[str]:
    """The statements of a softmax."""
    y = e.network.values[stage.writes]
    name, channels = f"softmax_{stage.index}", y.channels
    if y.elements >= TABLE_PAYS:
        table = exponentials(work.multiplier, work.left_shift, work.diff_min)
        e.headers.add("ecgd_general.h")
        e.source.constants.append(f"static const int32_t {name}[{len(table)}] = {{\n    {c_array(table, 10)}}};\n")
        window, out = e.window(stage, 0), f"room_{stage.writes}(n)"
        return [f"ecgd_softmax_table({name}, {len(table)}, {window}, (uint32_t)n, {channels}, {out});"]
    e.source.constants.append(
        f"static const ecgd_softmax_t {name} = {{.multiplier = {work.multiplier}, .left_shift = {work.left_shift}, "
        f".smallest = {max(work.diff_min, -32768)}}};\n"
    )
    return [f"ecgd_softmax(&{name}, {e.window(stage, 0)}, (uint32_t)n, {channels}, room_{stage.writes}(n));"]
