"""Find and read board files; every fault in one is one line that names the file, the key and the nearest known key."""

from __future__ import annotations

import difflib
import sys
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ecgdeploy.boards.model import Board
from ecgdeploy.errors import UsageError, unknown
from ecgdeploy.resources import assets

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def board_names() -> list[str]:
    """Names of all boards, sorted."""
    return sorted(path.stem for path in (assets() / "boards").glob("*.toml"))


@cache
def load_board(name: str) -> Board:
    """Facts of the board called `name`, or of a board file given by its path (``./my_board.toml``).

    Raises
    ------
    UsageError
        Unknown name (the nearest known one is named), or a fault in the file.
    """
    if name.endswith(".toml"):
        return load_board_file(Path(name))
    if name not in board_names():
        raise unknown("board", name, board_names())
    return load_board_file(assets() / "boards" / f"{name}.toml")


def load_board_file(path: Path) -> Board:
    """Read and check one board file.

    Raises
    ------
    UsageError
        Missing or unreadable file, TOML syntax, unknown key (with the nearest known one), missing or wrong value.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"no board file {path}", "docs/howto/new-board.md says how to write one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}", "a board file is UTF-8 TOML") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path.name}: not TOML: {error}", "mend the line named above") from None
    try:
        board = Board.model_validate(raw)
    except ValidationError as error:
        raise _explain(path, error) from None
    _check(path, board, raw)
    return board


def _check(path: Path, board: Board, raw: dict[str, Any]) -> None:
    """Rules that hold between facts."""
    if board.name != path.stem:
        raise UsageError(
            f"{path.name}: name is '{board.name}'", f"a board file is called after its board: {board.name}.toml"
        )
    wanted = "memory" if board.kind == "mcu" else "linux"
    if getattr(board, wanted) is None:
        raise UsageError(
            f"{path.name}: a board of kind '{board.kind}' needs the table [{wanted}]", "see docs/howto/new-board.md"
        )
    if board.memory and board.memory.ram.usable <= 0:
        raise UsageError(f"{path.name}: memory.ram.reserved takes all of memory.ram.bytes", "check the reservations")
    for fact in board.sources:
        node: Any = raw
        for part in fact.split("."):
            node = node.get(part) if isinstance(node, dict) else None
        if node is None:
            raise UsageError(
                f"{path.name}: sources names '{fact}', which the file does not state", "remove it, or state the fact"
            )


def _explain(path: Path, error: ValidationError) -> UsageError:
    """The most telling fault as one line and what to do: a misspelt key before the one it leaves out."""
    first = min(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    place = [str(part) for part in first["loc"]]
    dotted = ".".join(place)
    if first["type"] == "extra_forbidden":
        known = _keys(Board, place[:-1])
        near = difflib.get_close_matches(place[-1], known, n=1, cutoff=0.4)
        hint = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(sorted(known))}"
        return UsageError(f"{path.name}: unknown key '{dotted}'", hint)
    if first["type"] == "missing":
        return UsageError(
            f"{path.name}: key '{dotted}' is missing", "every board states it; see docs/howto/new-board.md"
        )
    return UsageError(
        f"{path.name}: {dotted} = {first['input']!r}: {first['msg'].lower()}", "see docs/howto/new-board.md"
    )


def _keys(table: type[BaseModel], place: list[str]) -> list[str]:
    """Names that may stand in the table at `place`."""
    for part in place:
        field = table.model_fields.get(part)
        nested = field and _table_in(field.annotation)
        if nested:
            table = nested
    return [field.alias or name for name, field in table.model_fields.items()]


def _table_in(annotation: Any) -> type[BaseModel] | None:
    """The table type inside an annotation such as ``Memory | None`` or ``tuple[Reserved, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _table_in(argument)
        if found:
            return found
    return None
