"""The doctor's look at this computer: groups, udev rules, ModemManager, other programs on the port."""

from __future__ import annotations

import os
import pty
from pathlib import Path

import pytest

from ecgdeploy.boards import load_board
from ecgdeploy.flash import Check, Port, host_checks

BOARD = load_board("nano33ble")


def small_root(folder: Path, *, rules: str = "", processes: dict[int, str] | None = None) -> Path:
    (folder / "etc/udev/rules.d").mkdir(parents=True)
    (folder / "etc/group").write_text("root:x:0:\ndialout:x:20:someone\n")
    if rules:
        (folder / "etc/udev/rules.d/99-platformio-udev.rules").write_text(rules)
    for pid, name in (processes or {}).items():
        (folder / "proc" / str(pid) / "fd").mkdir(parents=True)
        (folder / "proc" / str(pid) / "comm").write_text(name + "\n")
    return folder


def findings(root: Path, **options: object) -> dict[str, Check]:
    options = {"ports": [], "groups": [20], "user_id": 1000, **options}
    return {check.name: check for check in host_checks([BOARD], root=root, **options)}


def test_a_computer_that_is_set_up_passes_everything(tmp_path: Path) -> None:
    rules = 'ATTRS{idVendor}=="2341", ATTRS{idProduct}=="*", MODE:="0666", ENV{ID_MM_DEVICE_IGNORE}="1"'
    found = findings(small_root(tmp_path, rules=rules, processes={7: "ModemManager"}))
    assert [name for name, check in found.items() if not check.ok] == []


def test_a_user_outside_the_serial_group_is_told_the_command(tmp_path: Path) -> None:
    check = findings(small_root(tmp_path), groups=[1000])["serial group"]
    assert not check.ok and "dialout" in check.detail and "usermod -aG dialout" in check.hint


def test_root_needs_no_group(tmp_path: Path) -> None:
    assert findings(small_root(tmp_path), groups=[0], user_id=0)["serial group"].ok


def test_a_rule_that_is_commented_out_does_not_count(tmp_path: Path) -> None:
    check = findings(small_root(tmp_path, rules='# ATTRS{idVendor}=="2341", MODE:="0666"'))["udev rules"]
    assert not check.ok and "2341" in check.detail and "99-platformio-udev.rules" in check.hint


@pytest.mark.parametrize(
    ("processes", "rules", "ok"),
    [({}, "", True), ({9: "ModemManager"}, "", False), ({9: "ModemManager"}, 'ATTRS{idVendor}=="2341"', False)],
)
def test_modem_manager_is_a_finding_only_when_it_runs_and_is_not_told_to_stay_away(
    tmp_path: Path, processes: dict[int, str], rules: str, ok: bool
) -> None:
    assert findings(small_root(tmp_path, rules=rules, processes=processes))["ModemManager"].ok is ok


def test_a_busy_port_names_the_process(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    device = os.ttyname(slave)
    try:
        root = small_root(tmp_path, processes={4242: "screen"})
        (root / "proc/4242/fd/3").symlink_to(device)
        check = findings(root, ports=[Port(device, "2341:805a", "A1")])[f"port {device}"]
    finally:
        os.close(master)
        os.close(slave)
    assert not check.ok and "screen (pid 4242)" in check.detail
