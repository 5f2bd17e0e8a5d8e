"""Engine ``litert`` on a Linux board runs every precision that the deployability matrix promises."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from test_build_litert import MISSING, NEEDED, command

from ecgdeploy import projects
from ecgdeploy.devices import open_device
from ecgdeploy.errors import BuildError, ModelError
from ecgdeploy.graph import read_tflite
from ecgdeploy.measure.model import ModelFile
from ecgdeploy.quantization.deployability import matrix
from ecgdeploy.reference import LiteRtReference
from ecgdeploy.toolchains import litert_wheel
from ecgdeploy.training import runtime

pytestmark = pytest.mark.train
SAMPLES = 96
PRECISIONS = ("float32", "float16", "dynamic", "int8", "int16x8")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A small network in five precisions."""
    if MISSING:
        pytest.skip(f"needs {MISSING}: sudo apt-get install {' '.join(NEEDED[name] for name in MISSING)}")
    try:
        litert_wheel.litert_library()
    except BuildError as error:
        pytest.skip(f"LiteRT's aarch64 wheel cannot be had ({error.message}): {error.hint}")
    pytest.importorskip("tensorflow", reason="needs the train extra: pip install 'ecgdeploy[train]'")
    tf = runtime.tensorflow(1)
    tf.keras.utils.set_random_seed(3)
    layers = tf.keras.layers
    # more than 1,024 weights in a layer: smaller ones stay float32 in dynamic range
    network = tf.keras.Sequential([
        tf.keras.Input((SAMPLES, 1), batch_size=1),
        layers.Conv1D(16, 7, 2, "same", activation="relu"),
        layers.Conv1D(24, 5, padding="same", activation="relu"),
        layers.GlobalAveragePooling1D(),
        layers.Dense(4, activation="softmax"),
    ])  # fmt: skip
    random = np.random.default_rng(0)
    windows = [[random.standard_normal((1, SAMPLES, 1)).astype(np.float32)] for _ in range(8)]
    folder = tmp_path_factory.mktemp("precisions")
    sets = tf.lite.OpsSet
    for name in PRECISIONS:
        converter = tf.lite.TFLiteConverter.from_keras_model(network)
        if name != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if name == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if name.startswith("int"):
            converter.representative_dataset = lambda: iter(windows)
            wide = name == "int16x8"
            converter.target_spec.supported_ops = [
                sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8 if wide else sets.TFLITE_BUILTINS_INT8
            ]
            converter.inference_input_type = converter.inference_output_type = tf.int16 if wide else tf.int8
        (folder / f"{name}.tflite").write_bytes(converter.convert())
    return folder


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_board_runs_it_as_litert_does_here(models, precision, tmp_path):
    assert precision in matrix().runs["litert"]
    path = models / f"{precision}.tflite"
    built = projects.build(path, "rpi4", "litert", True, tmp_path / "project")
    assert subprocess.run([*command(built), "--self-test"], capture_output=True, check=False).returncode == 0
    coding = ModelFile.read(path).inputs[0]
    random, here = np.random.default_rng(1), LiteRtReference(path.read_bytes())
    with open_device(process=command(built)) as device:
        for _ in range(8):
            window = coding.encode(random.standard_normal((1, SAMPLES, 1)).astype(np.float32))
            theirs = here.run([window.reshape(1, SAMPLES, 1)])[0].ravel()
            ours = np.frombuffer(device.infer(window.tobytes()).outputs[0], theirs.dtype)
            limit = 1e-5 if theirs.dtype.kind == "f" else 1
            assert np.abs(ours.astype(np.float64) - theirs).max() <= limit


@pytest.mark.parametrize("precision", ["float16", "dynamic"])
def test_engines_of_microcontrollers_refuse_it_by_name(models, precision):
    with pytest.raises(ModelError, match=r"float16|dynamic range"):
        read_tflite(models / f"{precision}.tflite")
    assert precision not in matrix().runs["static"] + matrix().runs["tflm"]
