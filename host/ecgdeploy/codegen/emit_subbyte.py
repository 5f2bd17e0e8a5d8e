"""C of layers whose weights are kept packed: their codes, their tables, and the call that unpacks them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.c_text import c_array
from ecgdeploy.codegen.emit_layer import layer_constants
from ecgdeploy.codegen.subbyte import pack_layer

if TYPE_CHECKING:
    from ecgdeploy.codegen.emit import Emitter


def subbyte_calls(e: Emitter, stage: ir.Stage, work: ir.Conv | ir.Depthwise, packing: ir.Packing) -> list[str]:
    """The statements of a convolution with packed weights; its constants go to the source."""
    i = stage.index
    layer = pack_layer(e.network, stage, work, packing.sum_form)
    if layer.definition and layer.definition not in e.definitions:
        e.definitions.append(layer.definition)
    e.headers.add("ecgd_packed.h")
    table, step, unpack = "NULL", 0, "signs" if packing.signs else packing.bits
    text = f"static const uint32_t codes_{i}[{len(packing.codes)}] = {{\n    {_words(packing.codes)}}};\n"
    if packing.table is not None:
        table, step = f"table_{i}", packing.table.shape[1] if len(packing.table) > 1 else 0
        text += f"static const int8_t {table}[{packing.table.size}] = {{\n    {c_array(packing.table)}}};\n"
    text += (
        f"static const ecgd_packed_t packed_{i} = {{.codes = codes_{i}, .unpack = ecgd_unpack_{unpack}, "
        f".table = {table}, .table_step = {step}, .group = {packing.group}, .blocks = {packing.blocks}, "
        f".offset = {packing.offset}, .bits = {packing.bits}}};\n"
    )
    layer_constants(e, str(i), stage, layer, text, "NULL")
    kind = "conv" if isinstance(work, ir.Conv) else "depthwise"
    return [
        f"ecgd_{kind}_packed(&layer_{i}, &packed_{i}, {layer.kernel}, {e.window(stage, 0)}, (uint32_t)n, SCRATCH_{i}, "
        f"(int16_t *)(SCRATCH_{i} + {8 * packing.blocks}), room_{stage.writes}(n));"
    ]


def _words(words: np.ndarray, per_line: int = 10) -> str:
    text = [f"{word:#010x}" for word in words.tolist()]
    return ",\n    ".join(", ".join(text[i : i + per_line]) for i in range(0, len(text), per_line))
