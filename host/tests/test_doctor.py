"""doctor: tells what is there, what is missing, what for and how to get it; exit 4 only when the demo cannot run."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner

from ecgdeploy.cli.doctor import doctor
from ecgdeploy.errors import BuildError
from ecgdeploy.toolchains import tools


def fake_tool(folder, name, says="tool 1.2.3"):
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)


REQUIRED = [tool.program for tool in tools.TOOLS if tool.required]
OPTIONAL = [tool.program for tool in tools.TOOLS if not tool.required]


def without(monkeypatch, *gone):
    """Hide programs from everyone who looks for them."""
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name in gone else which(name))


def checks(result):
    return {check["name"]: check for check in json.loads(result.stdout)["checks"]}


def test_every_check_says_what_for_and_how_to_install():
    result = CliRunner().invoke(doctor, ["--json"])
    found = checks(result)
    assert {"cmake", "qemu-system-arm", "arm-none-eabi-gcc", "tflite-micro", "newlib (arm)"} <= found.keys()
    for check in found.values():
        assert check["needed_for"]
        assert "install" in check["install"]
        assert not check["found"] or check["version"] or check["kind"] == "library"


def test_a_missing_optional_tool_is_no_failure(monkeypatch):
    without(monkeypatch, *OPTIONAL)
    result = CliRunner().invoke(doctor, ["--json"])
    assert not checks(result)["clang"]["found"]
    assert result.exit_code == 0
    assert json.loads(result.stdout)["ok"]


@pytest.mark.parametrize("gone", REQUIRED)
def test_a_missing_required_tool_ends_in_4_and_names_its_package(monkeypatch, gone):
    without(monkeypatch, gone)
    result = CliRunner().invoke(doctor, [])
    assert result.exit_code == 4
    line, after = next(
        (line, after)
        for line, after in zip(result.stdout.splitlines(), result.stdout.splitlines()[1:], strict=False)
        if gone in line
    )
    assert line.startswith("MISSING")
    assert tools.BY_PROGRAM[gone].package in after


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ("arm-none-eabi-gcc (15:12.2.rel1-1) 12.2.1 20221205", "12.2.1"),
        ("cmake version 3.25.1", "3.25.1"),
        ("1.11.1", "1.11.1"),
        ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)", "7.2.22"),
        ("gcc (Debian 12.2.0-14+deb12u1) 12.2.0", "12.2.0"),
        ("no number", None),
    ],
)
def test_versions_are_read_from_what_the_tools_print(monkeypatch, tmp_path, says, expected):
    fake_tool(tmp_path, "tool", says)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert tools.version("tool") == expected


def test_the_arm_compiler_without_its_library_is_told_apart(monkeypatch, tmp_path):
    fake_tool(tmp_path, "arm-none-eabi-gcc", "libc_nano.a")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(BuildError, match="no C library") as caught:
        tools.require_newlib()
    assert caught.value.hint == "sudo apt-get install -y libnewlib-arm-none-eabi"
