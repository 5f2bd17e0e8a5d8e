"""What a build is asked for, what is rendered, and what comes out: frozen values at the borders of this package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ecgdeploy.boards import Board
from ecgdeploy.toolchains.linkmap import Sizes

if TYPE_CHECKING:
    from ecgdeploy.graph import Graph


@dataclass(frozen=True, eq=False)
class Model:
    """A model file as read: its bytes, so that what is hashed is what is built.

    Attributes
    ----------
    name : str
        What to call it in messages: the preset's or the file's name without suffix.
    data : bytes
        The ``.tflite`` file.
    sha256 : str
        Of `data`.
    graph : Graph
        The typed graph.
    """

    name: str
    data: bytes
    sha256: str
    graph: Graph


@dataclass(frozen=True)
class Request:
    """One build: which model, for which board, with which engine.

    Attributes
    ----------
    model : Model
    board : Board
    engine : str
        ``static``, ``tflm`` or ``litert``.
    emulate : bool
        Build for the board's twin.
    options : mapping of str to Any
        What an engine needs beyond that (``tflm_dir``, ``arena_bytes``); part of the build's identity.
    """

    model: Model
    board: Board
    engine: str
    emulate: bool
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def family(self) -> str:
        """Family whose port and project kind are used."""
        return self.board.target_family(self.emulate)


@dataclass(frozen=True)
class Project:
    """A rendered project: every file's bytes, and the facts that the manifest states.

    Attributes
    ----------
    files : dict of str to bytes
        Path inside the folder to content.
    build_id : str
        16 hexadecimal digits of the hash of everything compiled in.
    facts : dict
        For the manifest: compiler, flags, engine's own figures.
    executable : frozenset of str
        Files that get the executable bit.
    """

    files: dict[str, bytes]
    build_id: str
    facts: dict[str, Any]
    executable: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Build:
    """A built project.

    Attributes
    ----------
    folder : Path
        The project's folder, which also builds alone.
    elf : Path or None
        The image; None when only rendered, or for a bundle without one.
    build_id : str
        What the firmware answers when it is asked for its build.
    manifest : dict
        Content of ``manifest.json``.
    sizes : Sizes or None
        Flash and RAM by section and by part, from the linker's map.
    cached : bool
        The same thing had been built before: nothing was compiled.
    """

    folder: Path
    elf: Path | None
    build_id: str
    manifest: dict[str, Any]
    sizes: Sizes | None
    cached: bool
