"""A deployment to a board with Debian's kernel, systemd and SSH: each fault has its code, and a good release serves."""

from __future__ import annotations

import hashlib
import json
import os
import shutil

import pytest
from conftest import command_line

from ecgdeploy.devices import Device
from ecgdeploy.devices.linux_machine import key_pair
from ecgdeploy.devices.ssh import SshLine

DEVICE_EXIT = 3
MEASURED_WINDOWS = 200


@pytest.fixture(autouse=True)
def serving(board, good):
    """Before every test the board serves the good release, and after it as well."""
    board.trust(board.host_key[1])
    ok, output = flash(board, good.folder)
    assert ok == 0, output
    yield
    board.trust(board.host_key[1])
    golden = json.loads((good.folder / "bundle" / "golden.json").read_text())
    login = board.login
    with Device(SshLine(f"ssh://{login.host}", login.known_hosts, login.key)) as device:
        assert device.hello.build_id == good.build_id
        for window in golden["windows"]:
            inputs = b"".join(map(bytes.fromhex, window["inputs"]))
            assert [output.hex() for output in device.infer(inputs).outputs] == window["outputs"]


def keys(board):
    """Environment with which a command reaches the board."""
    return {"ECGDEPLOY_KNOWN_HOSTS": str(board.login.known_hosts), "ECGDEPLOY_SSH_KEY": str(board.login.key)}


def flash(board, folder):
    """``ecgdeploy flash``: exit code and what it said."""
    arguments = ["flash", str(folder), "--board", "rpi4", "--host", board.login.host]
    status, output, errors = command_line(keys(board), *arguments)
    return status, output + errors


def shell(board, command):
    with board.remote() as remote:
        done = remote.run(command)
    assert done.status == 0, done.errors
    return done.output


def refused(board, folder, code):
    """Flashing ends with the exit code of a device and this fault's name; returns what was said."""
    status, output = flash(board, folder)
    assert status == DEVICE_EXIT and f"[{code}]" in output, output
    return output


def changed(build, folder, **files):
    """A project with some files of its bundle replaced, sealed again as if it had been built so."""
    bundle = shutil.copytree(build.folder / "bundle", folder / "bundle")
    shutil.copy2(build.folder / "manifest.json", folder / "manifest.json")
    for name, data in files.items():
        (bundle / name.replace("__", ".")).write_bytes(data)
    names = sorted(path.name for path in bundle.iterdir() if path.name != "SHA256SUMS")
    sums = [f"{hashlib.sha256((bundle / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (bundle / "SHA256SUMS").write_text("".join(sums))
    return folder


def test_a_good_release_is_measured_through(board, good, tmp_path):
    """Real beats through the deployed release, the answers equal to the reference's bit for bit."""
    if not os.environ.get("ECGDEPLOY_DATA"):
        pytest.skip("needs MIT-BIH: set ECGDEPLOY_DATA to a folder with it")
    status, output, errors = command_line(
        keys(board), "measure", "--board", "rpi4", "--engine", "static", "--port", f"ssh://{board.login.host}",
        "--limit", "10", "--project", str(good.folder), "--output", str(tmp_path), "--json",
    )  # fmt: skip
    assert status == 0, errors
    result = json.loads(output)
    assert result["bit_exact"]["compared"] >= MEASURED_WINDOWS
    assert result["bit_exact"]["identical"] == result["bit_exact"]["compared"]


def test_a_newer_release_takes_over_and_the_older_one_again(board, good, newer):
    status, output = flash(board, newer.folder)
    assert status == 0 and newer.build_id in output
    assert shell(board, "readlink ecgdeploy/current ecgdeploy/previous").split() == [
        f"releases/{newer.build_id}", f"releases/{good.build_id}",
    ]  # fmt: skip
    status, output = flash(board, good.folder)
    assert status == 0 and good.build_id in output


def test_wrong_golden_answers(board, newer, tmp_path):
    golden = json.loads((newer.folder / "bundle" / "golden.json").read_text())
    wrong = bytearray.fromhex(golden["windows"][1]["outputs"][0])
    wrong[-1] ^= 0x80  # the sign of the last float
    golden["windows"][1]["outputs"][0] = wrong.hex()
    refused(board, changed(newer, tmp_path / "bad", golden__json=json.dumps(golden).encode()), "golden")


def test_a_full_disk(board, newer):
    shell(board, "head -c 49000000 /dev/zero > filler")
    try:
        refused(board, newer.folder, "disk")
    finally:
        shell(board, "rm -f filler")


def test_a_board_with_another_host_key(board, newer):
    board.trust(key_pair()[1])
    refused(board, newer.folder, "host_key")


def test_a_release_that_dies_at_start(board, newer, tmp_path):
    dead = changed(newer, tmp_path / "dead", firmware=b"#!/bin/sh\necho cannot run >&2\nexit 1\n")
    refused(board, dead, "start")
