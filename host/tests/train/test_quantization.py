"""Quantization: files agree with the float model as far as their precision allows; QAT is what the kernels compute."""

import numpy as np
import pytest

from ecgdeploy.errors import ModelError
from ecgdeploy.training import config, run

from .conftest import TINY, TinyTask

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    settings = config.override(config.parse(TINY, "tiny.toml"), {"epochs": 6})
    return run.train(settings, tmp_path_factory.mktemp("run"), task=TinyTask(), threads=1)


@pytest.fixture(scope="module")
def files(trained):
    from ecgdeploy.quantization.precision import CONVERTIBLE, convert_all

    return convert_all(trained.model, CONVERTIBLE, TinyTask().calibration())


@pytest.fixture(scope="module")
def expected(trained):
    from ecgdeploy.quantization.qat import load
    from ecgdeploy.training.loop import predict

    return predict(load(trained.model), TinyTask().test().inputs)


# the softmax of an int8 file has steps of 1/256; its logits carry the rest of the rounding
@pytest.mark.parametrize(
    ("precision", "largest"),
    [("float32", 1e-5), ("float16", 5e-3), ("dynamic", 0.03), ("int8", 0.08), ("int16x8", 0.03)],
)
def test_each_precision_stays_near_the_keras_model(files, expected, precision, largest):
    from ecgdeploy.quantization.runner import TfliteRunner

    found = TfliteRunner(files[precision].content).run(TinyTask().test().inputs)
    assert np.abs(found - expected).max() <= largest


def test_calibration_is_reported_with_its_size_choice_and_hash(files):
    note = files["int8"].calibration
    assert (note["windows"], note["part"], note["records"]) == (64, "calibration", 4)
    assert len(note["sha256"]) == 64
    assert files["float32"].calibration == {}


def test_int8_is_integer_from_end_to_end_and_per_channel(files):
    from ecgdeploy.graph import read_tflite

    graph = read_tflite(files["int8"].content)
    assert {t.dtype for t in graph.tensors if t.data is None} == {"int8"}
    kernels = [t for t in graph.tensors if t.data is not None and t.dtype == "int8" and len(t.shape) == 4]
    assert {len(t.quantization.scales) for t in kernels} == {4, 8}


def test_a_qat_file_computes_what_training_saw(trained, tmp_path):
    from ecgdeploy.quantization import qat
    from ecgdeploy.quantization.precision import convert
    from ecgdeploy.quantization.runner import TfliteRunner
    from ecgdeploy.training.loop import predict

    task = TinyTask()
    tuned = qat.finetune(trained, task, tmp_path, epochs=1, calibration=64, threads=1)
    assert tuned.manifest["config"]["starts_from"] == trained.manifest["weights_sha256"]
    seen = predict(qat.load(tuned.model), task.test().inputs)
    file = convert(tuned.model, "int8-qat")
    found = TfliteRunner(file.content, reference=True).run(task.test().inputs)
    # one step of the output, 1/256, and what one step of a logit makes of it
    assert np.abs(found - seen).mean() < 1 / 256
    assert (found.argmax(1) == seen.argmax(1)).mean() > 0.98


def test_distilled_qat_stays_with_the_float_model(trained, files, expected, tmp_path):
    from ecgdeploy.quantization import qat
    from ecgdeploy.quantization.precision import convert
    from ecgdeploy.quantization.runner import TfliteRunner

    task = TinyTask()
    tuned = qat.finetune(trained, task, tmp_path, epochs=4, calibration=64, distil=True, threads=1)
    assert tuned.manifest["config"]["teacher"] == trained.manifest["weights_sha256"]
    rows = (tmp_path / "history.csv").read_text().splitlines()
    distances = [float(row.rsplit(",", 1)[1]) for row in rows[1:]]
    assert rows[0].endswith("validation_teacher")
    kept = tuned.manifest["best_epoch"]
    # 0 is the calibrated start, which is kept when training on only leads away from the teacher
    assert kept == 0 or distances[kept - 1] == min(distances)
    found = TfliteRunner(convert(tuned.model, "int8-qat").content).run(task.test().inputs)
    int8 = TfliteRunner(files["int8"].content).run(task.test().inputs)
    assert np.abs(found - expected).mean() < 1.1 * np.abs(int8 - expected).mean()


def test_batch_norm_folding_changes_nothing_in_float(trained, expected):
    from ecgdeploy.quantization import qat
    from ecgdeploy.training.loop import predict

    model = qat.load(trained.model)
    layers = [layer.name for layer in model.layers]
    limits = {name: (-1e9, 1e9) for name in ("", *layers)}
    folded = predict(qat.fake_quantized(model, limits, keep_float=layers), TinyTask().test().inputs)
    assert np.abs(folded - expected).max() < 1e-5


def test_ranges_are_the_true_extremes_of_the_calibration_windows(trained):
    from ecgdeploy.quantization import qat

    windows = TinyTask().calibration().inputs
    limits = qat.observe(qat.load(trained.model), windows, batch=7)
    assert limits[""] == (float(windows.min()), float(windows.max()))
    assert limits["block1_conv"][0] == 0.0 < limits["block1_conv"][1]


def test_a_spike_in_the_calibration_set_does_not_coarsen_every_step(trained):
    from ecgdeploy.quantization import qat, ranges
    from ecgdeploy.training.loop import predict

    windows, model = np.array(TinyTask().calibration(512).inputs), qat.load(trained.model)
    windows[0, 3] = 30.0  # an electrode touched: thirty times the signal
    limits = qat.observe(model, windows)
    narrow, shares = ranges.narrowed(model, limits, windows)
    assert shares[""] < 1 and narrow[""][1] == limits[""][1] * shares[""]
    rest = windows[1:]
    wanted = predict(model, rest)
    before, after = (np.abs(predict(qat.fake_quantized(model, r), rest) - wanted).mean() for r in (limits, narrow))
    assert after < before


def test_a_mixed_file_has_islands_and_is_nearer_to_float_than_int8(trained, files, expected, tmp_path):
    from ecgdeploy.quantization import qat
    from ecgdeploy.quantization.precision import convert
    from ecgdeploy.quantization.runner import TfliteRunner

    task, model = TinyTask(), qat.load(trained.model)
    limits = qat.observe(model, task.calibration().inputs)
    costs = qat.sensitivity(model, limits, task.validation().inputs)
    assert set(costs) == {"block1_conv", "block2_conv", "dense", "logits"}
    island = next(iter(costs))
    qat.fake_quantized(model, limits, [island]).save(tmp_path / "mixed.keras")
    found = TfliteRunner(convert(tmp_path / "mixed.keras", "mixed").content).run(task.test().inputs)
    int8 = TfliteRunner(files["int8"].content).run(task.test().inputs)
    assert np.abs(found - expected).mean() < np.abs(int8 - expected).mean()


def test_a_layer_without_a_twin_is_named():
    import keras

    from ecgdeploy.quantization import qat

    inputs = keras.Input((1, 8, 1))
    model = keras.Model(inputs, keras.layers.UpSampling2D(name="stretch")(inputs))
    with pytest.raises(ModelError, match="layer stretch \\(UpSampling2D\\) has no quantization-aware twin"):
        qat.fake_quantized(model, {"": (0, 1)})


def test_a_file_that_is_no_model_ends_in_one_line(tmp_path):
    from ecgdeploy.quantization.precision import convert

    (tmp_path / "broken.keras").write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"broken\.keras: the converter failed"):
        convert(tmp_path / "broken.keras", "float32")


def test_a_residual_network_is_integer_from_end_to_end_after_qat(tmp_path):
    from ecgdeploy import models
    from ecgdeploy.graph import read_tflite
    from ecgdeploy.quantization import qat
    from ecgdeploy.quantization.precision import convert

    small = {"width": 0.0625, "blocks": [1, 1], "samples": 64, "classes": 3}
    model = models.build("weimann-resnet", **small)
    limits = qat.observe(model, TinyTask().calibration().inputs)
    qat.fake_quantized(model, limits).save(tmp_path / "qat.keras")
    graph = read_tflite(convert(tmp_path / "qat.keras", "int8-qat").content)
    assert {tensor.dtype for tensor in graph.tensors if tensor.data is None} == {"int8"}


def test_a_conv1d_network_is_written_without_its_ballast_and_says_so(tmp_path, monkeypatch):
    import keras

    from ecgdeploy.graph import read_tflite
    from ecgdeploy.graph.inputs import random_inputs
    from ecgdeploy.quantization import quantize
    from ecgdeploy.quantization.precision import convert_all
    from ecgdeploy.reference import LiteRtReference
    from ecgdeploy.training.runtime import tensorflow

    tensorflow(1)
    entry = keras.Input((1, 64, 1), batch_size=1)
    x = keras.layers.Reshape((64, 1))(entry)
    branches = [keras.layers.Conv1D(4, width, padding="same", activation="relu")(x) for width in (3, 5)]
    x = keras.layers.Conv1D(4, 3)(keras.layers.Concatenate()(branches))
    keras.Model(entry, keras.layers.GlobalAveragePooling1D()(x)).save(tmp_path / "conv1d.keras")
    plain = {}
    monkeypatch.setattr(quantize, "convert_all", lambda *given: plain.update(convert_all(*given)) or dict(plain))
    said = []
    ranges = TinyTask().calibration()
    made = quantize.quantize(
        tmp_path / "conv1d.keras", tmp_path / "files", ["float32", "int8"], ranges, report=said.append
    )
    for precision in ("float32", "int8"):
        written = (tmp_path / "files" / f"{precision}.tflite").read_bytes()
        before, after = read_tflite(plain[precision].content), read_tflite(written)
        saved = made.manifest["precisions"][precision]["folded"]
        assert saved.startswith(f"{len(before.operators)} operators are {len(after.operators)}, ")
        assert any(line.startswith(f"{precision}: ") and "identical outputs" in line for line in said)
        reshapes = [sum(one.kind == "RESHAPE" for one in graph.operators) for graph in (before, after)]
        assert reshapes[1] < reshapes[0]
        one, other = (LiteRtReference(file, "reference") for file in (plain[precision].content, written))
        for window in random_inputs(written, 4, 5):
            for left, right in zip(one.run(window), other.run(window), strict=True):
                assert left.tobytes() == right.tobytes()
