"""Convolutions and pools over two dimensions, and transposed convolutions, to stages that gather their windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.lowering import Lowering
from ecgdeploy.graph import Operator, Tensor
from ecgdeploy.graph.extents import padding_before

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCKS = (12, 6, 3)
"""Outputs whose windows are gathered at a time: multiples of the kernels' blocks."""
GATHERED_BYTES = 4096
"""RAM that they may take before a smaller block is better."""
LARGEST_WINDOW = 65535
"""Elements of a window that the kernels can step over."""


def is_plane(operator: Operator, x: Tensor, kernel: tuple[int, int]) -> bool:
    """Whether a window runs over both dimensions of its input; padding makes more than elements of a 1x1 kernel."""
    o = operator.options
    if x.shape[1] == 1 or x.shape[2] == 1:
        return False
    return (*kernel, o["stride_h"], o["stride_w"]) != (1, 1, 1, 1) or any(o.get("explicit", ()))


def plane_of(operator: Operator, x: Tensor, out: Tensor, kernel: tuple[int, int]) -> ir.Plane:
    """Geometry of a convolution or pool; a batch that `rows_of_batch` made rows of is rows of the output too."""
    o = operator.options
    rows, columns = out.shape[1:3] if out.shape[0] == 1 else (out.shape[0], out.shape[1] * out.shape[2])
    dilation = (o.get("dilation_h", 1), o.get("dilation_w", 1))
    before = [
        padding_before(operator, i, x.shape[1 + i], kernel[i], (o["stride_h"], o["stride_w"])[i], dilation[i])
        for i in range(2)
    ]
    return ir.Plane(
        x.shape[1], x.shape[2], rows, columns, *kernel, o["stride_h"], o["stride_w"], *dilation, *before
    )


def read_plane(low: Lowering, value: int, plane: ir.Plane, channels: int) -> ir.Read:
    """Rows of the image, a row of outputs at a time; the whole of it where rows are stretched."""
    size = plane.height * plane.width
    if plane.up_h > 1 or plane.up_w > 1:
        return ir.Read(value, whole=True)
    reach = (plane.taps_h - 1) * plane.dilation_h + 1
    return low.read(
        value, size, channels, reach=reach * plane.width, stride=plane.stride_h * plane.width,
        before=plane.before_h * plane.width, clipped=True, group=plane.out_width,
    )  # fmt: skip


def add_grid(
    low: Lowering, operator: Operator, value: int, plane: ir.Plane, channels: int, window: int,
    inner: Callable[[], ir.Conv | ir.Depthwise | ir.FloatConv], limits: tuple[int, int] | None,
) -> None:  # fmt: skip
    """A convolution over a plane; `window` is the elements of a gathered window, `inner` what works on it."""
    if window > LARGEST_WINDOW or plane.width * channels > LARGEST_WINDOW * 16:
        raise low.refuse(operator, f"a window of {window} elements", "use smaller kernels or fewer channels")
    work = inner()
    size = 4 if isinstance(work, ir.FloatConv) else 2
    block = next((b for b in BLOCKS if b * window * size <= GATHERED_BYTES), BLOCKS[-1])
    block = min(block, -(-plane.out_width // BLOCKS[-1]) * BLOCKS[-1])
    result = low.new_value(low.output(operator), limits=limits)
    read = read_plane(low, value, plane, channels)
    low.add(operator.index, operator.kind, (read,), result, ir.Grid(plane, channels, work, block))


def add_grid_pool(
    low: Lowering, operator: Operator, value: int, x: Tensor, limits: tuple[int, int] | None,
    clamp: tuple[float, float],
) -> None:  # fmt: skip
    """A pool over both dimensions."""
    o = operator.options
    plane = plane_of(operator, x, low.output(operator), (o["filter_h"], o["filter_w"]))
    result = low.new_value(low.output(operator), limits=limits)
    mode = "max" if operator.kind == "MAX_POOL_2D" else "average"
    read = read_plane(low, value, plane, x.shape[3])
    low.add(operator.index, operator.kind, (read,), result, ir.GridPool(plane, mode, *clamp))


def flat_kernel(weights: np.ndarray) -> np.ndarray:
    """[out, height, width, in] as a convolution of one tap."""
    return np.ascontiguousarray(weights.reshape(weights.shape[0], 1, -1))
