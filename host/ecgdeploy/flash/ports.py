"""Which serial port is the board: by USB identity, never by guessing. None or several are refused with a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecgdeploy.boards import Board
from ecgdeploy.errors import DeviceError


@dataclass(frozen=True)
class Port:
    """A serial port as the operating system sees it.

    Attributes
    ----------
    device : str
        Path of the device node, links resolved: PlatformIO's wait loop does not understand ``/dev/serial/by-id``.
    vid_pid : str
        ``vvvv:pppp`` in lower case, empty for a port that is not USB.
    serial : str
        USB serial number, empty where there is none. It survives re-enumeration; the device path does not.
    location : str
        USB socket (bus and hub ports), empty where unknown. The fallback when a bootloader has its own serial number.
    description : str
        What the operating system calls it.
    """

    device: str
    vid_pid: str = ""
    serial: str = ""
    location: str = ""
    description: str = ""

    def __str__(self) -> str:
        parts = [self.vid_pid or "not USB", self.description, f"serial {self.serial}" if self.serial else ""]
        return f"{self.device} ({', '.join(part for part in parts if part)})"

    def same_board(self, other: Port) -> bool:
        """Whether `other` is this board after it re-enumerated."""
        if self.serial and self.serial == other.serial:
            return True
        return bool(self.location) and self.location == other.location


def list_ports() -> tuple[Port, ...]:
    """All serial ports of this computer."""
    from serial.tools import list_ports as pyserial_ports

    found = []
    for info in pyserial_ports.comports():
        vid_pid = f"{info.vid:04x}:{info.pid:04x}" if info.vid is not None and info.pid is not None else ""
        # pySerial's location ends in ":1.0" (configuration and interface), which differs between two firmwares
        location = (info.location or "").split(":")[0]
        description = info.product or (info.description if info.description != "n/a" else "") or ""
        found.append(Port(info.device, vid_pid, info.serial_number or "", location, description))
    return tuple(sorted(found, key=lambda port: port.device))


def describe(ports: Iterable[Port]) -> str:
    """Ports as one line; says so when there is none."""
    return "; ".join(str(port) for port in ports) or "none"


def in_bootloader(board: Board, port: Port) -> bool:
    """Whether `port` is the board's bootloader rather than its firmware."""
    return port.vid_pid in board.usb.bootloader and port.vid_pid not in board.usb.application


def choose_port(board: Board, ports: Sequence[Port], asked: str | None = None) -> Port:
    """The one port that is this board.

    Parameters
    ----------
    board : Board
        Whose USB identities to look for.
    ports : sequence of Port
        The ports there are.
    asked : str, optional
        Port that the user named; it must still be this board.

    Raises
    ------
    DeviceError
        No board, several boards, or the named port is something else; the message lists what is there.
    """
    known = (*board.usb.application, *board.usb.bootloader)
    wanted = " or ".join(known)
    if asked is not None:
        device = str(Path(asked).resolve())
        port = next((port for port in ports if str(Path(port.device).resolve()) == device), None)
        if port is None:
            raise DeviceError(f"no serial port {asked}", f"ports here: {describe(ports)}")
        if known and port.vid_pid not in known:
            raise DeviceError(
                f"{asked} is not a {board.title}: it is {port.vid_pid or 'not a USB port'}, not {wanted}",
                f"ports here: {describe(ports)}",
            )
        return port
    if not known:
        raise DeviceError(
            f"{board.name} has no USB port of its own to recognise",
            f"name the port: --port DEVICE; here: {describe(ports)}",
        )
    matching = [port for port in ports if port.vid_pid in known]
    if not matching:
        raise DeviceError(
            f"no {board.title} found: no port has USB identity {wanted}",
            f"plug it in with a data cable (a dead port: double-press reset); other ports: {describe(ports)}",
        )
    if len(matching) > 1:
        raise DeviceError(
            f"{len(matching)} ports could be the {board.title}: {describe(matching)}", "choose one with --port DEVICE"
        )
    return matching[0]
