"""Extents along a dimension, padding and broadcasting; and how a rule says that an operand is not as it must be."""

from __future__ import annotations

import numpy as np

from ecgdeploy.graph.types import Operator, Tensor


def output_extent(extent: int, kernel: int, stride: int, dilation: int, padding: str) -> int:
    """Positions a window operator gives along one dimension (SAME or VALID)."""
    reach = (kernel - 1) * dilation + 1
    return -(-extent // stride) if padding == "SAME" else (extent - reach + stride) // stride


def leading_padding(extent: int, kernel: int, stride: int, dilation: int, padding: str) -> tuple[int, int]:
    """Padding (before, after) along one dimension; the odd one stands after, as TensorFlow has it."""
    if padding == "VALID":
        return 0, 0
    out = output_extent(extent, kernel, stride, dilation, padding)
    total = max((out - 1) * stride + (kernel - 1) * dilation + 1 - extent, 0)
    return total // 2, total - total // 2


def padding_before(operator: Operator, dimension: int, extent: int, kernel: int, stride: int, dilation: int) -> int:
    """Padding before the rows (0) or columns (1) of a window operator."""
    explicit = operator.options.get("explicit")
    if explicit is not None:
        return int(explicit[2 * dimension])
    return leading_padding(extent, kernel, stride, dilation, operator.options["padding"])[0]


def broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    """Shape of two broadcast shapes, or None where they do not match."""
    try:
        return tuple(int(v) for v in np.broadcast_shapes(a, b))
    except ValueError:
        return None


class Refusal(ValueError):
    """What is wrong with an operator, without its name; `shapes` adds that."""


def need(condition: bool, text: str) -> None:
    """Raise Refusal where `condition` does not hold."""
    if not condition:
        raise Refusal(text)


def integers(tensor: Tensor, count: int | None = None) -> list[int]:
    """Values of a constant operand, 64 of them at most."""
    need(tensor.data is not None and tensor.dtype in ("int32", "int64"), f"{tensor} must be constant integers")
    values = [int(v) for v in np.asarray(tensor.data).reshape(-1)[:64]]
    need(count is None or len(values) == count, f"{tensor} must have {count} elements")
    return values
