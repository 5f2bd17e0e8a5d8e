"""The wheel carries boards, templates and firmware, and works in an empty environment outside the clone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CLONE = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this clone, made without the network."""
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=CLONE,
        check=True,
        capture_output=True,
    )
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An environment with the wheel in it; its dependencies are this environment's, to download nothing."""
    home = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home / "venv")], check=True)
    python = home / "venv" / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "-q", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)],
        check=True,
        capture_output=True,
    )
    site = next((home / "venv" / "lib").glob("python*/site-packages"))
    # a .pth adds folders without reading the .pth files in them, so no editable install of the clone comes along
    shared = [path for path in sys.path if path.endswith("site-packages")]
    (site / "dependencies.pth").write_text("\n".join(shared) + "\n")
    return home


def run(installed, *args):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [installed / "venv" / "bin" / "ecgdeploy", *args],
        cwd=installed,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_holds_every_board_template_and_firmware_file(wheel):
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
    missing = [name for name in expected if (CLONE / name).exists() and f"ecgdeploy/_assets/{name}" not in names]
    assert missing == []


def test_the_installed_package_is_not_the_clone(installed):
    code = "import ecgdeploy.resources as r; print(r.assets())"
    done = subprocess.run(
        [installed / "venv" / "bin" / "python", "-c", code], cwd=installed, capture_output=True, text=True, check=True
    )
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
