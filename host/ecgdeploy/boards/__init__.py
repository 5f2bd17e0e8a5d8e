"""A board's facts, read from ``boards/NAME.toml``: checked, frozen, each with its source."""

from ecgdeploy.boards.load import board_names, load_board, load_board_file
from ecgdeploy.boards.model import Board, Core, Linux, Memory, PlatformIO, Region, Reserved, Twin, Upload, Usb

__all__ = [
    "Board",
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
    "load_board",
    "load_board_file",
]
