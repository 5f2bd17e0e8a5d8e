"""A board's facts, read from ``boards/NAME.toml``: checked, frozen, each with its source."""

from ecgdeploy.boards.crosscheck import Compared, crosscheck
from ecgdeploy.boards.load import board_names, load_board, load_board_file
from ecgdeploy.boards.model import Board, Core, Linux, Memory, PlatformIO, Region, Reserved, Twin, Upload, Usb

__all__ = [
    "Board",
    "Compared",
    "Core",
    "Linux",
    "Memory",
    "PlatformIO",
    "Region",
    "Reserved",
    "Twin",
    "Upload",
    "Usb",
    "board_names",
    "crosscheck",
    "load_board",
    "load_board_file",
]
