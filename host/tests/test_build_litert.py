"""Engine ``litert`` on a Linux board: a bundle that answers as LiteRT here does, and refuses a damaged model."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess

import numpy as np
import pytest

from ecgdeploy import projects
from ecgdeploy.devices import open_device
from ecgdeploy.devices.ssh import RemoteError
from ecgdeploy.errors import BuildError, DeviceError
from ecgdeploy.flash.linux import read_bundle
from ecgdeploy.measure.references import DELEGATE, litert_stored, repeats_litert
from ecgdeploy.projects.sources import read_model
from ecgdeploy.toolchains import litert_wheel

NEEDED = {
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    "qemu-aarch64-static": "qemu-user-static",
}
MISSING = [name for name in NEEDED if shutil.which(name) is None]
BUNDLE_LIMIT = 8_000_000
FLIPS = 100
EXIT_ENGINE = 70


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The preset's bundle for a Raspberry Pi 4."""
    if MISSING:
        pytest.skip(f"needs {MISSING}: sudo apt-get install {' '.join(NEEDED[name] for name in MISSING)}")
    try:
        litert_wheel.litert_library()
    except BuildError as error:
        pytest.skip(f"LiteRT's aarch64 wheel cannot be had ({error.message}): {error.hint}")
    return projects.build("beat-cnn", "rpi4", "litert", True, tmp_path_factory.mktemp("litert") / "project")


def command(built, folder=None):
    folder = folder or built.folder
    parts = [part.replace("{folder}", str(folder)) for part in built.manifest["facts"]["emulator"]]
    return [*parts, str(folder / "bundle" / "firmware")]


def test_the_bundle_is_small_whole_and_without_the_plugin_that_dies(built):
    bundle = built.folder / "bundle"
    names = {path.name for path in bundle.iterdir()}
    assert names == {
        "LICENSE.LiteRT", "SHA256SUMS", "ecgdeploy-rollback.service", "ecgdeploy.service", "firmware", "golden.bin",
        "golden.json", "libLiteRt.so", "manifest.json", "model.tflite", "rollback.sh",
    }  # fmt: skip
    assert sum(path.stat().st_size for path in bundle.iterdir()) < BUNDLE_LIMIT
    for line in (bundle / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((bundle / name).read_bytes()).hexdigest() == digest
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert (manifest["architecture"], manifest["isa"], manifest["least_glibc"]) == ("aarch64", "armv8.0-a", "2.34")


def test_answers_are_those_of_litert_here_to_a_quantization_step(built):
    model = read_model("beat-cnn")
    shape = model.graph.tensor(model.graph.inputs[0]).shape
    windows = np.random.default_rng(5).integers(-128, 128, (12, *shape[1:])).astype(np.int8)
    with open_device(process=command(built), expect_model=model.sha256) as device:
        assert device.hello.engine == "litert"
        rows = [device.infer(window.tobytes()).outputs for window in windows]
    answers = [np.stack([np.frombuffer(row[0], np.int8) for row in rows])]
    path = built.folder / "bundle" / "model.tflite"
    here = litert_stored(path, [windows], DELEGATE)
    assert repeats_litert(answers, here)
    assert len(np.unique(answers[0])) > 3


def test_a_model_file_with_a_flipped_bit_or_cut_short_is_refused(built, tmp_path):
    copy = tmp_path / "project"
    shutil.copytree(built.folder, copy, symlinks=True, ignore=shutil.ignore_patterns("build", "firmware.map"))
    path = copy / "bundle" / "model.tflite"
    data = path.read_bytes()
    random = np.random.default_rng(9)
    flips = [bytearray(data) for _ in range(FLIPS)]
    for damaged in flips:
        damaged[random.integers(len(data))] ^= 1 << int(random.integers(8))
    for damaged in (*map(bytes, flips), data[:-1], data + b"\0", b""):
        path.write_bytes(damaged)
        # on the board, by the program itself ...
        done = subprocess.run([*command(built, copy), "--self-test"], capture_output=True, check=False)
        assert (done.returncode, b"not the file" in done.stderr) == (EXIT_ENGINE, True)
        # ... and here, before anything is sent
        with pytest.raises(RemoteError) as caught:
            read_bundle(copy / "bundle")
        assert caught.value.code == "bundle"
    with pytest.raises(DeviceError), open_device(process=command(built, copy)) as device:
        device.infer(bytes(device.hello.input_bytes))
    path.write_bytes(data)
    assert subprocess.run([*command(built, copy), "--self-test"], capture_output=True, check=False).returncode == 0


def test_a_wheel_that_is_another_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("ECGDEPLOY_CACHE", str(tmp_path))
    wheel = tmp_path / "other.whl"
    wheel.write_bytes(b"not a wheel")
    monkeypatch.setenv(litert_wheel.WHEEL_VARIABLE, str(wheel))
    with pytest.raises(BuildError, match="wheel"):
        litert_wheel.litert_library()
