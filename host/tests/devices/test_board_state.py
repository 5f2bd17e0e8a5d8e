"""Heat, throttling and power are read from the trees that real boards have, and never made up."""

from __future__ import annotations

import subprocess

import pytest

from ecgdeploy.boards import load_board
from ecgdeploy.devices.board_state import read_state
from ecgdeploy.devices.ssh import Done

PMIC = """\
     3V7_WL_SW_A current(0)=0.10000000A
       3V3_SYS_A current(1)=0.20000000A
     3V7_WL_SW_V volt(8)=3.70000000V
       3V3_SYS_V volt(9)=3.30000000V
          EXT5V_V volt(24)=5.10000000V
"""


class Shell:
    """A board that is this computer's shell, with `vcgencmd` answering from a table."""

    name = "shell"

    def __init__(self, answers=None):
        self.answers = answers or {}

    def run(self, command, data=b"", timeout=10.0):
        if command.startswith("vcgencmd"):
            text = self.answers.get(command.split()[1])
            return Done(127, "", "sh: vcgencmd: not found") if text is None else Done(0, text, "")
        done = subprocess.run(["sh", "-c", command], input=data, capture_output=True, timeout=timeout, check=False)
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def line(self, program):
        raise AssertionError(program)


def tree(root, files):
    for name, text in files.items():
        path = root / "sys/class" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return str(root)


JETSON = {
    "hwmon/hwmon0/name": "tmp451",
    "hwmon/hwmon3/name": "ina3221",
    "hwmon/hwmon3/in1_label": "VDD_IN",
    "hwmon/hwmon3/in1_input": "5000",
    "hwmon/hwmon3/curr1_input": "1200",
    "hwmon/hwmon3/in2_label": "VDD_CPU_GPU_CV",
    "hwmon/hwmon3/in2_input": "5000",
    "hwmon/hwmon3/curr2_input": "300",
    "hwmon/hwmon3/in7_label": "sum of shunt voltages",
    "thermal/thermal_zone0/temp": "45500",
    "thermal/thermal_zone1/temp": "51250",
    "thermal/thermal_zone2/temp": "-256000",
    "thermal/cooling_device0/type": "pwm-fan",
    "thermal/cooling_device0/cur_state": "2",
    "thermal/cooling_device1/type": "cpufreq-cpu0",
    "thermal/cooling_device1/cur_state": "0",
}


def test_a_jetson_tells_rails_total_and_hottest_zone(tmp_path):
    state = read_state(Shell(), load_board("jetson_orin").linux, tree(tmp_path, JETSON))
    assert state.rails_mw == {"VDD_IN": 6000.0, "VDD_CPU_GPU_CV": 1500.0}
    assert state.power_mw == 6000.0 and "carrier board not included" in state.power
    assert state.temperature_c == 51.25
    assert state.throttled is False


def test_a_cooling_device_at_work_is_throttling_and_a_fan_is_not(tmp_path):
    files = JETSON | {"thermal/cooling_device1/cur_state": "3"}
    state = read_state(Shell(), load_board("jetson_orin").linux, tree(tmp_path, files))
    assert state.throttled is True and "cpufreq-cpu0" in state.throttling


def test_a_jetson_without_its_sensor_has_no_power_figure(tmp_path):
    state = read_state(Shell(), load_board("jetson_orin").linux, tree(tmp_path, {"hwmon/hwmon0/name": "tmp451"}))
    assert state.power_mw is None and state.power == "no INA3221 was found"
    assert state.throttled is None and state.temperature_c is None


@pytest.mark.parametrize(("said", "throttled"), [("throttled=0x0", False), ("throttled=0x50005", True)])
def test_a_raspberry_pi_tells_its_throttling(tmp_path, said, throttled):
    state = read_state(Shell({"get_throttled": said}), load_board("rpi4").linux, str(tmp_path))
    assert (state.throttled, state.throttling) == (throttled, said)
    assert state.power_mw is None and "no power sensor" in state.power


def test_a_raspberry_pi_5_gives_an_estimate_and_says_so(tmp_path):
    shell = Shell({"get_throttled": "throttled=0x0", "pmic_read_adc": PMIC})
    state = read_state(shell, load_board("rpi5").linux, str(tmp_path))
    assert state.power_mw == pytest.approx(0.1 * 3700 + 0.2 * 3300) and "estimate" in state.power


def test_a_board_without_vcgencmd_is_unknown_not_unthrottled(tmp_path):
    state = read_state(Shell(), load_board("rpi5").linux, str(tmp_path))
    assert state.throttled is None and state.power_mw is None and "says nothing" in state.power


@pytest.mark.parametrize(
    ("compatible", "machine"),
    [("linux,dummy-virt\0", "linux,dummy-virt"), ("raspberrypi,4-model-b\0brcm,bcm2711\0", ""), (None, "")],
)
def test_an_emulated_machine_is_told_from_a_board_whatever_it_calls_itself(tmp_path, compatible, machine):
    if compatible is not None:
        path = tmp_path / "proc/device-tree/compatible"
        path.parent.mkdir(parents=True)
        path.write_text(compatible)
    assert read_state(Shell(), load_board("rpi4").linux, root=str(tmp_path)).machine == machine
