"""``ecgdeploy build --emulate`` of the committed preset, from the command line to answers of the emulated board."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ecgdeploy.devices import open_device
from ecgdeploy.projects.sources import read_model
from ecgdeploy.toolchains import tools
from ecgdeploy.zoo import preset

sys.path.insert(0, str(Path(__file__).parent / "codegen"))
from tflite_builder import Builder, unary


def ecgdeploy(*args, **environment):
    return subprocess.run(
        [sys.executable, "-m", "ecgdeploy", *map(str, args)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The default preset for the emulated Nano, through the command line."""
    folder = tmp_path_factory.mktemp("preset") / "project"
    done = ecgdeploy("build", "--board", "nano33ble", "--emulate", "--output", folder, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_preset_fits_the_nano_and_its_sizes_add_up(built):
    sizes = built["sizes"]
    assert sizes["flash"] == sum(sizes["flash_by_part"].values()) <= 983_040
    assert sizes["ram"] == sum(sizes["ram_by_part"].values())
    assert sizes["ram"] + sizes["stack"] <= 262_144
    assert {"model", "engine", "kernels", "link", "app", "port"} <= sizes["flash_by_part"].keys()
    assert built["model"]["sha256"] == read_model("beat-cnn").sha256
    assert (built["board"], built["engine"], built["emulated"]) == ("nano33ble", "static", True)


def test_the_manifest_states_what_the_image_was_made_from(built):
    folder = Path(built["folder"])
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["complete"]
    assert manifest["facts"]["compiler"] == tools.compiler_identity("arm-none-eabi-gcc")
    assert "-mcpu=cortex-m4" in manifest["facts"]["flags"]
    assert manifest["files"].keys() >= {"CMakeLists.txt", "toolchain.cmake", "README.md", "generated/ecgd_model.c"}


def test_a_second_build_is_the_first(built):
    again = json.loads(
        ecgdeploy("build", "--board", "nano33ble", "--emulate", "--output", built["folder"], "--json").stdout
    )
    assert again == built | {"cached": True}


def test_the_emulated_board_runs_this_build_and_answers_as_the_golden_reference(built):
    model = read_model(preset("beat-cnn").int8)
    reference = pytest.importorskip("ecgdeploy.reference").TflmReference(model.data)
    random = np.random.default_rng(1)
    shape = model.graph.tensor(model.graph.inputs[0]).shape
    windows = [random.integers(-128, 128, shape).astype(np.int8) for _ in range(3)]
    with open_device(elf=Path(built["elf"]), expect_model=model.sha256) as device:
        assert device.hello.build_id == built["build_id"]
        for window in windows:
            answer = device.infer(window.tobytes())
            assert b"".join(answer.outputs) == b"".join(np.asarray(one).tobytes() for one in reference.run([window]))
            assert answer.ticks > 0


def too_big(rows=4_000):
    """A dense layer with more weights than the Nano has flash."""
    b = Builder()
    weights = np.random.default_rng(0).integers(-127, 128, (rows, 256)).astype(np.int8)
    x = b.input((1, 256), "int8", 0.5)
    w = b.constant(weights, scale=0.01)
    bias = b.constant(np.zeros(rows, np.int32), scale=0.005)
    y = b.tensor((1, rows), "int8", 0.5)
    b.operator("FULLY_CONNECTED", [x, w, bias], [y], ("FullyConnectedOptions", {}))
    return b.finish([y])


def float16_weights():
    """A dense layer whose weights are float16, read through DEQUANTIZE, as the float16 converter writes it."""
    b = Builder()
    x = b.input((1, 4), "float32")
    half = b.constant(np.ones((2, 4), np.float16))
    w = b.tensor((2, 4), "float32")
    y = b.tensor((1, 2), "float32")
    b.operator("DEQUANTIZE", [half], [w])
    b.operator("FULLY_CONNECTED", [x, w, b.constant(np.zeros(2, np.float32))], [y], ("FullyConnectedOptions", {}))
    return b.finish([y])


BAD_MODELS = {
    "truncated": (lambda: preset("beat-cnn").int8.read_bytes()[:20_000], 2, ["bad.tflite"]),
    "empty": (lambda: b"", 2, ["bad.tflite"]),
    "not a model": (lambda: b"PK\x03\x04" * 500, 2, ["bad.tflite"]),
    "unsupported operator": (lambda: unary("COS", 0.1, 0, 0.1, 0), 2, ["bad.tflite", "operator 0", "COS"]),
    "float16 weight": (float16_weights, 2, ["bad.tflite", "float16"]),
    "too big": (too_big, 4, ["nano33ble", "bytes over in flash (983,040)", "heaviest tensors", "1,024,000 B"]),
}


@pytest.mark.parametrize("kind", BAD_MODELS)
def test_a_bad_model_is_one_clear_line_and_the_right_exit_code(tmp_path, kind):
    make, code, words = BAD_MODELS[kind]
    path = tmp_path / "bad.tflite"
    path.write_bytes(make())
    out = tmp_path / "project"
    done = ecgdeploy("build", "--board", "nano33ble", "--emulate", "--model", path, "--output", out)
    assert done.returncode == code
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("ecgdeploy: ")
    for word in words:
        assert word.replace("bad.tflite", "bad") in done.stderr
    assert not out.exists(), "nothing is written for a model that is refused"


USAGE = {
    "unknown board": (["--board", "nano33bel"], 2, ["unknown board 'nano33bel'", "did you mean 'nano33ble'?"]),
    "missing file": (["--board", "nano33ble", "--model", "absent.tflite"], 2, ["no model file absent.tflite"]),
    "unknown preset": (["--board", "nano33ble", "--model", "beat-cn"], 2, ["'beat-cn'", "beat-cnn"]),
    "unknown engine": (["--board", "nano33ble", "--engine", "onnx"], 2, ["no engine 'onnx'", "static"]),
    "no board": ([], 2, ["--board"]),
}


@pytest.mark.parametrize("kind", USAGE)
def test_a_wrong_request_is_refused_with_what_to_do(kind):
    arguments, code, words = USAGE[kind]
    done = ecgdeploy("build", "--emulate", *arguments)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_missing_tools_are_named_with_the_packages_before_anything_is_written(tmp_path):
    out = tmp_path / "project"
    done = ecgdeploy("build", "--board", "nano33ble", "--emulate", "--output", out, PATH=str(tmp_path))
    assert done.returncode == 4
    assert "arm-none-eabi-gcc" in done.stderr
    assert "apt-get install" in done.stderr
    assert not out.exists()


def test_the_bound_before_code_is_generated_counts_the_bits_that_channels_need():
    from ecgdeploy.graph import read_tflite
    from ecgdeploy.projects.fit import constant_bytes, packed_bound

    b = Builder()
    x = b.input((1, 8), "int8", 0.5)
    weights = np.tile(np.array([-90, 0, 90, 0], np.int8), (64, 2))  # three values: two bits
    w = b.constant(weights, scale=0.01)
    y = b.tensor((1, 64), "int8", 0.5)
    b.operator("FULLY_CONNECTED", [x, w, b.constant(np.zeros(64, np.int32), scale=0.005)], [y],
               ("FullyConnectedOptions", {}))  # fmt: skip
    graph = read_tflite(b.finish([y]))
    assert (constant_bytes(graph), packed_bound(graph)) == (512 + 256, 128 + 256)
