"""What on this computer stands between a user and a board's serial port: group, udev, ModemManager, other programs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecgdeploy.boards import Board
from ecgdeploy.flash.ports import Port, list_ports
from ecgdeploy.flash.system import port_holders

UDEV_FOLDERS = ("etc/udev/rules.d", "run/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d")
SERIAL_GROUPS = ("dialout", "uucp")


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes
    ----------
    name : str
        What was looked at.
    ok : bool
        Nothing to do.
    detail : str
        What was found.
    hint : str
        What to do when not ok.
    """

    name: str
    ok: bool
    detail: str
    hint: str = ""


def host_checks(
    boards: Iterable[Board],
    *,
    root: Path = Path("/"),
    ports: Sequence[Port] | None = None,
    groups: Sequence[int] | None = None,
    user_id: int | None = None,
) -> list[Check]:
    """Check this Linux computer for flashing `boards`.

    Parameters
    ----------
    boards : iterable of Board
        Boards whose USB identities matter.
    root : Path
        Where ``etc`` and ``proc`` are looked for; tests give a small tree.
    ports : sequence of Port, optional
        Ports that are there; looked up by default.
    groups : sequence of int, optional
        Group ids of this process; asked from the system by default.
    user_id : int, optional
        User id; asked from the system by default.
    """
    found = list_ports() if ports is None else ports
    vendors = sorted(
        {identity.split(":")[0] for board in boards for identity in (*board.usb.application, *board.usb.bootloader)}
    )
    ids = [*os.getgroups(), os.getgid()] if groups is None else groups
    uid = os.getuid() if user_id is None else user_id
    rules = _rules(root)
    return [
        _group(root, ids, uid),
        _udev(rules, vendors),
        _modem_manager(root, rules, vendors),
        *_busy(root, [port for port in found if port.vid_pid.split(":")[0] in vendors]),
    ]


def _group(root: Path, ids: Sequence[int], uid: int) -> Check:
    """Membership of the group that owns serial ports; a user just added must log in again, so ask the process."""
    if uid == 0:
        return Check("serial group", True, "root may open every port")
    for line in _lines(root / "etc/group"):
        fields = line.split(":")
        if len(fields) >= 3 and fields[0] in SERIAL_GROUPS and fields[2].isdigit():
            if int(fields[2]) in ids:
                return Check("serial group", True, f"in group {fields[0]}")
            return Check(
                "serial group",
                False,
                f"not in group {fields[0]}",
                f"sudo usermod -aG {fields[0]} $USER, then log in again",
            )
    return Check("serial group", True, "this system has no serial group")


def _udev(rules: dict[str, str], vendors: Sequence[str]) -> Check:
    missing = [vendor for vendor in vendors if not any(vendor in text for text in rules.values())]
    if not missing:
        named = sorted({name for name, text in rules.items() for vendor in vendors if vendor in text})
        return Check("udev rules", True, ", ".join(named) or "no vendor to look for")
    return Check(
        "udev rules", False, f"no rule for USB vendor {', '.join(missing)}",
        "install PlatformIO's 99-platformio-udev.rules into /etc/udev/rules.d (needed for debug probes and DFU)",
    )  # fmt: skip


def _modem_manager(root: Path, rules: dict[str, str], vendors: Sequence[str]) -> Check:
    """ModemManager opens every new serial port and talks to it; a rule with ID_MM_DEVICE_IGNORE keeps it away."""
    running = any(
        text.strip().startswith("ModemManager") for path in (root / "proc").glob("[0-9]*/comm") for text in _lines(path)
    )
    if not running:
        return Check("ModemManager", True, "not running")
    ignoring = {
        vendor for vendor in vendors for text in rules.values() if "ID_MM_DEVICE_IGNORE" in text and vendor in text
    }
    if ignoring >= set(vendors):
        return Check("ModemManager", True, "running, and told to leave these boards alone")
    return Check(
        "ModemManager", False, "running: it may talk to a board that has just come up",
        "a udev rule with ENV{ID_MM_DEVICE_IGNORE}=1 for these vendors, or: sudo systemctl disable --now ModemManager",
    )  # fmt: skip


def _busy(root: Path, ports: Sequence[Port]) -> list[Check]:
    checks = []
    for port in ports:
        holders = port_holders(port.device, root / "proc")
        detail = f"in use by {', '.join(holders)}" if holders else "free"
        checks.append(Check(f"port {port.device}", not holders, detail, "close that program" if holders else ""))
    return checks


def _rules(root: Path) -> dict[str, str]:
    """All udev rules: file name to text in lower-case hexadecimal."""
    rules: dict[str, str] = {}
    for folder in UDEV_FOLDERS:
        for path in sorted((root / folder).glob("*.rules")):
            text = "\n".join(line for line in _lines(path) if not line.lstrip().startswith("#"))
            rules.setdefault(
                path.name,
                text.replace("ATTRS{idVendor}", "vendor").lower().replace("id_mm_device_ignore", "ID_MM_DEVICE_IGNORE"),
            )
    return rules


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
