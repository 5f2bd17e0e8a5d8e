"""A Linux board times itself: what it says is checked, and what it cannot say is null with the reason."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from ecgdeploy import projects
from ecgdeploy.boards import load_board
from ecgdeploy.devices.ssh import Done
from ecgdeploy.errors import DeviceError
from ecgdeploy.measure.on_board import FIGURES, bench, unavailable
from ecgdeploy.measure.result import Latency
from ecgdeploy.reports.table import on_board_rows

NEEDED = {"aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
          "qemu-aarch64-static": "qemu-user-static"}
MISSING = [name for name in NEEDED if shutil.which(name) is None]
SAID = dict.fromkeys(FIGURES, 2_000_000) | {"iterations": 5000, "peak_rss_bytes": 9_000_000}


class FakeBoard:
    """Answers commands from the first entry of `answers` whose key is in the command."""

    name = "board"

    def __init__(self, **answers):
        self.answers = {"readlink": "", "ls -td": "/opt/ecgdeploy/current\n", "--bench": json.dumps(SAID)} | answers
        self.commands = []

    def run(self, command, data=b"", timeout=0.0):  # noqa: ARG002
        self.commands.append(command)
        for key, text in self.answers.items():
            if key in command:
                return Done(0, text, "")
        return Done(1, "", "nothing here")


def test_latency_memory_and_energy_of_a_jetson():
    sensors = "hwmon0|name|ina3221\nhwmon0|in1_label|VDD_IN\nhwmon0|in1_input|5000\nhwmon0|curr1_input|800\n"
    board = FakeBoard(hwmon=sensors, cooling_device="cooling_device0|type|pwm\ncooling_device0|cur_state|0\n")
    found = bench(board, load_board("jetson_orin").linux, 10)
    assert "/opt/ecgdeploy/current/firmware --bench 10" in board.commands
    assert found["latency"]["p99_ns"] == 2_000_000 and found["peak_rss_bytes"] == 9_000_000
    # 4 W for 2 ms
    assert found["energy"]["millijoule_per_inference"] == pytest.approx(8.0)
    assert found["energy"]["readings"] >= 1 and found["reason"] == ""
    assert ("mJ per inference", "8.000 (INA3221, carrier board not included)") in on_board_rows(found)


def test_a_board_without_power_sensor_has_no_energy():
    found = bench(FakeBoard(vcgencmd="throttled=0x0"), load_board("rpi4").linux)
    assert found["energy"]["millijoule_per_inference"] is None
    assert found["energy"]["source"] == "this board has no power sensor"
    assert found["latency"]["median_ns"] == 2_000_000


def test_a_throttled_board_has_no_latency():
    found = bench(FakeBoard(vcgencmd="throttled=0x50005"), load_board("rpi4").linux)
    assert found["latency"] is None and found["energy"] is None and "0x50005" in found["reason"]


def test_a_release_that_cannot_measure_itself_is_one_line():
    board = FakeBoard()
    board.answers.pop("--bench")
    with pytest.raises(DeviceError, match="nothing here"):
        bench(board, load_board("rpi4").linux)


def test_an_emulated_board_has_no_figures_but_the_reason():
    found = unavailable("emulated")
    assert {key for key, value in found.items() if value is not None} == {"reason"}
    assert on_board_rows(found) == [("on-board benchmark", "emulated")]


def test_percentiles_are_the_nearest_ranks():
    import numpy as np

    latency = Latency.of(np.arange(1, 101), "cycles")
    assert (latency.median, latency.p95, latency.p99) == (50, 95, 99)


@pytest.mark.skipif(bool(MISSING), reason=f"needs {MISSING}: sudo apt-get install {' '.join(NEEDED.values())}")
def test_the_program_measures_at_least_ten_inferences_after_warming_up(tmp_path):
    built = projects.build("beat-cnn", "rpi4", "static", True, tmp_path / "project")
    command = [*built.manifest["facts"]["emulator"], str(built.elf), "--bench", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    assert set(FIGURES) < set(said) and said["iterations"] == 10 and said["warm_up"] >= 10
    assert 0 < said["minimum_ns"] <= said["median_ns"] <= said["p95_ns"] <= said["p99_ns"] <= said["maximum_ns"]
    assert said["elapsed_ns"] >= 10 * said["minimum_ns"]
    (built.elf.parent / "golden.bin").unlink()
    assert subprocess.run(command, capture_output=True, check=False).returncode == 66
