"""The programs that write an image: what must be installed beforehand, and the command that each is given.

PlatformIO downloads its uploaders at the first upload, so a project built online fails to flash offline. Everything
is therefore looked for *before* the board is asked into its bootloader.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ecgdeploy.boards import Board
from ecgdeploy.errors import BuildError, DeviceError, UsageError
from ecgdeploy.toolchains import platformio

# methods whose uploader PlatformIO drives through the board's serial port
SERIAL_METHODS = ("bossac", "dfu")


@dataclass(frozen=True)
class Uploader:
    """One way to write one image.

    Attributes
    ----------
    method : str
        Its name in the board file.
    needs_port : bool
        It writes through the board's own serial port (bootloader).
    """

    method: str
    needs_port: bool


def choose_method(board: Board, asked: str | None) -> Uploader:
    """The upload method: the one asked for, or the board's first.

    Raises
    ------
    UsageError
        The board does not offer it.
    """
    methods = board.upload.methods
    method = asked or methods[0]
    if method not in methods:
        raise UsageError(f"{board.name} cannot be flashed by '{method}'", f"it offers: {', '.join(methods)}")
    if method == "ssh":
        raise UsageError(f"{board.name} runs Linux and is reached over SSH", "give --host user@board")
    return Uploader(method, method in SERIAL_METHODS)


def check_uploader(board: Board, uploader: Uploader) -> None:
    """Refuse before anything is touched when the uploader is not installed.

    Raises
    ------
    BuildError
        A program or a PlatformIO package is missing; the hint says how to get it.
    """
    if uploader.method == "pyocd":
        _require("pyocd", "pip install pyocd, or choose another --method")
    elif uploader.method == "jlink":
        _require("JLinkExe", "install SEGGER's J-Link software, or choose another --method")
    elif uploader.method == "stlink":
        _require("st-flash", "install stlink-tools, or choose another --method")
    elif uploader.needs_port:
        if not platformio.command():
            raise BuildError("PlatformIO is not installed", "pip install platformio")
        package = board.platformio.uploader if board.platformio else ""
        if package and not (platformio.home() / "packages" / package).is_dir():
            raise BuildError(
                f"PlatformIO's uploader package '{package}' is missing (it comes with the first upload, not the build)",
                f"once, with internet: pio pkg install -g -t {package}",
            )


def _require(program: str, hint: str) -> None:
    if shutil.which(program) is None:
        raise BuildError(f"{program} is not installed", hint)


def command(board: Board, uploader: Uploader, folder: Path, image: Path, port: str | None) -> list[str]:
    """The command line that writes `image`.

    Parameters
    ----------
    board : Board
        Board to write to.
    uploader : Uploader
        From `choose_method`.
    folder : Path
        PlatformIO project folder.
    image : Path
        The built image.
    port : str or None
        Port of the bootloader, links resolved; always passed on, since PlatformIO's own choice can be any port.
    """
    if uploader.needs_port:
        assert port is not None
        # nobuild: what is written is the image whose build id HELLO is compared with, not a fresh one
        return [
            *platformio.command(),
            "run",
            "-d",
            str(folder),
            "-e",
            board.name,
            "-t",
            "nobuild",
            "-t",
            "upload",
            "--upload-port",
            port,
        ]
    if uploader.method == "pyocd":
        return ["pyocd", "load", "--target", _target(board, "pyocd"), str(image)]
    if uploader.method == "jlink":
        script = image.with_name("flash.jlink")
        script.write_text(f"loadfile {image}\nr\ng\nqc\n")
        device = _target(board, "jlink")
        return ["JLinkExe", "-device", device, "-if", "SWD", "-speed", "4000", "-autoconnect", "1", "-NoGui", "1",
                "-ExitOnError", "1", "-CommandFile", str(script)]  # fmt: skip
    if uploader.method == "stlink":
        if image.suffix == ".bin":
            assert board.memory is not None
            return ["st-flash", "--reset", "write", str(image), hex(board.memory.flash.origin)]
        return ["st-flash", "--reset", "--format", "ihex", "write", str(image)]
    raise UsageError(
        f"no command for upload method '{uploader.method}'", f"{board.name} offers: {', '.join(board.upload.methods)}"
    )


def _target(board: Board, tool: Literal["pyocd", "jlink"]) -> str:
    """Name that a debug-probe program has for the board's chip."""
    name = board.upload.targets.get(tool)
    if not name:
        raise UsageError(
            f"{board.name} has no chip name for {tool}", f'state it in the board file: [upload.targets] {tool} = "..."'
        )
    return name


def uf2_drives(roots: tuple[Path, ...] = (Path("/media"), Path("/run/media"), Path("/mnt"))) -> list[Path]:
    """Mounted drives of UF2 bootloaders: each holds a file INFO_UF2.TXT."""
    found = {mark.parent for root in roots for depth in ("*", "*/*") for mark in root.glob(f"{depth}/INFO_UF2.TXT")}
    return sorted(found)


def one_drive(drives: Sequence[Path]) -> Path:
    """The one drive.

    Raises
    ------
    DeviceError
        There is none, or several.
    """
    if not drives:
        raise DeviceError(
            "no UF2 drive is mounted",
            "hold BOOTSEL (or double-press reset) while plugging the board in, and mount its drive",
        )
    if len(drives) > 1:
        names = ", ".join(map(str, drives))
        raise DeviceError(f"{len(drives)} UF2 drives are mounted: {names}", "leave only the board to flash plugged in")
    return drives[0]
