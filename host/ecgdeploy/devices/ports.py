"""The serial ports of this computer, with the board recognised by its USB identity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ecgdeploy.errors import DeviceError


@dataclass(frozen=True)
class Port:
    """A serial port; `boards` are the names whose identity it shows, empty when unknown."""

    path: str
    vid: int | None
    pid: int | None
    boards: tuple[str, ...]
    bootloader: bool
    description: str

    @property
    def identity(self) -> str:
        """``VID:PID`` in hexadecimal, or a dash."""
        return f"{self.vid:04X}:{self.pid:04X}" if self.vid is not None and self.pid is not None else "-"


@dataclass(frozen=True)
class Identity:
    """What a board's USB port shows when its firmware runs, and when its boot loader does: (VID, PID) pairs."""

    application: frozenset[tuple[int, int]]
    bootloader: frozenset[tuple[int, int]] = frozenset()


def list_ports(identities: Mapping[str, Identity], found: Iterable[object] | None = None) -> list[Port]:
    """All serial ports, recognised ones first.

    Parameters
    ----------
    identities : mapping of board name to Identity
    found : iterable, optional
        Port descriptions as pyserial lists them; asked of the system when not given.
    """
    if found is None:
        from serial.tools import list_ports as system

        found = system.comports()
    ports = []
    for entry in found:
        vid, pid = getattr(entry, "vid", None), getattr(entry, "pid", None)
        key = (vid, pid)
        running = tuple(name for name, known in identities.items() if key in known.application)
        loading = tuple(name for name, known in identities.items() if key in known.bootloader)
        path, text = str(getattr(entry, "device", "")), str(getattr(entry, "description", "") or "")
        ports.append(Port(path, vid, pid, running or loading, bool(loading and not running), text))
    return sorted(ports, key=lambda port: (not port.boards, port.path))


def find_port(board: str, identities: Mapping[str, Identity], found: Iterable[object] | None = None) -> Port:
    """The one port that shows this board. Raises DeviceError when there is none, or more than one."""
    ports = list_ports(identities, found)
    mine = [port for port in ports if board in port.boards]
    if len(mine) == 1:
        return mine[0]
    if mine:
        names = ", ".join(port.path for port in mine)
        raise DeviceError(f"{len(mine)} ports look like a {board}: {names}", "say which one with --port")
    others = ", ".join(f"{port.path} ({port.identity})" for port in ports) or "none"
    raise DeviceError(f"no {board} is attached; serial ports: {others}", "plug it in, or say --port, or --emulate")
