"""The wheel carries boards, templates and firmware, and works in an empty environment outside the clone."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from pathlib import Path

import pytest
from wheel_install import CLONE, build_wheel, install


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this clone."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An environment with the wheel in it."""
    return install(wheel, tmp_path_factory.mktemp("installed"))


def run(installed, *args, program="ecgdeploy"):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [installed / "venv" / "bin" / program, *args]
    return subprocess.run(command, cwd=installed, env=environment, capture_output=True, text=True, check=False)


def test_the_wheel_holds_every_board_template_and_firmware_file_and_one_package(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "boards", "templates", "firmware"], cwd=CLONE, capture_output=True, text=True, check=False
    )
    expected = tracked.stdout.split() or [
        str(path.relative_to(CLONE))
        for folder in ("boards", "templates", "firmware")
        for path in (CLONE / folder).rglob("*")
        if path.is_file()
    ]
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"ecgdeploy"}
    missing = [name for name in expected if (CLONE / name).exists() and f"ecgdeploy/_assets/{name}" not in names]
    assert missing == []


def test_the_wheel_holds_every_preset_of_the_zoo(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    zoo = CLONE / "host" / "ecgdeploy" / "zoo"
    files = [path for preset in zoo.glob("*/train.toml") for path in preset.parent.iterdir() if path.is_file()]
    assert files
    assert [path.name for path in files if f"ecgdeploy/zoo/{path.relative_to(zoo)}" not in names] == []


def test_the_installed_package_is_not_the_clone(installed):
    done = run(installed, "-c", "import ecgdeploy.resources as r; print(r.assets())", program="python")
    assert done.stdout.strip().startswith(str(installed))


def test_boards_and_doctor_run_from_the_wheel(installed):
    done = run(installed, "boards", "--json")
    assert done.returncode == 0, done.stderr
    assert "nano33ble" in {board["name"] for board in json.loads(done.stdout)}
    assert run(installed, "doctor").returncode == 0


@pytest.mark.slow
def test_build_emulate_runs_from_the_wheel(installed):
    done = run(installed, "build", "--board", "nano33ble", "--emulate", "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert Path(made["elf"]).is_file()
    assert Path(made["elf"]).is_relative_to(installed)
    assert made["sizes"]["flash"] < 983_040


@pytest.mark.slow
def test_measure_runs_from_the_wheel_on_synthetic_ecgs(installed):
    done = run(
        installed,
        "measure",
        "--board",
        "nano33ble",
        "--emulate",
        "--task",
        "mitbih-beats-synthetic",
        "--limit",
        "2",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    bit_exact = json.loads(done.stdout)["bit_exact"]
    assert bit_exact["identical"] == bit_exact["compared"] > 0
