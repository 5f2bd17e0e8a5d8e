"""What is left of a compression ratio in flash: bits on paper, words of the static engine, bytes of LiteRT and TFLM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ecgdeploy.codegen.fuse import fuse_pooling
from ecgdeploy.codegen.lower import lower
from ecgdeploy.codegen.subbyte import layer_weights, pack_weights
from ecgdeploy.compression.bits import WeightLayer
from ecgdeploy.errors import ModelError
from ecgdeploy.graph import read_tflite

INT4 = 4


def storage(content: bytes, layers: Sequence[WeightLayer], bits: Mapping[int, int]) -> dict[str, Any]:
    """Bytes of the weights by engine, and how many times fewer than float32's they are.

    Parameters
    ----------
    bits : operator -> bits of its weights

    Returns
    -------
    dict
        ``paper``: the bits alone, no scales and no filling. ``static``: words in flash as the engine packs them; scales
        and shifts (9 bytes a channel) beside; None where it does not run the file. ``tflm``, ``litert``: a byte a
        weight. ``int4``: what 4-bit tensors would take where the bits allow them.
    """
    float32 = sum(4 * layer.count for layer in layers)
    paper = sum(layer.count * bits[layer.operator] for layer in layers) / 8
    int8 = sum(layer.count for layer in layers)
    int4 = sum(-(-layer.count // 2) if bits[layer.operator] <= INT4 else layer.count for layer in layers)
    found: dict[str, Any] = {"float32_bytes": float32}

    def entry(name: str, size: float) -> None:
        found[name] = {"bytes": round(size), "times_smaller": round(float32 / size, 3) if size else 0.0}

    entry("paper", paper)
    entry("tflm", int8)
    entry("litert", int8)
    entry("int4", int4)
    packed = packed_bytes(content)
    if packed is None:
        found["static"] = None
    else:
        entry("static", packed)
        found["static"]["scales_bytes"] = sum(9 * len(layer.weights) for layer in layers)
    return found


def packed_bytes(content: bytes) -> int | None:
    """Bytes of the weights in the static engine's image; None where it does not run the file."""
    try:
        network = pack_weights(fuse_pooling(lower(read_tflite(content))))
    except ModelError:
        return None
    return sum(layer.bytes for layer in layer_weights(network))
