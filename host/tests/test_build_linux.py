"""Engine ``static`` on a Linux board: one small executable whose answers are the microcontroller's, bit for bit."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest

from ecgdeploy import projects
from ecgdeploy.devices import open_device
from ecgdeploy.projects.sources import read_model

NEEDED = {
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    "qemu-aarch64-static": "qemu-user-static",
}
MISSING = [name for name in NEEDED if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"needs {MISSING}: sudo apt-get install {' '.join(NEEDED[name] for name in MISSING)}"
)
EXECUTABLE_LIMIT = 200_000  # what issue "Raspberry Pi and Jetson" allows a whole bundle with engine static


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The preset for a Raspberry Pi 4."""
    return projects.build("beat-cnn", "rpi4", "static", True, tmp_path_factory.mktemp("linux") / "project")


def test_the_executable_is_small_and_needs_only_the_c_library(built):
    assert built.elf.stat().st_size < EXECUTABLE_LIMIT
    shown = subprocess.run(["readelf", "-d", built.elf], capture_output=True, text=True, check=True).stdout
    needed = [line.split("[")[1].rstrip("]") for line in shown.splitlines() if "(NEEDED)" in line]
    assert set(needed) <= {"libc.so.6", "libm.so.6", "ld-linux-aarch64.so.1"}


def test_two_builds_are_identical(built, tmp_path):
    other = projects.build("beat-cnn", "rpi4", "static", True, tmp_path / "elsewhere")
    assert other.elf.read_bytes() == built.elf.read_bytes()


def test_the_same_executable_serves_the_board_and_its_emulation(built, tmp_path):
    real = projects.build("beat-cnn", "rpi4", "static", False, tmp_path / "real")
    assert real.build_id == built.build_id
    assert real.elf.read_bytes() == built.elf.read_bytes()


def test_sizes_add_up(built):
    assert built.sizes.flash == sum(built.sizes.flash_by_part.values())
    assert built.sizes.flash <= built.elf.stat().st_size


def test_answers_are_those_of_the_emulated_cortex_m4_bit_for_bit(built, tmp_path):
    nano = projects.build("beat-cnn", "nano33ble", "static", True, tmp_path / "nano")
    model = read_model("beat-cnn")
    random = np.random.default_rng(7)
    shape = model.graph.tensor(model.graph.inputs[0]).shape
    windows = [random.integers(-128, 128, shape).astype(np.int8).tobytes() for _ in range(3)]
    answers = []
    for where in (
        {"elf": nano.elf},
        {"process": [*built.manifest["facts"]["emulator"], str(built.elf)]},
    ):
        with open_device(**where, expect_model=model.sha256) as device:
            answers.append([device.infer(window).outputs for window in windows])
    assert answers[0] == answers[1]
