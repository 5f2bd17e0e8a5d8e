"""Flash one board, step by step; each step that can fail ends in one line that says what to do.

Sequence: image -> uploader installed? -> port by USB identity -> port free? -> 1200-baud touch -> bootloader of the
*same* board -> upload -> the firmware comes back -> HELLO with the build id that was written. An uploader's exit
status of 0 proves nothing (shared experience with bossac), so only the HELLO does.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgdeploy.boards import Board
from ecgdeploy.errors import BuildError, DeviceError
from ecgdeploy.flash.ports import Port, choose_port, describe, in_bootloader
from ecgdeploy.flash.system import UPLOAD_SECONDS, RealSystem, System
from ecgdeploy.flash.uploaders import check_uploader, choose_method, command, one_drive
from ecgdeploy.provenance import MANIFEST, read_manifest

BOOTLOADER_SECONDS = 8.0
APPLICATION_SECONDS = 10.0
POLL_SECONDS = 0.1
IMAGE_NAMES = {"bossac": ("firmware.bin",), "dfu": ("firmware.bin",), "uf2": ("firmware.uf2",),
               "stlink": ("firmware.hex", "firmware.bin")}  # fmt: skip


@dataclass(frozen=True)
class Image:
    """A built firmware and the identity that it will answer with.

    Attributes
    ----------
    folder : Path
        The project.
    build_id : str
        What HELLO must answer, in hexadecimal.
    file : Path
        The file that the uploader writes.
    """

    folder: Path
    build_id: str
    file: Path


@dataclass(frozen=True)
class Flashed:
    """A board that runs the image it was given."""

    port: str
    serial: str
    method: str
    build_id: str


def _manifest(folder: Path) -> dict[str, Any]:
    if not (folder / MANIFEST).is_file():
        raise BuildError(f"{folder} is no ecgdeploy project", "make one: ecgdeploy build --board BOARD --model MODEL")
    try:
        manifest = read_manifest(folder)
    except ValueError:
        manifest = {}
    if not isinstance(manifest, dict) or "board" not in manifest or "build_id" not in manifest:
        raise BuildError(f"{folder / MANIFEST} is damaged", "build the project again: ecgdeploy build")
    return manifest


def project_board(folder: Path) -> str:
    """Name of the board that the project in `folder` was made for.

    Raises
    ------
    BuildError
        `folder` holds no project.
    """
    return str(_manifest(folder).get("board"))


def load_image(board: Board, folder: Path, method: str | None = None) -> Image:
    """Find the image that was built in `folder` for `board`.

    Raises
    ------
    BuildError
        No project, not built yet, or built for another board.
    """
    uploader = choose_method(board, method)
    manifest = _manifest(folder)
    made_for = manifest.get("board")
    if made_for != board.name:
        raise BuildError(
            f"{folder} was made for board '{made_for}', not '{board.name}'",
            "build it for this board, or name the right one",
        )
    if manifest.get("emulated"):
        raise BuildError(f"{folder} was made for the emulated {board.name}", "build it without --emulate")
    built = folder / ".pio" / "build" / board.name
    names = IMAGE_NAMES.get(uploader.method, ("firmware.hex", "firmware.elf"))
    for name in names:
        if (built / name).is_file():
            return Image(folder, str(manifest["build_id"]), built / name)
    raise BuildError(f"{folder} is not built: no {built / names[0]}", f"build it: pio run -d {folder}")


def flash(
    board: Board,
    image: Image,
    *,
    port: str | None = None,
    method: str | None = None,
    system: System | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Flashed:
    """Write `image` to the board, and prove by HELLO that the board runs it.

    Parameters
    ----------
    board : Board
        The board's facts.
    image : Image
        From `load_image`.
    port : str, optional
        Port to use; it must be this board. Needed when several are attached.
    method : str, optional
        Upload method; the board's first by default.
    system : System, optional
        The computer; tests give a scripted one.
    progress : callable, optional
        Called with one line a step.

    Raises
    ------
    DeviceError
        No or several boards, a busy port, no bootloader, a vanished port, an upload that failed, other firmware.
    BuildError
        The uploader is not installed.
    """
    system = system or RealSystem()
    uploader = choose_method(board, method)
    check_uploader(board, uploader)
    if uploader.method == "uf2":
        before = _copy_to_drive(board, image, port, system, progress)
    elif uploader.needs_port:
        before = choose_port(board, system.ports(), port)
        _refuse_busy(system, before)
        boot = before if in_bootloader(board, before) else _enter_bootloader(board, before, system, progress)
        _upload(command(board, uploader, image.folder, image.file, str(Path(boot.device).resolve())), system, progress)
    else:
        before = choose_port(board, system.ports(), port) if port else None
        _upload(command(board, uploader, image.folder, image.file, None), system, progress)
    back = _application(board, before, system, progress)
    _refuse_busy(system, back)
    progress(f"asking {back.device} who it is")
    hello = system.hello(back.device)
    if hello.build_id != image.build_id:
        raise DeviceError(
            f"{back.device} runs other firmware: build {hello.build_id}, not {image.build_id}",
            "the upload did not take: double-press reset and flash again",
        )
    return Flashed(back.device, back.serial, uploader.method, hello.build_id)


def _copy_to_drive(
    board: Board, image: Image, port: str | None, system: System, progress: Callable[[str], None]
) -> Port | None:
    """Copy the image to the bootloader's drive, asking running firmware for the bootloader first.

    Returns
    -------
    Port or None
        The port that the board had before, where it had one.
    """
    running = [found for found in system.ports() if found.vid_pid in board.usb.application]
    before = choose_port(board, running, port) if running else None
    drives = system.uf2_drives()
    if not drives and before is not None and board.upload.touch_1200:
        _refuse_busy(system, before)
        progress(f"asking {before.device} for its bootloader (1200-baud touch)")
        system.touch(before.device)
        end = system.now() + BOOTLOADER_SECONDS
        while not drives and system.now() < end:
            system.wait(POLL_SECONDS)
            drives = system.uf2_drives()
    drive = one_drive(drives)
    progress(f"copying {image.file.name} to {drive}")
    try:
        shutil.copyfile(image.file, drive / image.file.name)
    except OSError as error:
        raise DeviceError(f"{drive}: cannot be written: {error.strerror}", "mount the board's drive writable") from None
    return before


def _refuse_busy(system: System, port: Port) -> None:
    holders = system.holders(port.device)
    if holders:
        raise DeviceError(
            f"{port.device} is in use by {', '.join(holders)}", "close that program (a serial monitor?) and try again"
        )


def _enter_bootloader(board: Board, port: Port, system: System, progress: Callable[[str], None]) -> Port:
    """Ask the running firmware for the bootloader and wait until *this board's* bootloader is there."""
    if not board.upload.touch_1200:
        return port
    before = {known.device for known in system.ports() if in_bootloader(board, known)}
    progress(f"asking {port.device} for its bootloader (1200-baud touch)")
    system.touch(port.device)
    others: list[Port] = []

    def ours(ports: list[Port]) -> Port | None:
        booting = [found for found in ports if in_bootloader(board, found)]
        mine = [found for found in booting if port.same_board(found)]
        others[:] = [found for found in booting if found.device not in before and found not in mine]
        return mine[0] if mine else None

    found = _wait_for(ours, BOOTLOADER_SECONDS, system)
    if found is not None:
        return found
    if len(others) == 1 and not any(known.device == port.device for known in system.ports()):
        return others[0]  # a bootloader without the firmware's serial number, and the only one that is new
    if others:
        raise DeviceError(
            f"a bootloader came up that may be another board's: {describe(others)}",
            "leave one board plugged in, or name it with --port",
        )
    if any(known.device == port.device for known in system.ports()):
        raise DeviceError(
            f"{board.title} on {port.device} did not enter its bootloader within {BOOTLOADER_SECONDS:.0f} s",
            "double-press its reset button (the LED fades) and flash again",
        )
    raise DeviceError(
        f"{port.device} vanished and no bootloader came up within {BOOTLOADER_SECONDS:.0f} s",
        "check the cable, double-press reset (the LED fades) and flash again",
    )


def _upload(words: list[str], system: System, progress: Callable[[str], None]) -> None:
    progress("writing: " + " ".join(words))
    ran = system.run(words, UPLOAD_SECONDS)
    if ran.status != 0:
        lines = [line.strip() for line in ran.output.splitlines() if line.strip()]
        said = next(
            (line for line in reversed(lines) if "rror" in line or "stopped after" in line),
            lines[-1] if lines else "no output",
        )
        raise DeviceError(
            f"upload failed (exit {ran.status}): {said[:200]}",
            "double-press reset and flash again; is the cable a data cable?",
        )


def _application(board: Board, before: Port | None, system: System, progress: Callable[[str], None]) -> Port:
    """Wait until the firmware's port is back."""
    progress("waiting for the firmware")

    def back(ports: list[Port]) -> Port | None:
        running = [found for found in ports if found.vid_pid in board.usb.application]
        if before is None:
            return running[0] if len(running) == 1 else None
        mine = [found for found in running if before.same_board(found)]
        if mine:
            return mine[0]
        # started from a bootloader with its own serial number: accept the only board there is
        return running[0] if in_bootloader(board, before) and len(running) == 1 else None

    found = _wait_for(back, APPLICATION_SECONDS, system)
    if found is None:
        raise DeviceError(
            f"the image was written, but the {board.title} did not come back within {APPLICATION_SECONDS:.0f} s",
            f"press reset; port dead: double-press reset, flash again; here: {describe(system.ports())}",
        )
    return found


def _wait_for(wanted: Callable[[list[Port]], Port | None], seconds: float, system: System) -> Port | None:
    """Poll the port list until `wanted` finds its port, or give up after `seconds`."""
    end = system.now() + seconds
    while True:
        found = wanted(list(system.ports()))
        if found is not None or system.now() >= end:
            return found
        system.wait(POLL_SECONDS)
