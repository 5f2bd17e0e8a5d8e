"""HuBERT-ECG: masked-cluster pre-training learns, and a published checkpoint's tensors land where they belong."""

import json

import numpy as np
import pytest

from ecgdeploy import models
from ecgdeploy.errors import DataError, ModelError
from ecgdeploy.models import gaurhar, hubert_weights
from ecgdeploy.training import masked

pytestmark = pytest.mark.train


@pytest.fixture
def encoder():
    import keras

    keras.utils.set_random_seed(0)
    return gaurhar.hubert_encoder(1280, 1, "tiny", channels=16)


def checkpoint(encoder, path, seed=5, drop=()):
    """A safetensors file with the names of a HubertModel and random values; returns them."""
    rng = np.random.default_rng(seed)
    channels, width = encoder.get_layer("projection").kernel.shape
    wide = encoder.get_layer("layer1_dense1").kernel.shape[1]
    shapes = {
        "feature_extractor.conv_layers.0.layer_norm": (channels,),
        "feature_projection.layer_norm": (channels,),
        "feature_projection.projection": (width, channels),
        "encoder.layer_norm": (width,),
    }
    tensors = {"masked_spec_embed": rng.normal(size=width)}
    for i, (kernel, _) in enumerate(gaurhar.ENCODER):
        size = (channels, 1 if i == 0 else channels, kernel)
        tensors[f"feature_extractor.conv_layers.{i}.conv.weight"] = rng.normal(size=size)
    for i in range(2):
        layer = f"encoder.layers.{i}."
        shapes |= {f"{layer}attention.{part}_proj": (width, width) for part in ("q", "k", "v", "out")}
        shapes |= {
            f"{layer}feed_forward.intermediate_dense": (wide, width),
            f"{layer}feed_forward.output_dense": (width, wide),
            f"{layer}layer_norm": (width,),
            f"{layer}final_layer_norm": (width,),
        }
    for name, shape in shapes.items():
        tensors[f"{name}.weight"] = rng.normal(size=shape)
        tensors[f"{name}.bias"] = rng.normal(size=shape[0])
    where = "encoder.pos_conv_embed.conv"
    tensors[f"{where}.weight_g"] = rng.uniform(0.5, 2, (1, 1, 128))
    tensors[f"{where}.weight_v"] = rng.normal(size=(width, width // 16, 128))
    tensors[f"{where}.bias"] = rng.normal(size=width)
    tensors["head.weight"] = rng.normal(size=(7, width))
    header, blobs, at = {}, [], 0
    for name, value in tensors.items():
        if name in drop:
            continue
        raw = value.astype("<f4").tobytes()
        header[f"hubert.{name}"] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [at, at + len(raw)]}
        blobs.append(raw)
        at += len(raw)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(blobs))
    return tensors


def test_a_published_checkpoint_fills_every_layer(encoder, tmp_path):
    tensors = checkpoint(encoder, tmp_path / "m.safetensors")
    assert hubert_weights.load(encoder, tmp_path / "m.safetensors") == ["hubert.head.weight"]
    dense = tensors["encoder.layers.1.attention.q_proj.weight"].T
    np.testing.assert_allclose(encoder.get_layer("layer2_attention_query").kernel, dense, rtol=1e-6)
    second = tensors["feature_extractor.conv_layers.1.conv.weight"]
    np.testing.assert_allclose(encoder.get_layer("encoder2").kernel[0, 2], second[:, :, 2].T, rtol=1e-6)


def test_positions_are_the_checkpoints_grouped_convolution(encoder, tmp_path):
    """Against the convolution written out: padded by half the kernel, one group of channels at a time."""
    tensors = checkpoint(encoder, tmp_path / "m.safetensors")
    hubert_weights.load(encoder, tmp_path / "m.safetensors")
    layer = encoder.get_layer("positions")
    x = np.random.default_rng(0).normal(size=(1, *layer.output.shape[1:])).astype(np.float32)
    v, g = (tensors[f"encoder.pos_conv_embed.conv.weight_{part}"] for part in "vg")
    kernel = g * v / np.sqrt((v**2).sum((0, 1), keepdims=True))
    padded = np.pad(x[0], ((64, 64), (0, 0)))
    part = kernel.shape[1]
    y = np.zeros_like(x[0], dtype=np.float64)
    for out in range(x.shape[2]):
        group = out // part
        for t in range(x.shape[1]):
            y[t, out] = (padded[t : t + 128, group * part : (group + 1) * part] * kernel[out].T).sum()
    from scipy.special import erf

    y = y + tensors["encoder.pos_conv_embed.conv.bias"]
    wanted = x[0] + y * 0.5 * (1 + erf(y / np.sqrt(2)))
    np.testing.assert_allclose(np.asarray(layer(x))[0], wanted, rtol=1e-3, atol=1e-4)


def test_a_checkpoint_of_another_size_or_no_checkpoint_is_refused(encoder, tmp_path):
    checkpoint(encoder, tmp_path / "m.safetensors")
    with pytest.raises(ModelError, match="build the network in the checkpoint's size"):
        hubert_weights.load(gaurhar.hubert_encoder(1280, 1, "tiny", channels=32), tmp_path / "m.safetensors")
    checkpoint(encoder, tmp_path / "cut.safetensors", drop=("masked_spec_embed",))
    with pytest.raises(ModelError, match="has no tensor masked_spec_embed"):
        hubert_weights.load(encoder, tmp_path / "cut.safetensors")
    (tmp_path / "text").write_text("not tensors at all")
    with pytest.raises(ModelError, match="is no safetensors file"):
        hubert_weights.load(encoder, tmp_path / "text")


def test_masked_pretraining_beats_guessing_and_moves_into_a_classifier(encoder):
    from ecgdeploy.ecg.views import TestView, TrainView

    rng = np.random.default_rng(0)
    time = np.arange(1280) / 250
    rates = rng.uniform(2, 30, 64)
    x = np.sin(2 * np.pi * rates[:, None] * time)[:, :, None].astype(np.float32)
    rest = np.zeros(64, np.int64), ("a",), np.array(["r"] * 64), np.full(64, -1), True, "sines"
    found = masked.pretrain(encoder, TrainView(x, *rest), epochs=20, batch=16, count=4, learning_rate=2e-3)
    assert found.losses[-1] < found.losses[0] and found.accuracy > found.chance
    classifier = models.build("hubert-ecg", samples=1280, size="tiny", channels=16)
    assert masked.transfer(encoder, classifier) > 20
    np.testing.assert_array_equal(
        classifier.get_layer("layer2_dense1").kernel, encoder.get_layer("layer2_dense1").kernel
    )
    with pytest.raises(DataError, match="accepts a TrainView only"):
        masked.pretrain(encoder, TestView(x, *rest))


def test_hidden_frames_come_in_spans_and_in_every_window():
    hidden = masked.hide(np.random.default_rng(0), (200, 15), 0.4, 2)
    assert hidden.any(1).all() and 0.3 < hidden.mean() < 0.6
