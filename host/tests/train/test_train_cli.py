"""The commands: refusals come before anything heavy, results go to stdout, exit codes are stable."""

import json
import os
import subprocess
import sys

import pytest

from ecgdeploy import zoo


def ecgdeploy(*arguments, **environment):
    """Run the command line; (exit code, stdout, stderr)."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ecgdeploy", *map(str, arguments)],
        capture_output=True, text=True, env=os.environ | environment, check=False,
    )  # fmt: skip
    errors = "\n".join(line for line in done.stderr.splitlines() if not line.startswith("import time:"))
    return done.returncode, done.stdout, errors, "| tensorflow\n" in done.stderr


@pytest.mark.parametrize(
    ("precision", "engine", "message"),
    [
        ("float16", "tflm", "the nearest that does is float32"),
        ("dynamic", "tflm", "the nearest that does is int8"),
        ("dynamic", "static", "the nearest that does is int8"),
        ("int8", "litert", "board nano33ble has no engine litert"),
    ],
)
def test_a_precision_that_the_board_cannot_run_is_refused_before_training(tmp_path, precision, engine, message):
    path = tmp_path / "run.toml"
    target = f'\n[target]\nboard = "nano33ble"\nengine = "{engine}"\n'
    text = zoo.config_path("beat-cnn").read_text()
    path.write_text(text.replace('precisions = ["float32", "int8"]', f'precisions = ["{precision}"]') + target)
    code, out, errors, tensorflow = ecgdeploy("train", "--config", path, "--output", tmp_path / "run")
    assert (code, out, tensorflow) == (2, "", False)
    assert message in errors and "Traceback" not in errors
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train",), "give --preset or --config"),
        (("train", "--preset", "beat-cn"), "did you mean 'beat-cnn'"),
        (("train", "--preset", "beat-cnn", "--set", "epochs"), "no '='"),
        (("train", "--preset", "beat-cnn", "--set", "epoch=3"), "did you mean 'epochs'"),
        (("train", "--preset", "beat-cnn", "--data", "/nowhere"), "nowhere"),
        (("quantize", "/nowhere"), "holds no finished training run"),
        (("zoo", "show", "beat-cn"), "did you mean 'beat-cnn'"),
        (("study", "run", "rajotte2024"), "did you mean 'rajotte2025'"),
    ],
)
def test_bad_input_is_one_line_without_tensorflow(arguments, message):
    code, out, errors, tensorflow = ecgdeploy(*arguments)
    assert (code, out, tensorflow) == (2, "", False)
    assert message in errors and "Traceback" not in errors


def test_listing_needs_no_tensorflow():
    for arguments in (("zoo", "list", "--json"), ("study", "list", "--json"), ("train", "--show-schema")):
        code, out, _, tensorflow = ecgdeploy(*arguments)
        assert (code, tensorflow) == (0, False)
        assert json.loads(out)


@pytest.mark.train
@pytest.mark.slow
def test_train_then_quantize_from_the_command_line(tmp_path):
    run = tmp_path / "run"
    small = ("--set", "task=mitbih-beats-synthetic", "--set", "epochs=1", "--set", "model.options.filters=[4,4,4,4]")
    code, out, errors, _ = ecgdeploy("train", "--preset", "beat-cnn", "--output", run, "--threads", 1, *small, "--json")
    assert code == 0, errors
    assert json.loads(out)["synthetic"] is True
    few = ("quantize", run, "--precision", "mixed-bits", "--calibration", 32, "--no-test", "--json")
    code, out, errors, _ = ecgdeploy(
        *few, "--bits", 4, "--precision", "int8", "--board", "nano33ble", ECGDEPLOY_THREADS="1"
    )
    assert code == 0, errors
    entry = json.loads(out)["precisions"]["int8"]
    assert entry["calibration"]["windows"] == 32
    assert (run / "tflite/int8.tflite").stat().st_size == entry["bytes"]
    entry = json.loads(out)["precisions"]["mixed-bits"]
    assert {layer["bits"] for layer in entry["layers"]} == {4}
    assert entry["storage"]["paper"]["times_smaller"] == 8.0
    assert not (run / "tflite/float32.tflite").exists()  # needed on the way, not asked for
    code, _, errors, tensorflow = ecgdeploy(*few, "--bits", 9)
    assert (code, tensorflow) == (2, False)
    assert "the static engine has 1 to 8" in errors and len(errors.splitlines()) == 1
    code, _, errors, tensorflow = ecgdeploy("quantize", run, "--precision", "dynamic", "--board", "nano33ble")
    assert (code, tensorflow) == (2, False)
    assert "precision dynamic does not run on nano33ble with engine static" in errors
