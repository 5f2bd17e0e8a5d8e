"""Weights, scales and struct of one convolution as C."""

# ruff: noqa: E501  (lines of C)
from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.c_text import c_array
from ecgdeploy.codegen.packing import PackedConv, pack_conv, pack_depthwise

if TYPE_CHECKING:
    from ecgdeploy.codegen.emit import Emitter


def packed_layer(
    e: Emitter, name: str, stage: ir.Stage, work: ir.Conv | ir.Depthwise, low: int, high: int, zero: int, positions: int,
    **form: Any,
) -> tuple[str, str]:  # fmt: skip
    """Constants of one convolution, for inputs within low..high; (kernel, name of its struct).

    `form` goes to `pack_conv` or `pack_depthwise`.
    """
    pack = partial(pack_conv, pool=work.pool) if isinstance(work, ir.Conv) else pack_depthwise
    packed: PackedConv = pack(
        work.weights, work.bias, work.requant.multipliers, work.requant.shifts, work.requant.low, work.requant.high,
        zero, low, high, work.stride, work.dilation, e.target, positions, **form,
    )  # fmt: skip
    return packed_constants(e, name, stage, packed)


def packed_constants(e: Emitter, name: str, stage: ir.Stage, packed: PackedConv) -> tuple[str, str]:
    """Constants of one packed convolution; (kernel, name of its struct)."""
    if packed.definition and packed.definition not in e.definitions:
        e.definitions.append(packed.definition)
    weights = (
        f"static const int8_t weights_{name}[{len(packed.weights)}] __attribute__((aligned(4))) = {{\n"
        f"    {c_array(packed.weights)}}};\n"
    )
    layer_constants(e, name, stage, packed, weights, f"weights_{name}")
    return packed.kernel, f"layer_{name}"


def layer_constants(e: Emitter, name: str, stage: ir.Stage, packed: PackedConv, weights: str, pointer: str) -> None:
    """Weights (their definition and what to point to), scales, shifts and the struct of one convolution."""
    kind = "ecgd_conv_t" if "segments" in packed.fields else "ecgd_depthwise_t"
    scale = ",\n    ".join(f"{{{int(b)}, {int(m)}}}" for b, m in packed.scale)
    e.source.constants.append(
        f"/* {e.describe(stage)} */\n{weights}"
        f"static const ecgd_scale_t scale_{name}[{len(packed.scale)}] = {{\n    {scale}}};\n"
        f"static const int8_t right_{name}[{len(packed.right)}] = {{\n    {c_array(packed.right)}}};\n"
        f"static const {kind} layer_{name} = "
        f"{packed.initialiser(pointer, f'scale_{name}', f'right_{name}')};\n"
    )
