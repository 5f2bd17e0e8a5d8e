"""``build``: from (model, board, engine) to a project folder, an image and its sizes, once for each content."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ecgdeploy import __version__
from ecgdeploy.boards import Board, load_board
from ecgdeploy.errors import BuildError, UsageError
from ecgdeploy.projects.registry import kind_for
from ecgdeploy.projects.sources import read_model
from ecgdeploy.projects.store import KIND, file_hashes, intact, locked, manifest_of, write_project
from ecgdeploy.projects.types import Build, Project, Request
from ecgdeploy.provenance import canonical_json, sha256_file, write_manifest
from ecgdeploy.toolchains.linkmap import Sizes

DEFAULT_MODEL = "beat-cnn"
RESULTS = frozenset({"image", "sizes", "complete"})  # what a build adds to the manifest


def build(
    model: str | Path = DEFAULT_MODEL,
    board: str = "nano33ble",
    engine: str | None = None,
    emulate: bool = True,
    output: Path | None = None,
    render_only: bool = False,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Build:
    """Render and build the firmware of `model` for `board`.

    Parameters
    ----------
    model : str or Path
        A ``.tflite`` file or the name of a preset.
    board : str
        Name of a board, or path of a board file.
    engine : str, optional
        ``static``, ``tflm`` or ``litert``; the board's default otherwise.
    emulate : bool
        Build for the board's emulated twin.
    output : Path, optional
        Project folder; by default one named after its content in ``build/`` (or ``$ECGDEPLOY_BUILD_DIR``).
    render_only : bool
        Write the folder and compile nothing.
    options : mapping
        Engine's own options.

    Returns
    -------
    Build

    Raises
    ------
    UsageError
        Unknown board, engine or preset; `output` holds something else.
    ModelError
        The model is damaged or asks for what the engine cannot do.
    BuildError
        A tool is missing, the compile failed, or the image does not fit the board.
    """
    facts = load_board(board)
    engine = engine or facts.default_engine(emulate)
    if options.get("float_model") is None and not Path(model).is_file() and Path(model).suffix != ".tflite":
        from ecgdeploy.zoo import preset

        options = {**options, "float_model": preset(str(model)).float32}
    request = Request(read_model(model, engine), facts, engine, emulate, options)
    return build_request(request, output, render_only)


def build_request(request: Request, output: Path | None = None, render_only: bool = False) -> Build:
    """`build` for a request whose model is already read."""
    try:
        return _build(request, output, render_only)
    except OSError as error:
        place = error.filename or output or "the project folder"
        raise BuildError(f"{place}: {error.strerror or error}", "choose another --output, or free the disk") from error


def _build(request: Request, output: Path | None, render_only: bool) -> Build:
    kind = kind_for(request)
    if not render_only:
        kind.check_tools(request)
    render, compile_ = kind.load()
    project = render(request)
    folder = (output or default_folder(request, project)).resolve()
    manifest_of(folder)  # refuses a foreign folder before anything, even a lock, is written into it
    with locked(folder):
        previous = manifest_of(folder)
        manifest = _manifest(request, project)
        done = _already_built(folder, project, manifest, previous)
        if done is not None and not render_only:
            return done
        write_project(folder, project, manifest, previous)
        if render_only:
            return Build(folder, None, project.build_id, manifest, None, False)
        if previous and "image" in previous:  # whatever it is, it is not what this project makes: link anew
            (folder / previous["image"]["path"]).unlink(missing_ok=True)
        image = compile_(request, project, folder)
        if image.elf is not None:
            manifest["image"] = {
                "path": image.elf.relative_to(folder).as_posix(),
                "sha256": sha256_file(image.elf),
            }
        if image.sizes is not None:
            manifest["sizes"] = asdict(image.sizes)
        manifest["complete"] = True
        write_manifest(folder, manifest)
    return Build(folder, image.elf, project.build_id, manifest, image.sizes, False)


def load_build(folder: Path) -> Build:
    """A finished build from its folder, e.g. the one that was flashed.

    Raises
    ------
    UsageError
        `folder` is not a project, or was never built to the end.
    """
    manifest = manifest_of(folder)
    if manifest is None or not manifest.get("complete"):
        raise UsageError(f"{folder} holds no finished build", f"ecgdeploy build --output {folder}")
    elf = folder / manifest["image"]["path"] if "image" in manifest else None
    sizes = Sizes(**manifest["sizes"]) if "sizes" in manifest else None
    return Build(folder, elf, manifest["build_id"], manifest, sizes, True)


def board_of(manifest: dict[str, Any]) -> Board:
    """The board that a project was built for, as it was then: its file may lie anywhere, or have changed since."""
    return Board.model_validate(manifest["board_facts"])


def default_folder(request: Request, project: Project) -> Path:
    """``build/BOARD-ENGINE-MODEL-ID``, with ``-emulated`` for a twin; `$ECGDEPLOY_BUILD_DIR` replaces ``build``."""
    root = Path(os.environ.get("ECGDEPLOY_BUILD_DIR", "build"))
    twin = "-emulated" if request.emulate else ""
    name = re.sub(r"[^\w.-]+", "_", request.model.name)
    return root / f"{request.board.name}{twin}-{request.engine}-{name}-{project.build_id}"


def _already_built(
    folder: Path, project: Project, manifest: dict[str, Any], previous: dict[str, Any] | None
) -> Build | None:
    """The finished build of exactly this project in `folder`, None where it is missing, older or damaged."""
    if not previous or not previous.get("complete"):
        return None
    before = {key: value for key, value in previous.items() if key not in RESULTS}
    if canonical_json(before) != canonical_json(manifest):
        return None
    elf = None
    if image := previous.get("image"):
        elf = folder / image["path"]
        if not (elf.is_file() and sha256_file(elf) == image["sha256"]):
            return None
    if not intact(folder, project):
        return None
    sizes = Sizes(**previous["sizes"]) if "sizes" in previous else None
    return Build(folder, elf, project.build_id, previous, sizes, True)


def _manifest(request: Request, project: Project) -> dict[str, Any]:
    """What the folder was made from: no time, no place, so that two builds give the same bytes."""
    return {
        "kind": KIND,
        "schema": 1,
        "ecgdeploy": __version__,
        "board": request.board.name,
        "board_facts": request.board.model_dump(mode="json", by_alias=True, exclude_none=True),
        "family": request.family,
        "emulated": request.emulate,
        "engine": request.engine,
        "model": {"name": request.model.name, "sha256": request.model.sha256, "bytes": len(request.model.data)},
        "build_id": project.build_id,
        "facts": project.facts,
        "files": file_hashes(project),
    }
