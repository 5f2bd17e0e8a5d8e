"""What a project file says in place of options: one function an option, called only where the option is not given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ecgdeploy.errors import UsageError
from ecgdeploy.workspace.project import Project

Value = Callable[[Project], Any]


def _flashed(project: Project) -> Path:
    if project.content.board.emulate:
        raise UsageError(
            f"{project.path.name}: board.emulate is true: a twin is not flashed",
            "set emulate = false, build again, then flash; or measure the twin as it is",
        )
    return project.firmware


def _run(project: Project) -> Path:
    if not (project.measurement / "result.json").is_file():
        raise UsageError(f"no measurement in {project.measurement} yet", "ecgdeploy measure")
    return project.measurement


def _real(value: Value) -> Value:
    """A value for a real board only."""
    return lambda project: None if project.content.board.emulate else value(project)


_BOARD: dict[str, Value] = {
    "board": lambda project: project.content.board.name,
    "engine": lambda project: project.content.board.engine,
    "emulate": lambda project: project.content.board.emulate,
    "model": lambda project: str(project.deployed()),
    "float_model": Project.float_model,
}
_PORT: Value = _real(lambda project: project.content.board.port)
#: command -> option -> its value; train and quantize take the project itself
OPTIONS: dict[str, dict[str, Value]] = {
    "build": _BOARD | {"output": lambda project: project.firmware},
    "flash": {"project": _flashed, "port": _PORT},
    "measure": _BOARD
    | {
        "port": _PORT,
        "project": Project.built,
        "task": lambda project: str(project.path),
        "limit": lambda project: project.content.measure.limit,
        "output": lambda project: project.measurement,
        "gates": Project.gates_file,
    },
    "report": {"runs": lambda project: (_run(project),)},
    "gate": {"run": _run, "path": Project.gates_file},
    "bundle": {"run": _run, "path": Project.gates_file},
    "verify": {"model": Project.deployed},
}
