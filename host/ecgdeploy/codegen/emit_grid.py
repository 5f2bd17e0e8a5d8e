"""Windows over two dimensions as C: ``firmware/kernels/ecgd_grid.h`` and the kernels of one dimension behind it."""

# ruff: noqa: E501  (lines of C)
from __future__ import annotations

from typing import TYPE_CHECKING

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.c_text import c_float
from ecgdeploy.codegen.emit_float import float_layer
from ecgdeploy.codegen.emit_layer import packed_layer
from ecgdeploy.codegen.emit_wide import wide_layer
from ecgdeploy.codegen.scratch import c_type, element_bytes

if TYPE_CHECKING:
    from ecgdeploy.codegen.emit import Emitter


def grid(e: Emitter, stage: ir.Stage, work: ir.Grid) -> list[str]:
    """The statements of a convolution over two dimensions."""
    i = stage.index
    x, y = e.network.values[stage.reads[0].value], e.network.values[stage.writes]
    e.source.constants.append(
        f"static const ecgd_plane_t plane_{i} = {_plane(work.plane, work.channels * element_bytes(x))};\n"
    )
    if isinstance(work.inner, ir.FloatConv):
        window = work.plane.taps_h * work.plane.taps_w * work.channels
        kernel, layer = float_layer(e, stage, work.inner, work.channels if work.inner.depthwise else window)
    elif work.inner.requant.wide:
        kernel, layer = wide_layer(e, stage, work.inner)
    else:
        kernel, layer = packed_layer(e, str(i), stage, work.inner, x.low, x.high, y.zero_point, y.time)
    scratch = f"({c_type(x)} *)SCRATCH_{i}"
    body = [
        f"ecgd_gather(&plane_{i}, {e.window(stage, 0)}, first, y, x, count, {scratch});",
        f"{kernel}(&{layer}, {scratch}, (uint32_t)count, out + p * {y.channels});",
    ]
    return _outputs(e, stage, work.plane, min(work.block, work.plane.out_width), body)


def grid_pool(e: Emitter, stage: ir.Stage, work: ir.GridPool) -> list[str]:
    """The statements of a pool over two dimensions."""
    i = stage.index
    x, y = e.network.values[stage.reads[0].value], e.network.values[stage.writes]
    kind, limits = ("_f32", f".low = {c_float(work.low)}, .high = {c_float(work.high)}")
    if y.dtype != "float32":
        kind, limits = "", f".low = {work.low}, .high = {work.high}, .zero = {y.zero_point}"
    e.source.constants.append(
        f"static const ecgd_grid_pool{kind}_t pool_{i} = {{.plane = {_plane(work.plane, x.channels * element_bytes(x))}, "
        f".channels = {y.channels}, {limits}}};\n"
    )
    call = f"ecgd_grid_{work.mode}_pool{kind}(&pool_{i}, {e.window(stage, 0)}, first, y, x, count, out + p * {y.channels});"
    return _outputs(e, stage, work.plane, work.plane.out_width, [call])


def _plane(plane: ir.Plane, size: int) -> str:
    names = (
        "height", "width", "taps_h", "taps_w", "stride_h", "stride_w", "dilation_h", "dilation_w", "before_h",
        "before_w", "up_h", "up_w",
    )  # fmt: skip
    return "{" + ", ".join(f".{n} = {getattr(plane, n)}" for n in names) + f", .bytes = {size}}}"


def _outputs(e: Emitter, stage: ir.Stage, plane: ir.Plane, block: int, body: list[str]) -> list[str]:
    """Loop over the outputs to make, a piece of a row at a time."""
    e.headers.add("ecgd_grid.h")
    read, done = stage.reads[0], f"{e.network.values[stage.writes].time} - s.left_{stage.index}"
    first = "0"
    if not read.whole:  # the window starts with the first row's first tap
        first = f"({done}) / {plane.out_width} * {plane.stride_h} - {plane.before_h}"
    y = e.network.values[stage.writes]
    return [
        f"{c_type(y)} *out = room_{stage.writes}(n);",
        f"const int32_t first = {first};",
        "for (int32_t p = 0, count; p < n; p += count) {",
        f"    const int32_t y = ({done} + p) / {plane.out_width}, x = ({done} + p) % {plane.out_width};",
        f"    count = least(least(n - p, {plane.out_width} - x), {block});",
        *(f"    {line}" for line in body),
        "}",
    ]
