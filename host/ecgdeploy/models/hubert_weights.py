"""The published HuBERT-ECG checkpoint, from a local ``.safetensors`` file, into `gaurhar.hubert_encoder`.

The names are those of the Transformers library's ``HubertModel``, which HuBERT-ECG (Coppola et al. 2024) is saved as;
a prefix before them is allowed. The file is read without that library: a JSON header and the raw tensors.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.errors import ModelError

_DTYPES = {"F32": "<f4", "F16": "<f2", "F64": "<f8", "BF16": "<u2"}
HEADER_MOST = 100 << 20


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Tensors of a ``.safetensors`` file as float32, by name.

    Raises
    ------
    ModelError
        Missing, cut short, or not such a file.
    """
    try:
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        if not 0 < length <= min(HEADER_MOST, len(content) - 8):
            raise ValueError("no header")
        header = json.loads(content[8 : 8 + length])
        found = {}
        for name, entry in header.items():
            if name == "__metadata__" or entry["dtype"] not in _DTYPES:
                continue
            start, end = entry["data_offsets"]
            raw = np.frombuffer(content[8 + length + start : 8 + length + end], _DTYPES[entry["dtype"]])
            if entry["dtype"] == "BF16":
                raw = (raw.astype(np.uint32) << 16).view(np.float32)
            found[name] = raw.astype(np.float32).reshape(entry["shape"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is no safetensors file: {error}", "give a model.safetensors") from error
    return found


def load(encoder: Any, path: Path) -> list[str]:
    """Set an encoder's weights from a checkpoint.

    Parameters
    ----------
    encoder : keras.Model
        From `gaurhar.hubert_encoder`, or a classifier built on it: its own head is left alone.

    Returns
    -------
    list of str
        Tensors of the checkpoint that were not needed (a pre-training head, say).

    Raises
    ------
    ModelError
        A tensor that the network needs is missing or has another shape: another size of HuBERT-ECG.
    """
    tensors = read_safetensors(path)
    used: set[str] = set()

    def take(suffix: str, *others: str) -> np.ndarray:
        for wanted in (suffix, *others):
            for name in tensors:
                if name == wanted or name.endswith(f".{wanted}"):
                    used.add(name)
                    return tensors[name]
        raise ModelError(f"{path.name} has no tensor {suffix}", "give a HuBERT-ECG checkpoint of the network's size")

    for layer in encoder.layers:
        values = _values(layer.name, take)
        if not values:
            continue
        for value, weight in zip(values, layer.weights, strict=True):
            if value.shape != tuple(weight.shape):
                raise ModelError(
                    f"{path.name}: {layer.name} is {list(value.shape)}, the network's {list(weight.shape)}",
                    "build the network in the checkpoint's size and with its leads",
                )
        layer.set_weights(values)
    return sorted(set(tensors) - used)


def _values(name: str, take: Any) -> list[np.ndarray]:
    """The weights of one layer, in Keras' order and layout; none for a layer that has none in a checkpoint."""
    norms = {
        "encoder1_norm": "feature_extractor.conv_layers.0.layer_norm",
        "feature_norm": "feature_projection.layer_norm",
        "input_norm": "encoder.layer_norm",
    }
    if name in norms:
        return [take(f"{norms[name]}.weight"), take(f"{norms[name]}.bias")]
    if name.startswith("encoder") and name[7:].isdigit():
        kernel = take(f"feature_extractor.conv_layers.{int(name[7:]) - 1}.conv.weight")
        return [kernel.transpose(2, 1, 0)[None]]
    if name == "projection":
        return _dense("feature_projection.projection", take)
    if name == "masking":
        return [take("masked_spec_embed")]
    if name == "positions":
        return _positions(take)
    if name.startswith("layer") and "_" in name:
        number, part = name[5:].split("_", 1)
        where = f"encoder.layers.{int(number) - 1}"
        places = {
            "attention_query": "attention.q_proj", "attention_key": "attention.k_proj",
            "attention_value": "attention.v_proj", "attention_out": "attention.out_proj",
            "dense1": "feed_forward.intermediate_dense", "dense2": "feed_forward.output_dense",
        }  # fmt: skip
        if part in places:
            return _dense(f"{where}.{places[part]}", take)
        if part in ("norm1", "norm2"):
            norm = f"{where}.{'layer_norm' if part == 'norm1' else 'final_layer_norm'}"
            return [take(f"{norm}.weight"), take(f"{norm}.bias")]
    return []


def _dense(name: str, take: Any) -> list[np.ndarray]:
    return [take(f"{name}.weight").T, take(f"{name}.bias")]


def _positions(take: Any) -> list[np.ndarray]:
    """The grouped convolution of the positions: its weight norm multiplied out, [taps, groups, in, out]."""
    where = "encoder.pos_conv_embed.conv"
    gain = take(f"{where}.weight_g", f"{where}.parametrizations.weight.original0")
    direction = take(f"{where}.weight_v", f"{where}.parametrizations.weight.original1")
    norm = np.sqrt((direction.astype(np.float64) ** 2).sum(axis=(0, 1), keepdims=True))
    kernel = (gain * direction / norm).astype(np.float32)  # [out, in of a group, taps]
    width, part, taps = kernel.shape
    grouped = kernel.reshape(width // part, part, part, taps)  # [groups, out, in, taps]
    return [np.ascontiguousarray(grouped.transpose(3, 0, 2, 1)), take(f"{where}.bias")]
