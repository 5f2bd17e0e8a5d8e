"""A Jetson's bundle carries the float network as ONNX, and onnxruntime answers as LiteRT does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ecgdeploy import projects, zoo
from ecgdeploy.errors import ModelError
from ecgdeploy.graph import read_tflite
from ecgdeploy.projects.onnx_export import LIMIT, available, difference, export
from ecgdeploy.reference import LiteRtReference
from ecgdeploy.training import runtime

pytestmark = pytest.mark.skipif(not available(), reason="needs the extra: pip install 'ecgdeploy[jetson]'")
FLOAT = zoo.preset("beat-cnn").float32
CROSS = shutil.which("aarch64-linux-gnu-gcc") is not None


def windows(graph, count=4):
    random = np.random.default_rng(2)
    shapes = [graph.tensor(index).shape for index in graph.inputs]
    return [[random.standard_normal(shape).astype(np.float32) for shape in shapes] for _ in range(count)]


def test_onnxruntime_answers_as_litert_and_the_file_is_the_same_every_time():
    graph = read_tflite(FLOAT)
    data = export(graph)
    assert difference(data, windows(graph), LiteRtReference(FLOAT).run) <= LIMIT
    assert export(graph) == data


def test_a_file_that_answers_otherwise_is_refused():
    graph = read_tflite(FLOAT)
    other = LiteRtReference(FLOAT)
    with pytest.raises(ModelError, match="off LiteRT"):
        difference(export(graph), windows(graph), lambda inputs: [y + 1e-4 for y in other.run(inputs)])


def test_shapes_are_static():
    import onnx

    model = onnx.load_from_string(export(read_tflite(FLOAT)))
    sizes = [size for value in model.graph.input for size in value.type.tensor_type.shape.dim]
    assert sizes and all(size.HasField("dim_value") and size.dim_value > 0 for size in sizes)


def test_a_quantized_network_is_refused_by_name():
    with pytest.raises(ModelError, match=r"int8.*only a float network"):
        export(read_tflite(zoo.preset("beat-cnn").int8))


@pytest.mark.skipif(not CROSS, reason="needs aarch64-linux-gnu-gcc: sudo apt-get install gcc-aarch64-linux-gnu")
def test_only_a_jetsons_bundle_has_it_or_says_why_not(tmp_path):
    jetson = projects.build("beat-cnn", "jetson_orin", "static", True, tmp_path / "jetson")
    bundle = jetson.folder / "bundle"
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert manifest["onnx"] and manifest["onnx_difference"] <= LIMIT
    assert "model.onnx" in (bundle / "SHA256SUMS").read_text()
    copy = Path(shutil.copy(zoo.preset("beat-cnn").int8, tmp_path / "mine.tflite"))
    without = projects.build(copy, "jetson_orin", "static", True, tmp_path / "without")
    manifest = json.loads((without.folder / "bundle/manifest.json").read_text())
    assert manifest["onnx"] is None and "--float-model" in manifest["onnx_reason"]
    pi = projects.build("beat-cnn", "rpi4", "static", True, tmp_path / "pi")
    assert not (pi.folder / "bundle/model.onnx").exists()


@pytest.mark.train
def test_the_usual_layers_of_an_ecg_network_are_exported():
    pytest.importorskip("tensorflow", reason="needs the train extra: pip install 'ecgdeploy[train]'")
    tf = runtime.tensorflow(1)
    tf.keras.utils.set_random_seed(5)
    layers = tf.keras.layers
    start = tf.keras.Input((75, 3), batch_size=1)
    x = layers.Conv1D(8, 6, strides=2, padding="same", activation="relu6")(start)  # an odd length, an even kernel
    y = layers.SeparableConv1D(8, 5, padding="same")(x)
    x = layers.Activation("hard_swish")(layers.Add()([x, y]))
    y = layers.Conv1D(8, 3, dilation_rate=2, padding="causal", activation="tanh")(x)
    x = layers.Concatenate()([layers.AveragePooling1D(3, 2, "same")(x), layers.MaxPooling1D(3, 2, "same")(y)])
    gate = layers.Dense(16, activation="sigmoid")(layers.GlobalAveragePooling1D()(x))
    x = layers.Multiply()([x, layers.Reshape((1, 16))(gate)])
    x = layers.LeakyReLU(negative_slope=0.1)(layers.ZeroPadding1D(2)(x))
    pooled = layers.Concatenate()([layers.GlobalMaxPooling1D()(x), layers.GlobalAveragePooling1D()(x)])
    heads = [layers.Dense(4, activation="softmax")(pooled), layers.Dense(1, activation="sigmoid")(pooled)]
    converter = tf.lite.TFLiteConverter.from_keras_model(tf.keras.Model(start, heads))
    data = converter.convert()
    graph = read_tflite(data, supported=False)
    assert difference(export(graph), windows(graph, 16), LiteRtReference(data).run) <= LIMIT
