"""What a Linux board says of its heat, its throttling and its power, read over the same connection.

Jetson boards have INA3221 sensors (hwmon; the carrier board is not included), a Raspberry Pi 5 the regulators of its
power chip (an estimate: not every rail is measured), other Raspberry Pis nothing.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

from ecgdeploy.boards import Linux
from ecgdeploy.devices.ssh import Remote

TOTAL_RAILS = ("VDD_IN", "POM_5V_IN", "VIN_SYS_5V0", "VDD_5V_IN")
QEMU_NAMES = ("linux,dummy-virt", "QEMU")
NO_POWER = "this board has no power sensor"


@dataclass(frozen=True)
class BoardState:
    """One reading of a board.

    Attributes
    ----------
    throttled : bool or None
        Whether it slows down now or did since start; None where it cannot say, with `throttling` as the reason.
    throttling : str
        What it said, such as ``throttled=0x50005``, or why nothing is known.
    temperature_c : float or None
        Its hottest zone, in degrees Celsius.
    power_mw : float or None
        Total power in mW; None with `power` as the reason.
    power : str
        Where the figure comes from, or why there is none.
    rails_mw : dict of str to float
        Power of every rail.
    machine : str
        Empty on a board; else what shows that it is an emulated machine, whose times are not a board's.
    """

    throttled: bool | None
    throttling: str
    temperature_c: float | None
    power_mw: float | None
    power: str
    rails_mw: dict[str, float] = field(default_factory=dict)
    machine: str = ""


def read_state(remote: Remote, linux: Linux, root: str = "") -> BoardState:
    """Read a board's state.

    Parameters
    ----------
    remote : Remote
    linux : Linux
        The board's facts: which sensors it has.
    root : str
        Prefix of ``/sys`` and ``/proc``, for tests.

    Returns
    -------
    BoardState
        Nothing is made up: what the board does not say is None, with the reason.
    """
    throttled, throttling = _vcgencmd(remote) if linux.throttling == "vcgencmd" else _cooling(remote, root)
    power, source, rails = None, NO_POWER, {}
    if linux.energy == "ina3221":
        rails = _ina3221(remote, root)
        power = next((rails[name] for name in TOTAL_RAILS if name in rails), None)
        source = "INA3221, carrier board not included"
        if power is None:
            source = f"no INA3221 rail of the whole module among {sorted(rails)}" if rails else "no INA3221 was found"
    elif linux.energy == "pmic":
        rails = _pmic(remote)
        power = sum(rails.values()) if rails else None
        source = "power chip's measured rails: an estimate" if rails else "vcgencmd pmic_read_adc says nothing"
    return BoardState(throttled, throttling, _hottest(remote, root), power, source, rails, _emulated(remote, root))


def _emulated(remote: Remote, root: str) -> str:
    """What a machine's device tree or firmware tables say when it is QEMU's; its model name can be anything."""
    where = shlex.quote(root)
    told = remote.run(f"cat {where}/proc/device-tree/compatible {where}/sys/class/dmi/id/sys_vendor 2>/dev/null").output
    names = [name.strip() for name in told.replace("\0", "\n").splitlines()]
    return next((name for name in names if name in QEMU_NAMES), "")


def _vcgencmd(remote: Remote) -> tuple[bool | None, str]:
    done = remote.run("vcgencmd get_throttled")
    match = re.search(r"throttled=(0x[0-9a-fA-F]+)", done.output)
    if match is None:
        return None, "vcgencmd get_throttled says nothing"
    return int(match.group(1), 16) != 0, match.group(0)


def _cooling(remote: Remote, root: str) -> tuple[bool | None, str]:
    lines = _files(remote, root, "sys/class/thermal/cooling_device*", ("type", "cur_state"))
    # a fan that turns is cooling, not throttling
    states = {
        f"{values['type']} ({folder})": values["cur_state"]
        for folder, values in lines.items()
        if {"type", "cur_state"} <= set(values) and "fan" not in values["type"].lower()
    }
    if not states:
        return None, "no cooling device tells its state"
    active = sorted(name for name, state in states.items() if state not in ("0", ""))
    return bool(active), f"active: {', '.join(active)}" if active else "no cooling device is active"


def _hottest(remote: Remote, root: str) -> float | None:
    zones = _files(remote, root, "sys/class/thermal/thermal_zone*", ("temp",))
    found = [_number(values.get("temp", "")) for values in zones.values()]
    # some Jetson zones answer -256000 when they are off
    valid = [value / 1000 for value in found if value is not None and value > -100_000]
    return max(valid, default=None)


def _ina3221(remote: Remote, root: str) -> dict[str, float]:
    names = [f"{kind}{k}_{what}" for k in range(1, 9) for kind, what in
             (("in", "label"), ("in", "input"), ("curr", "input"))]
    rails: dict[str, float] = {}
    for values in _files(remote, root, "sys/class/hwmon/hwmon*", ("name", *names)).values():
        if values.get("name") != "ina3221":
            continue
        for k in range(1, 9):
            volts, amps = _number(values.get(f"in{k}_input", "")), _number(values.get(f"curr{k}_input", ""))
            label = values.get(f"in{k}_label", "")
            if label and volts is not None and amps is not None:
                rails[label] = volts * amps / 1000  # mV x mA
    return rails


def _pmic(remote: Remote) -> dict[str, float]:
    read = remote.run("vcgencmd pmic_read_adc").output
    found = re.findall(r"(\S+)_([AV])\s+(?:current|volt)\(\d+\)=([0-9.]+)", read)
    amps = {name: float(value) for name, unit, value in found if unit == "A"}
    volts = {name: float(value) for name, unit, value in found if unit == "V"}
    return {name: 1000 * amps[name] * volts[name] for name in amps if name in volts}


def _files(remote: Remote, root: str, folders: str, names: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Contents of small files: folder's name to file's name to content; what cannot be read is absent."""
    command = (
        f"for d in {shlex.quote(root)}/{folders}; do for f in {' '.join(names)}; do "
        'v=$(cat "$d/$f" 2>/dev/null) && echo "${d##*/}|$f|$v"; done; done'
    )
    found: dict[str, dict[str, str]] = {}
    for line in remote.run(command).output.splitlines():
        folder, name, value = [*line.split("|", 2), "", ""][:3]
        found.setdefault(folder, {})[name] = value.strip()
    return found


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
