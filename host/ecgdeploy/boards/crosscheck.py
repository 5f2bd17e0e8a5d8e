"""Our facts against PlatformIO's own board file, where its platform is installed on this computer."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgdeploy.boards.model import Board


@dataclass(frozen=True)
class Compared:
    """One fact beside PlatformIO's.

    Attributes
    ----------
    fact : str
        Dotted name in our file.
    ours, theirs : str
        The two values.
    verdict : str
        ``equal``; ``stricter`` (ours allows less, which is safe); ``differs``.
    """

    fact: str
    ours: str
    theirs: str
    verdict: str


def platformio_board_file(board: Board) -> Path | None:
    """PlatformIO's description of `board`, None where its platform is not installed."""
    if board.platformio is None:
        return None
    core = Path(os.environ.get("PLATFORMIO_CORE_DIR", Path.home() / ".platformio"))
    name = board.platformio.platform.split("@")[0].strip()
    path = core / "platforms" / name / "boards" / f"{board.platformio.board}.json"
    return path if path.is_file() else None


def crosscheck(board: Board) -> list[Compared] | None:
    """Compare flash, RAM, core, clock and USB identities.

    Returns
    -------
    list of Compared, or None
        None where PlatformIO's platform is not installed, or its board file cannot be read.
    """
    path = platformio_board_file(board)
    if path is None or board.memory is None:
        return None
    try:
        theirs = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    build, upload = theirs.get("build", {}), theirs.get("upload", {})
    rows = [
        _limit("memory.flash.bytes", board.memory.flash.bytes, upload.get("maximum_size")),
        _limit("memory.ram.bytes", board.memory.ram.bytes, upload.get("maximum_ram_size")),
        _equal("core.cpu", board.core.cpu, build.get("cpu")),
        _equal("core.clock_hz", board.core.clock_hz, _hertz(build.get("f_cpu"))),
    ]
    ours = {*board.usb.application, *board.usb.bootloader}
    known = {f"{vid[2:]}:{pid[2:]}".lower() for vid, pid in build.get("hwids", [])}
    if known:
        # ours may know more: the core's board list names identities that PlatformIO leaves out
        rows.append(
            Compared("usb", ", ".join(sorted(ours)), ", ".join(sorted(known)), "equal" if known <= ours else "differs")
        )
    return [row for row in rows if row is not None]


def _limit(fact: str, ours: int, theirs: Any) -> Compared | None:
    if not isinstance(theirs, int):
        return None
    verdict = "equal" if ours == theirs else "stricter" if ours < theirs else "differs"
    return Compared(fact, f"{ours:,}", f"{theirs:,}", verdict)


def _equal(fact: str, ours: Any, theirs: Any) -> Compared | None:
    if theirs is None:
        return None
    return Compared(fact, str(ours), str(theirs), "equal" if ours == theirs else "differs")


def _hertz(text: Any) -> int | None:
    """``"64000000L"`` as a number."""
    digits = str(text or "").rstrip("ULul")
    return int(digits) if digits.isdigit() else None
