"""Concatenation and padding as C."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.scratch import c_type, element_bytes

if TYPE_CHECKING:
    from ecgdeploy.codegen.emit import Emitter


def concat(e: Emitter, stage: ir.Stage, work: ir.Concat) -> list[str]:
    """The statements of a concatenation."""
    y = e.network.values[stage.writes]
    size = element_bytes(y)
    lines = [f"{c_type(y)} *out = room_{stage.writes}(n);"]
    at = 0
    for i, read in enumerate(stage.reads):
        x = e.network.values[read.value]
        if work.axis == "time":
            lines.append(f"memcpy(out + {at}, {e.window(stage, i)}, {size * x.elements});")
            at += x.elements
        else:
            width = x.elements // y.time
            lines.append("for (int p = 0; p < n; p++) {")
            lines.append(
                f"    memcpy(out + p * {y.channels} + {at}, {e.window(stage, i)} + p * {width}, {size * width});"
            )
            lines.append("}")
            at += width
    return lines


def pad(e: Emitter, stage: ir.Stage, work: ir.Pad) -> list[str]:
    """The statements of padding in time."""
    x, y = e.network.values[stage.reads[0].value], e.network.values[stage.writes]
    before, after, size = work.before * y.channels, work.after * y.channels, element_bytes(y)
    return [
        f"{c_type(y)} *out = room_{stage.writes}(n);",
        f"zero(out, {before * size});",
        f"memcpy(out + {before}, {e.window(stage, 0)}, {size * x.elements});",
        f"zero(out + {before + x.elements}, {after * size});",
    ]


def pad_box(e: Emitter, stage: ir.Stage, work: ir.PadBox) -> list[str]:
    """The statements of padding in several dimensions: zeros, then the rows of the box."""
    x, y = e.network.values[stage.reads[0].value], e.network.values[stage.writes]
    outer = [i for i in range(len(work.shape) - 1) if work.shape[i] > 1 or any(work.widths[i])]
    row = work.shape[-1]
    padded = [extent + sum(width) for extent, width in zip(work.shape, work.widths, strict=True)]
    start, at, source = 0, "", ""
    for i, (width, _) in enumerate(work.widths):
        step = math.prod(padded[i + 1 :])
        start += width * step
        if i in outer:
            at += f" + p{i} * {step}"
            source += f" + p{i} * {math.prod(work.shape[i + 1 :])}"
    lines = [f"{c_type(y)} *out = room_{stage.writes}(n);", f"zero(out, {y.elements * element_bytes(y)});"]
    lines += [f"{'    ' * k}for (int p{i} = 0; p{i} < {work.shape[i]}; p{i}++) {{" for k, i in enumerate(outer)]
    inner = "    " * len(outer)
    copy = f"memcpy(out + {start}{at}, {e.window(stage, 0)}{source}, {row * element_bytes(x)});"
    return [*lines, inner + copy, *("    " * k + "}" for k in reversed(range(len(outer))))]
