"""Serial ports with the boards they show, and who holds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecgdeploy.boards import Board, board_names, load_board
from ecgdeploy.devices.serial_port import port_holders
from ecgdeploy.flash.ports import Port, in_bootloader, list_ports


@dataclass(frozen=True)
class Listed:
    """A port; `boards` are those whose USB identity it shows, `holders` the processes that have it open."""

    port: Port
    boards: tuple[str, ...]
    bootloader: bool
    holders: tuple[str, ...]


def recognise(ports: Iterable[Port] | None = None, boards: Sequence[Board] | None = None) -> list[Listed]:
    """Ports of this computer, recognised ones first.

    Parameters
    ----------
    ports : iterable of Port, optional
        Instead of asking the system.
    boards : sequence of Board, optional
        Instead of all that have a file.
    """
    known = [load_board(name) for name in board_names()] if boards is None else boards
    found = []
    for port in list_ports() if ports is None else ports:
        mine = [b for b in known if port.vid_pid and port.vid_pid in (*b.usb.application, *b.usb.bootloader)]
        loading = bool(mine) and all(in_bootloader(board, port) for board in mine)
        holders = tuple(port_holders(Path(port.device)))
        found.append(Listed(port, tuple(board.name for board in mine), loading, holders))
    return sorted(found, key=lambda item: (not item.boards, item.port.device))
