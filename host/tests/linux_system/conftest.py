"""Emulated Linux boards as whole machines: run by ``make test-linux-system`` and ``make test-linux-boards``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from ecgdeploy import projects
from ecgdeploy.devices.linux_machine import QEMU, SystemBoard
from ecgdeploy.errors import BuildError
from ecgdeploy.zoo import preset

LIMIT_S = 300
SWITCH = "ECGDEPLOY_LINUX_SYSTEM"
NEEDED = {
    QEMU: "qemu-system-arm",
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
}


@pytest.fixture(scope="session", autouse=True)
def _wanted():
    if not os.environ.get(SWITCH):
        pytest.skip("whole emulated machines: run make test-linux-system, make test-linux-boards")
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing:
        pytest.skip(f"needs {missing}: sudo apt-get install {' '.join(NEEDED[name] for name in missing)}")


def image_or_skip(make):
    """What `make` makes from Debian's packages; a skip where there is neither a mirror nor a cache."""
    try:
        return make()
    except BuildError as error:
        pytest.skip(f"Debian's arm64 packages cannot be had ({error.message}): {error.hint}")


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """The release that the board serves: the preset, engine static."""
    return projects.build("beat-cnn", "rpi4", "static", False, tmp_path_factory.mktemp("good") / "project")


@pytest.fixture(scope="session")
def newer(tmp_path_factory):
    """Another release, as sound as the first: the preset in float32."""
    return projects.build(preset("beat-cnn").float32, "rpi4", "static", False,
                          tmp_path_factory.mktemp("newer") / "project")  # fmt: skip


@pytest.fixture(scope="session")
def board(good):  # noqa: ARG001 - built first, so that the machine does not wait for the compiler
    """One board with systemd and SSH, booted once."""
    machine = image_or_skip(SystemBoard)
    with machine:
        yield machine


def command_line(environment, *arguments):
    """``ecgdeploy`` as a person runs it: exit code, standard output, standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "ecgdeploy", *arguments], env=os.environ | environment, capture_output=True, text=True,
        timeout=LIMIT_S, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr
