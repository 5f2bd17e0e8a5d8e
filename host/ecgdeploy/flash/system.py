"""What flashing needs from the computer, as one small interface, so that a scripted board can stand in for it."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ecgdeploy.errors import DeviceError
from ecgdeploy.flash.ports import Port, list_ports

UPLOAD_SECONDS = 180.0


@dataclass(frozen=True)
class Ran:
    """A finished command: exit status (-1 where it had to be stopped) and everything it printed."""

    status: int
    output: str


@dataclass(frozen=True)
class Hello:
    """What the firmware says of itself over the link."""

    build_id: str
    model_sha256: str = ""
    engine: str = ""


class System(Protocol):
    """The computer's side of flashing."""

    def ports(self) -> Sequence[Port]:
        """Serial ports there are now."""

    def touch(self, device: str) -> None:
        """Open and close a port at 1200 baud."""

    def holders(self, device: str) -> Sequence[str]:
        """Processes that hold a port open, as ``name (pid N)``."""

    def run(self, command: Sequence[str], timeout: float, environment: Mapping[str, str] | None = None) -> Ran:
        """Run an uploader to its end."""

    def uf2_drives(self) -> Sequence[Path]:
        """Mounted drives of UF2 bootloaders."""

    def hello(self, device: str) -> Hello:
        """Ask the firmware behind a port who it is."""

    def now(self) -> float:
        """Seconds on a clock that only goes forward."""

    def wait(self, seconds: float) -> None:
        """Let time pass."""


def port_holders(device: str, proc: Path = Path("/proc")) -> tuple[str, ...]:
    """Processes that have `device` open (only one's own where other users' are hidden)."""
    target = os.path.realpath(device)
    found = []
    for process in sorted((entry for entry in proc.glob("[0-9]*")), key=lambda entry: int(entry.name)):
        try:
            links = [os.path.realpath(link) for link in (process / "fd").iterdir()]
            name = (process / "comm").read_text().strip()
        except OSError:  # gone meanwhile, or another user's
            continue
        if target in links:
            found.append(f"{name} (pid {process.name})")
    return tuple(found)


def port_fault(device: str, error: OSError) -> DeviceError:
    """A port that would not open, as one line and what to do."""
    number = error.errno
    if number in (errno.EACCES, errno.EPERM):
        return DeviceError(
            f"no permission to open {device}",
            "join the port's group: sudo usermod -aG dialout $USER, then log in again",
        )
    if number == errno.EBUSY:
        who = ", ".join(port_holders(device))
        return DeviceError(f"{device} is in use" + (f" by {who}" if who else ""), "close that program and try again")
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO):
        return DeviceError(f"{device} vanished", "check cable and USB hub, then try again")
    return DeviceError(f"{device} cannot be opened: {error}", "unplug the board, plug it in and try again")


class RealSystem:
    """This computer."""

    def ports(self) -> Sequence[Port]:
        """Serial ports there are now."""
        return list_ports()

    def touch(self, device: str) -> None:
        """Open `device` at 1200 baud with DTR low and close it: Arduino's request for the bootloader."""
        import serial

        port = serial.Serial(baudrate=1200, exclusive=True)
        port.dtr = False  # set before opening: the close that follows is what the core's handler looks at
        port.port = device
        try:
            port.open()
            port.close()
        except serial.SerialException as error:
            cause = error if error.errno else error.__context__
            raise port_fault(device, cause if isinstance(cause, OSError) else error) from None

    def holders(self, device: str) -> Sequence[str]:
        """Processes that hold a port open."""
        return port_holders(device)

    def run(self, command: Sequence[str], timeout: float, environment: Mapping[str, str] | None = None) -> Ran:
        """Run an uploader to its end; one that outlives `timeout` seconds is stopped."""
        try:
            done = subprocess.run(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=timeout,
                env={**os.environ, **(environment or {})},
            )
        except subprocess.TimeoutExpired as error:
            output = error.output.decode(errors="replace") if isinstance(error.output, bytes) else error.output or ""
            return Ran(-1, f"{output}\nstopped after {timeout:.0f} s")
        except OSError as error:
            return Ran(127, f"{command[0]}: {error.strerror}")
        return Ran(done.returncode, done.stdout)

    def uf2_drives(self) -> Sequence[Path]:
        """Mounted drives of UF2 bootloaders."""
        from ecgdeploy.flash.uploaders import uf2_drives

        return uf2_drives()

    def hello(self, device: str) -> Hello:
        """Ask the firmware behind a port who it is."""
        from ecgdeploy.flash.hello import ask

        return ask(device)

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)
