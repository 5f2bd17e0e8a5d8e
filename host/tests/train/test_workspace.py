"""A project folder: a Keras model and recordings of one's own go to a measured board without further options."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from ecgdeploy.cli import app
from ecgdeploy.errors import EcgDeployError

pytestmark = pytest.mark.train
SAMPLES = 64


@pytest.fixture(scope="module")
def keras():
    from ecgdeploy.training import runtime

    runtime.tensorflow(1)
    import keras

    keras.utils.set_random_seed(1)
    return keras


def windows(folder, leads=1):
    """Windows with a bump (class b) or without, five of each of 12 records."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = rng.normal(0, 0.05, (60, SAMPLES, leads)).astype(np.float32)
    x[:, 24:40] += y[:, None, None]
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "w.npz", x=x, y=np.array(["a", "b"])[y], record=np.repeat(np.arange(12), 5))


def network(keras, shape=(SAMPLES, 1), outputs=2, end="softmax"):
    layers = keras.layers
    return keras.Sequential([
        keras.Input(shape),
        layers.Reshape((SAMPLES, -1)),
        layers.Conv1D(4, 5, strides=2, padding="same", activation="relu"),
        layers.GlobalMaxPooling1D(),
        layers.Dense(outputs, activation=end),
    ])


def run(*args, fails=None):
    """A command of the CLI in this folder; `fails` is the exit code of the error it must end in."""
    result = CliRunner().invoke(app, args, prog_name="ecgdeploy")
    if fails is None:
        assert result.exception is None, (args, result.output, result.exception)
        return result.stdout
    assert isinstance(result.exception, EcgDeployError), (args, result.output, result.exception)
    assert result.exception.exit_code == fails
    line = f"{result.exception.message}; {result.exception.hint}"
    assert "\n" not in line
    return line


def change(find, put):
    from pathlib import Path

    path = Path("ecgdeploy.toml")
    text = path.read_text()
    assert find in text
    path.write_text(text.replace(find, put))


@pytest.fixture
def begun(tmp_path, monkeypatch, keras):
    """A folder with recordings, a model and the project file that init made of them."""
    monkeypatch.chdir(tmp_path)
    windows(tmp_path / "data")
    network(keras).save("model.keras")
    run("init", "--source", "numpy", "--rate", "100")
    change("epochs = 10", "epochs = 2")
    change("batch = 64", "batch = 16")
    return tmp_path


@pytest.mark.slow
def test_no_command_needs_an_option_from_the_model_to_the_verdict(begun):
    text = (begun / "ecgdeploy.toml").read_text()
    assert 'classes = ["a", "b"]' in text and f"samples = {SAMPLES}" in text
    assert "yet" in run("quantize", fails=2)
    assert "train" in run("build", fails=2)
    assert "of 2" in run("train")
    run("quantize")
    run("verify")
    run("build")
    run("measure")
    run("report")
    result = json.loads((begun / "runs" / "measure" / "result.json").read_text())
    assert result["bit_exact"]["compared"] == result["bit_exact"]["identical"] == result["provenance"]["windows"] > 0
    assert "passed" in run("gate")
    assert (begun / "report" / "report.html").is_file()
    # a twin is not flashed
    assert "emulate" in run("flash", fails=2)
    # a missed gate ends in 1
    (begun / "gates.toml").write_text("schema = 1\n[memory]\nmax_ram = 1\n")
    run("gate", fails=1)
    # a model file that changed is not what lies in models/
    saved = (begun / "model.keras").read_bytes()
    (begun / "model.keras").write_bytes(saved + b" ")
    assert "not of the model" in run("measure", fails=2)
    (begun / "model.keras").write_bytes(saved)
    # other data or another split: what was trained may be what tests
    change('by = "record"', 'by = "record"\nseed = 2')
    assert "split" in run("measure", fails=2)
    assert "not trained yet with this" in run("quantize", fails=2)


@pytest.mark.parametrize(
    ("shape", "outputs", "end", "words"),
    [
        ((SAMPLES, 1), 3, "softmax", ("3 outputs", "2 classes")),
        ((32, 1), 2, "softmax", ("takes 32", "64 samples")),
        ((SAMPLES, 2), 2, "softmax", ("64 x 2", "1 leads")),
        ((SAMPLES, 1), 2, None, ("no probabilities", 'activation = "softmax"')),
        ((SAMPLES, 1), 2, "sigmoid", ("sum to 1", "multilabel")),
    ],
)
def test_a_model_that_does_not_fit_is_one_line(begun, keras, shape, outputs, end, words):
    layers = keras.layers
    model = keras.Sequential([
        keras.Input(shape), layers.Conv1D(4, 5, padding="same"), layers.GlobalMaxPooling1D(),
        layers.Dense(outputs, activation=end),
    ])  # fmt: skip
    model.save(begun / "model.keras")
    line = run("train", fails=2)
    for word in words:
        assert word in line


def test_a_file_that_is_no_model_is_one_line(begun):
    (begun / "model.keras").write_text("no model")
    assert "model.keras" in run("train", fails=2)
    (begun / "model.keras").unlink()
    assert "no file model.keras" in run("train", fails=2)


@pytest.mark.parametrize("shape", [(SAMPLES,), (SAMPLES, 1), (1, SAMPLES, 1), (SAMPLES, 1, 1)])
def test_the_same_values_may_come_in_any_shape(tmp_path, keras, shape):
    from ecgdeploy.training import own_model

    layers = keras.layers
    model = keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(2, activation="softmax")])
    model.save(tmp_path / "m.keras")
    loaded = own_model.load(tmp_path / "m.keras", (SAMPLES, 1), ("a", "b"), False)
    x = np.random.default_rng(0).normal(size=(3, SAMPLES)).astype(np.float32)
    np.testing.assert_array_equal(
        np.asarray(loaded(x.reshape(3, 1, SAMPLES, 1))), np.asarray(model(x.reshape(3, *shape)))
    )


def test_a_model_whose_leads_come_first_answers_as_it_does_alone(tmp_path, keras):
    from ecgdeploy.training import own_model

    layers = keras.layers
    model = keras.Sequential([
        keras.Input((3, SAMPLES)), layers.Permute((2, 1)), layers.Conv1D(4, 5), layers.GlobalMaxPooling1D(),
        layers.Dense(2),
    ])  # fmt: skip
    model.save(tmp_path / "m.keras")
    loaded = own_model.load(tmp_path / "m.keras", (SAMPLES, 3), ("a", "b"), False, activation="softmax")
    x = np.random.default_rng(0).normal(size=(5, SAMPLES, 3)).astype(np.float32)
    alone = keras.ops.softmax(model(x.transpose(0, 2, 1)))
    np.testing.assert_allclose(np.asarray(loaded(x[:, None])), np.asarray(alone), rtol=1e-5, atol=1e-6)


OWN_LAYERS = """
import keras


class Doubled(keras.layers.Layer):
    def call(self, x):
        return x * 2


class Subclassed(keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.inner = [Doubled(), keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")]

    def call(self, x):
        for layer in self.inner:
            x = layer(x)
        return x
"""


def test_layers_of_ones_own_are_known_where_the_project_names_their_file(tmp_path, monkeypatch, keras):
    import subprocess
    import sys

    from ecgdeploy.errors import ModelError
    from ecgdeploy.training import own_model, runtime

    (tmp_path / "layers.py").write_text(OWN_LAYERS)
    # saved by another process: this one has never seen the classes
    code = "from layers import *; import numpy as np; m = Subclassed(); m(np.zeros((1, 64, 1))); m.save('m.keras')"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    with pytest.raises(ModelError, match="does not know its layer Subclassed"):
        own_model.load(tmp_path / "m.keras", (SAMPLES, 1), ("a", "b"), False)
    monkeypatch.setenv(runtime.OWN_LAYERS, str(tmp_path / "layers.py"))
    model = own_model.load(tmp_path / "m.keras", (SAMPLES, 1), ("a", "b"), False)
    assert model.input_shape == (None, 1, SAMPLES, 1)
    for name in ("Doubled", "Subclassed"):
        keras.saving.get_custom_objects().pop(name)


def test_a_trained_model_is_adopted_with_its_weights(begun, keras):
    change("# trained = true ", "trained = true ")
    before = keras.saving.load_model(begun / "model.keras").get_weights()
    assert "trained elsewhere" in run("train")
    adopted = next((begun / "runs").glob("train-*/model.keras"))
    for mine, theirs in zip(before, keras.saving.load_model(adopted, compile=False).get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.usefixtures("begun")
def test_the_project_file_is_checked_before_anything_runs():
    change("[quantize]", "[quantise]")
    line = run("train", fails=2)
    assert "quantise" in line and "quantize" in line
    change("[quantise]", "[quantize]")
    change("epochs = 2", "epoch = 2")
    assert "epochs" in run("train", fails=2)
    change("epoch = 2", "epochs = 2\nseed = -1")
    assert "seed" in run("train", fails=2)


@pytest.mark.usefixtures("begun")
def test_a_precision_is_checked_before_training_and_another_one_trains_nothing_anew():
    from pathlib import Path

    from ecgdeploy.workspace import here, steps

    project = here()
    settings = project.settings(steps.load_task(project))
    change('precision = "int8"', 'precision = "dynamic"')
    line = run("train", fails=2)
    assert "dynamic does not run on nano33ble with engine static" in line and "nearest that does is int8" in line
    assert not Path("runs").exists()
    change('precision = "dynamic"', 'precision = "int16x8"')
    project = here()
    assert project.precisions == ("float32", "int16x8")
    assert project.settings(steps.load_task(project)).sha256 == settings.sha256


def test_help_and_other_folders_commands_do_not_need_a_sound_project(begun):
    (begun / "ecgdeploy.toml").write_text("broken =")
    assert "Measure a model" in run("measure", "--help")
    assert "not TOML" in run("measure", fails=2)


@pytest.mark.parametrize("name", ["old.h5", "saved", "net.onnx"])
def test_a_model_in_another_format_is_refused_before_a_project_is_written(name, tmp_path):
    from ecgdeploy.errors import ModelError
    from ecgdeploy.workspace.begin import Wish, begin

    (tmp_path / name).mkdir() if name == "saved" else (tmp_path / name).touch()
    with pytest.raises(ModelError, match=r"no \.keras or \.tflite file"):
        begin(tmp_path, Wish(model=name))
    assert not (tmp_path / "ecgdeploy.toml").exists()
