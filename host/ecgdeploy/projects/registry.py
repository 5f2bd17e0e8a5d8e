"""Which project kind serves which (family, engine): the one table that a new family or engine adds a line to.

A *family* is the board's, or its twin's when emulated. A kind is two functions, named and not imported, so that one
family's heavy needs never burden another:

- ``render(request: Request) -> Project``: files and facts, no side effects, the same bytes every time;
- ``build(request: Request, project: Project, folder: Path) -> Image``: compile what now lies in `folder`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ecgdeploy.errors import UsageError
from ecgdeploy.projects.types import Project, Request
from ecgdeploy.toolchains.linkmap import Sizes
from ecgdeploy.toolchains.tools import require


@dataclass(frozen=True)
class Image:
    """What a kind's build function found: the image and its sizes (either may be None)."""

    elf: Path | None
    sizes: Sizes | None


@dataclass(frozen=True)
class ProjectKind:
    """A kind of project.

    Attributes
    ----------
    render, build : str
        ``module:function``.
    tools : tuple of str
        Programs that must be there before anything is rendered to be built.
    check : str
        ``module:function``, called with the request at the same time; for what is not a program. Empty for none.
    """

    render: str
    build: str
    tools: tuple[str, ...] = ()
    check: str = ""

    def check_tools(self, request: Request) -> None:
        """Raise BuildError when something that the build needs is missing."""
        require(*self.tools)
        if self.check:
            _function(self.check)(request)

    def load(self) -> tuple[Callable[[Request], Project], Callable[[Request, Project, Path], Image]]:
        """The two functions."""
        return _function(self.render), _function(self.build)


def _function(name: str) -> Callable:
    module, function = name.split(":")
    return getattr(importlib.import_module(module), function)


KINDS: dict[tuple[str, str], ProjectKind] = {
    ("mps2", "static"): ProjectKind(
        "ecgdeploy.projects.mps2:render",
        "ecgdeploy.projects.mps2:build",
        ("cmake", "ninja", "arm-none-eabi-gcc"),
    ),
    **{
        (family, engine): ProjectKind(
            f"ecgdeploy.projects.arduino:render_{engine}",
            "ecgdeploy.projects.arduino:build",
            check="ecgdeploy.toolchains.platformio:check_ready",
        )
        for family in ("arduino_mbed", "arduino_nrf52", "arduino_stm32")
        for engine in ("static", "tflm")
    },
    ("mps2", "tflm"): ProjectKind(
        "ecgdeploy.projects.tflm:render_emulated",
        "ecgdeploy.projects.mps2:build",
        ("cmake", "ninja", "arm-none-eabi-gcc"),
        check="ecgdeploy.projects.tflm:check_emulated",
    ),
    ("linux", "static"): ProjectKind(
        "ecgdeploy.projects.linux:render",
        "ecgdeploy.projects.linux:build",
        ("cmake", "ninja", "aarch64-linux-gnu-gcc"),
    ),
    ("linux", "tflm"): ProjectKind(
        "ecgdeploy.projects.linux_tflm:render",
        "ecgdeploy.projects.linux_tflm:build",
        ("cmake", "ninja", "aarch64-linux-gnu-gcc", "aarch64-linux-gnu-g++"),
        check="ecgdeploy.projects.linux_tflm:library_of",
    ),
    ("linux", "litert"): ProjectKind(
        "ecgdeploy.projects.linux_litert:render",
        "ecgdeploy.projects.linux_litert:build",
        ("cmake", "ninja", "aarch64-linux-gnu-gcc"),
    ),
}


def kind_for(request: Request) -> ProjectKind:
    """The kind that serves `request`.

    Raises
    ------
    UsageError
        The board cannot run this engine, or no kind serves it yet.
    """
    board, engine = request.board, request.engine
    able = board.engines.emulated if request.emulate else board.engines.hardware
    where = f"{board.name} (emulated)" if request.emulate else board.name
    if engine not in able:
        raise UsageError(f"{where} has no engine '{engine}'", f"engines of this board: {', '.join(able)}")
    kind = KINDS.get((request.family, engine))
    if kind is None:
        there = [name for family, name in KINDS if family == request.family and name in able]
        twin = any(family == board.twin.family for family, _ in KINDS)
        hint = (
            f"--engine {there[0]}"
            if there
            else "--emulate builds for its emulated twin"
            if twin and not request.emulate
            else "docs/howto/new-board.md says what a new family needs"
        )
        raise UsageError(f"no project kind builds engine '{engine}' for {where}, family '{request.family}'", hint)
    return kind
