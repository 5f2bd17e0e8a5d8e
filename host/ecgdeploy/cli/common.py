"""What several of the training commands share: a progress bar on stderr, and the target's check."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

#: how engine static keeps weights (`ecgdeploy.codegen.generate`)
WEIGHTS = ("auto", "packed", "int8")
#: how it keeps int8 values while it works on them
STORAGES = ("auto", "bytes", "int16")


@contextmanager
def progress_bar() -> Iterator[Callable[[int, int, int, float], None]]:
    """A bar per epoch on stderr; yields the function that training calls after each step."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True))
    rows: dict[int, Any] = {}
    try:
        def report(epoch: int, step: int, steps: int, loss: float) -> None:
            if epoch not in rows:
                bar.start()  # not before: an error on the way there stays one line
                rows[epoch] = bar.add_task("", total=steps)
            bar.update(rows[epoch], completed=step, description=f"epoch {epoch + 1}  loss {loss:.4f}")

        yield report
    finally:
        if rows:
            bar.stop()


def require_target(config: Any) -> None:
    """Refuse a configuration whose precisions its board cannot run."""
    if config.target is None:
        return
    from ecgdeploy.boards import load_board
    from ecgdeploy.quantization import deployability

    board = load_board(config.target.board)
    for precision in config.quantization.precisions:
        deployability.require(precision, board.name, config.target.engine, engines_of(board))


def engines_of(board: Any) -> tuple[str, ...]:
    """Every engine that a board runs, on hardware or on its twin."""
    engines = board.engines
    return tuple(dict.fromkeys((*engines.hardware, *engines.emulated)))
