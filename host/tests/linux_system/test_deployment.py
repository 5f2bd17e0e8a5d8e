"""A deployment to a board with Debian's kernel, systemd and SSH: each fault has its code, and a good release serves."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import command_line

from ecgdeploy.devices import Device
from ecgdeploy.devices.linux_machine import key_pair

DEVICE_EXIT = 3
MEASURED_WINDOWS = 200
UNIT = "ecgdeploy.service"
SERVED = "sudo -n /opt/ecgdeploy/current/firmware --connect /run/ecgdeploy/link.sock"


@pytest.fixture(autouse=True)
def serving(board, good):
    """Before every test the board serves the good release, and after it as well."""
    board.trust(board.host_key[1])
    if good.build_id not in shell(board, f"readlink /opt/ecgdeploy/current; systemctl is-active {UNIT} || true"):
        status, output = flash(board, good.folder)
        assert status == 0, output
    yield
    board.trust(board.host_key[1])
    golden = json.loads((good.folder / "bundle" / "golden.json").read_text())
    assert shell(board, f"systemctl is-active {UNIT}").strip() == "active"
    with board.remote() as remote, Device(remote.line(SERVED)) as device:
        assert device.hello.build_id == good.build_id
        for window in golden["windows"]:
            inputs = b"".join(map(bytes.fromhex, window["inputs"]))
            assert [output.hex() for output in device.infer(inputs).outputs] == window["outputs"]


def keys(board):
    """Environment with which a command reaches the board."""
    return {"ECGDEPLOY_KNOWN_HOSTS": str(board.login.known_hosts), "ECGDEPLOY_SSH_KEY": str(board.login.key)}


def flash(board, folder, stability=0):
    """``ecgdeploy flash``: exit code and what it said."""
    arguments = ["flash", str(folder), "--board", "rpi4", "--host", board.login.host, "--stability", str(stability)]
    status, output, errors = command_line(keys(board), *arguments)
    return status, output + errors


def signal(board, name):
    """Send the serving process a signal."""
    shell(board, f"sudo -n systemctl kill --kill-who=main --signal={name} {UNIT}")


def wait_for(board, condition, rounds=90):
    """Wait on the board until a shell condition holds; a bound in its own seconds."""
    shell(board, f"for i in $(seq {rounds}); do if {condition}; then exit 0; fi; sleep 1; done; "
          f"systemctl status --no-pager {UNIT} >&2; exit 1")  # fmt: skip


def again(before):
    """Shell condition: the service was restarted since it had been `before` times, and runs."""
    return f'[ "$(systemctl show -p NRestarts --value {UNIT})" -gt {before} ] && systemctl -q is-active {UNIT}'


def restarts(board):
    return int(shell(board, f"systemctl show --property NRestarts --value {UNIT}"))


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
    # reached as a board is, and yet no time of it is told
    assert result["provenance"]["emulated"] and result["latency"]["median"] is None
    assert result["extra"]["on_board"]["latency"] is None and "dummy-virt" in result["extra"]["on_board"]["reason"]


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


def test_a_program_that_hangs_is_killed_by_the_watchdog_and_serves_again(board):
    before = restarts(board)
    signal(board, "STOP")
    wait_for(board, again(before))
    assert "Watchdog timeout" in shell(board, f"sudo -n journalctl --unit {UNIT} --lines 20 --quiet")


def test_a_release_that_hangs_while_it_is_watched_is_rolled_back(board, newer):
    """What `flash` says when the watchdog strikes within the stability window."""
    login = board.login
    command = ["flash", str(newer.folder), "--board", "rpi4", "--host", login.host, "--stability", "60"]
    process = subprocess.Popen(
        [sys.executable, "-m", "ecgdeploy", *command], env=os.environ | keys(board), stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = ""
    for line in process.stderr:
        said += line
        if "watching it" in line:
            signal(board, "STOP")
    assert process.wait() == DEVICE_EXIT and "[rolled_back]" in said, said


def test_a_newer_release_that_fails_again_and_again_is_rolled_back_with_nobody_connected(board, good, newer):
    status, output = flash(board, newer.folder)
    assert status == 0 and newer.build_id in output, output
    assert shell(board, "readlink /opt/ecgdeploy/current /opt/ecgdeploy/previous").split() == [
        f"releases/{newer.build_id}", f"releases/{good.build_id}",
    ]  # fmt: skip
    for _ in range(6):
        link = shell(board, "readlink /opt/ecgdeploy/current")
        if good.build_id in link:
            break
        before = restarts(board)
        signal(board, "KILL")
        wait_for(board, f"{again(before)} || readlink /opt/ecgdeploy/current | grep -q {good.build_id}")
    assert good.build_id in shell(board, "readlink /opt/ecgdeploy/current")
    wait_for(board, f"systemctl -q is-active {UNIT}")
