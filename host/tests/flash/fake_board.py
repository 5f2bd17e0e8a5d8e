"""A board that is not there: a pseudo terminal, a USB identity, and a script of what happens after each step.

Time is virtual: `FakeComputer.wait` moves the clock and lets every board act, so no test sleeps. The port is real (a
pty opened by the real touch code), and so are the search for processes that hold it and the 1200 baud it is opened at.
"""

from __future__ import annotations

import os
import pty
import select
import shutil
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecgdeploy.flash import Port, RealSystem
from ecgdeploy.flash.system import Hello, Ran


@dataclass
class Script:
    """How this board misbehaves; a default board does everything right."""

    ignores_touch: bool = False
    vanishes_after_touch: bool = False
    vanishes_after_upload: bool = False
    upload_fails: str = ""
    keeps_old_firmware: bool = False
    bootloader_serial: str | None = None
    seconds_to_reappear: float = 0.6


@dataclass
class FakeBoard:
    """One board on the USB bus."""

    serial: str = "A1B2"
    location: str = "1-2"
    application: str = "2341:805a"
    bootloader: str = "2341:005a"
    build_id: str = "0" * 16
    script: Script = field(default_factory=Script)
    mode: str = "application"
    written: list[Path] = field(default_factory=list)
    _master: int | None = None
    _opened: list[int] = field(default_factory=list)
    drive: Path | None = None
    _due: tuple[float, str] | None = None
    device: str = ""

    def __post_init__(self) -> None:
        self._enumerate(self.mode)

    def _enumerate(self, mode: str) -> None:
        """Take a new port: as on real hardware the device path changes, the USB serial number does not."""
        master, slave = pty.openpty()
        self.device = os.ttyname(slave)
        os.close(slave)
        self._master = master
        self._opened.append(master)
        self.mode = mode

    def unplug(self) -> None:
        """Leave the bus; the old pty stays open, unlisted, so that its path is not given out again."""
        self._master = None
        self.mode = "gone"

    def close(self) -> None:
        """Give all ptys back."""
        for master in self._opened:
            os.close(master)
        self._opened.clear()

    def port(self) -> Port | None:
        """The port as the operating system lists it."""
        if self.mode == "gone":
            return None
        running = self.mode == "application"
        serial = self.serial if running or self.script.bootloader_serial is None else self.script.bootloader_serial
        return Port(self.device, self.application if running else self.bootloader, serial, self.location, "fake")

    def was_touched(self) -> bool:
        """Somebody opened the port at 1200 baud and closed it again."""
        if self._master is None:
            return False
        poll = select.poll()
        poll.register(self._master)
        closed = any(event & select.POLLHUP for _, event in poll.poll(0))
        return closed and termios.tcgetattr(self._master)[5] == termios.B1200

    def step(self, now: float) -> None:
        """What the board does as time passes."""
        if self.mode == "application" and self.was_touched() and not self.script.ignores_touch:
            self.unplug()
            if not self.script.vanishes_after_touch:
                self._due = (now + self.script.seconds_to_reappear, "bootloader")
        if self._due and now >= self._due[0]:
            mode, self._due = self._due[1], None
            if mode == "bootloader" and self.drive:
                self.drive.mkdir()
                (self.drive / "INFO_UF2.TXT").write_text("UF2 Bootloader")
            else:
                self._enumerate(mode)
        if self.drive and (images := list(self.drive.glob("*.uf2"))):
            self.written += images
            shutil.rmtree(self.drive)
            self._due = (now + self.script.seconds_to_reappear, "application")

    def upload(self, image: Path, build_id: str, now: float) -> Ran:
        """The uploader talks to the bootloader, which then starts the new image."""
        if self.script.upload_fails:
            return Ran(1, f"Waiting for the new upload port...\n{self.script.upload_fails}\n")
        self.written.append(image)
        if not self.script.keeps_old_firmware:
            self.build_id = build_id
        self.unplug()
        if not self.script.vanishes_after_upload:
            self._due = (now + self.script.seconds_to_reappear, "application")
        return Ran(0, "Done in 4.2 seconds")


class FakeComputer:
    """A computer with fake boards on it; the touch and the search for port holders are the real ones."""

    def __init__(self, *boards: FakeBoard, image_build_id: str = "", other_ports: Sequence[Port] = ()) -> None:
        self.boards = list(boards)
        self.image_build_id = image_build_id
        self.other_ports = list(other_ports)
        self.clock = 0.0
        self.commands: list[list[str]] = []
        self.real = RealSystem()

    def ports(self) -> list[Port]:
        """Every port on the bus."""
        return [*self.other_ports, *(port for board in self.boards if (port := board.port()))]

    def touch(self, device: str) -> None:
        """The real touch, on a pty."""
        self.real.touch(device)

    def holders(self, device: str) -> Sequence[str]:
        """The real search."""
        return self.real.holders(device)

    def run(self, command: Sequence[str], timeout: float, environment: Mapping[str, str] | None = None) -> Ran:
        """Stand in for PlatformIO: write to the board on ``--upload-port``, which must be in its bootloader."""
        del timeout, environment
        words = list(command)
        self.commands.append(words)
        device = words[words.index("--upload-port") + 1]
        for board in self.boards:
            if board.device == device and board.mode == "bootloader":
                return board.upload(Path(words[words.index("-d") + 1]), self.image_build_id, self.clock)
        return Ran(1, f"No device found on {device}")

    def hello(self, device: str) -> Hello:
        """What the firmware answers."""
        board = next(board for board in self.boards if board.device == device and board.mode == "application")
        return Hello(board.build_id)

    def uf2_drives(self) -> list[Path]:
        """The boards' drives that are mounted."""
        return [board.drive for board in self.boards if board.drive and board.drive.exists()]

    def now(self) -> float:
        """Virtual seconds."""
        return self.clock

    def wait(self, seconds: float) -> None:
        """Let virtual time pass and the boards act."""
        self.clock += seconds
        for board in self.boards:
            board.step(self.clock)

    def close(self) -> None:
        """Unplug everything."""
        for board in self.boards:
            board.close()
