"""Progress on stderr: one bar a stage on a terminal, silent otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield ``report(stage, done, total)``, to be called as often as one likes."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    with Progress(TextColumn("{task.description:20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                  console=console, disable=not console.is_terminal) as bars:
        stages: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bars.add_task(stage, total=total)
            bars.update(stages[stage], completed=done, total=total)

        yield report


@contextmanager
def transfer_progress() -> Iterator[Callable[[int, int, int, int, str], None]]:
    """Yield ``report(bytes of the file, its size, files done, files, name)`` for a download."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description:30}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as files:
        bar = files.add_task("files", total=None)

        def report(received: int, _size: int, done: int, total: int, name: str) -> None:
            size = f" {received / 1e6:.1f} MB" if received else ""
            files.update(bar, completed=done, total=total, description=f"{name[-18:]}{size}")

        yield report
