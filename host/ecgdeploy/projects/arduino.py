"""Arduino boards with PlatformIO: a project of one sketch and two libraries, which also builds without ecgdeploy.

The sketch includes Arduino.h and C headers; the engine is a library of its own, at -O2 and, for TFLM, in C++17,
with which the Arduino core itself does not compile. Link, application and timing are the emulated board's sources.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ecgdeploy import __version__
from ecgdeploy.boards import Board
from ecgdeploy.errors import BuildError, UsageError
from ecgdeploy.projects import tflm
from ecgdeploy.projects.fit import check_before_compile
from ecgdeploy.projects.mps2 import static_engine
from ecgdeploy.projects.registry import Image
from ecgdeploy.projects.sources import firmware_files, render_template
from ecgdeploy.projects.tflm_library import find_library, packaged_library, tflm_folder
from ecgdeploy.projects.types import Project, Request
from ecgdeploy.provenance import sha256_bytes, sha256_json
from ecgdeploy.toolchains import armabi, platformio
from ecgdeploy.toolchains.linkmap import Sizes

TEMPLATES = "platformio_arduino"
CORE_FOLDERS = ("include", "link", "app", "port/arduino")  # and the port of the board's family
CORE, ENGINE = "lib/ecgd_core", "lib/ecgd_engine"
# in PlatformIO's registry; a TFLM of January 2023, without all of today's int8 registrations
REGISTRY_TFLM = "spaziochirale/Chirale_TensorFLowLite@^2.0.0"
CXX = ("-std=gnu++17",)
CORES_CXX = ("-std=gnu++11", "-std=gnu++14")  # what the cores append for everything
# libraries that PlatformIO compiles: without it their messages are printed to Serial, which is the link's
QUIET = ("-DTF_LITE_STRIP_ERROR_STRINGS",)
# as on the emulated board: a fused multiply-add gives other last bits than the reference
SPEED = ("-O2", "-ffp-contract=off")
# the cores' own: -Os makes kernels 1.2-7 times slower, -Ofast gives other floats than the reference
SIZE = ("-Os", "-Ofast")


@dataclass(frozen=True)
class Library:
    """The engine's library.

    Attributes
    ----------
    sources : dict of str to bytes
        Files of its ``src``.
    extra : dict of str to bytes
        Files beside ``src``, which are not compiled.
    flags, unflags : tuple of str
        For this library only.
    project_flags, lib_deps : tuple of str
        For ``platformio.ini``.
    ram_bytes, flash_bytes : int
        Least memory, for a refusal before any compile.
    facts : dict
        For the manifest and the README.
    """

    sources: dict[str, bytes]
    extra: dict[str, bytes] = field(default_factory=dict)
    flags: tuple[str, ...] = SPEED
    unflags: tuple[str, ...] = SIZE
    project_flags: tuple[str, ...] = ()
    lib_deps: tuple[str, ...] = ()
    ram_bytes: int = 0
    flash_bytes: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


def render_static(request: Request) -> Project:
    """The project with engine ``static``."""
    engine = static_engine(request)
    kernels = firmware_files((), engine.kernel_sources)
    sources = {Path(name).name: data for name, data in kernels.items()} | engine.generated
    return render_with(
        request,
        Library(sources, ram_bytes=engine.ram_bytes, flash_bytes=engine.flash_bytes, facts=engine.facts),
    )


def render_tflm(request: Request) -> Project:
    """The project with engine ``tflm``.

    TFLM comes from the tree that is given (a PlatformIO library, or headers and an archive), else from the registry.
    """
    folder = tflm_folder(request.options.get("tflm_dir"))
    packaged = packaged_library(folder) if folder else None
    library = find_library(folder, request.board.core) if folder and packaged is None else None
    request, folded = tflm.without_ballast(request)
    arena = tflm.choose_arena(request, library)
    int8 = library is not None or (packaged is not None and packaged.int8_registrations)
    generated = tflm.generated_files(request.model, arena.bytes, int8_registrations=int8)
    sources = {Path(name).name: data for name, data in firmware_files((), tflm.SOURCES).items()} | generated
    facts = {"arena_bytes": arena.bytes, "arena": arena.how, "prebuilt": library is not None, **folded}
    if library is not None:
        part = Library(
            sources,
            extra=tflm.library_files(library, generated["ecgd_tflm_operators.h"]),
            flags=(*SPEED, *CXX, "-Itflm/include", *(f"-D{name}" for name in tflm.definitions(library))),
            unflags=(*SIZE, *CORES_CXX),
            project_flags=(f"-L{ENGINE}/tflm/lib", "-ltensorflow-microlite"),
            facts=facts | {"tflm_archive_sha256": library.sha256, "cmsis_nn": library.cmsis_nn},
        )
    elif packaged is not None:
        standard = any(flag.startswith("-std=") for flag in packaged.flags)
        part = Library(
            sources,
            flags=(*SPEED, *packaged.flags),
            unflags=(*SIZE, *CORES_CXX) if standard else SIZE,
            project_flags=QUIET,
            lib_deps=(f"symlink://{packaged.root}",),
            facts=facts | {"tflm_library_sha256": packaged.sha256},
        )
    else:
        part = Library(sources, project_flags=QUIET, lib_deps=(REGISTRY_TFLM,), facts=facts)
    return render_with(request, replace(part, ram_bytes=arena.bytes, flash_bytes=len(request.model.data)))


def render_with(request: Request, engine: Library) -> Project:
    """The project with any engine library; the same request and sources give the same bytes.

    Raises
    ------
    UsageError
        The board has no PlatformIO facts.
    BuildError
        The model alone is larger than the board's flash or RAM.
    """
    board = request.board
    if board.platformio is None:
        raise UsageError(f"{board.name} is not built with PlatformIO", "--emulate builds for its emulated twin")
    check_before_compile(request, engine.flash_bytes, engine.ram_bytes)
    core = firmware_files((*CORE_FOLDERS, f"port/{board.family}"))
    files = {f"{CORE}/src/{Path(name).name}": data for name, data in core.items()}
    files |= {f"{ENGINE}/src/{name}": data for name, data in engine.sources.items()}
    files |= {f"{ENGINE}/{name}": data for name, data in engine.extra.items()}
    build_flags = (*board.platformio.build_flags, *engine.project_flags)
    identity = {
        "files": {name: sha256_bytes(data) for name, data in sorted(files.items())},
        "platformio": board.platformio.model_dump(mode="json"),
        "flags": [*build_flags, *engine.flags, *engine.unflags],
        # not where a library lies, but what it is
        "tflm": engine.facts.get("tflm_library_sha256") or engine.lib_deps,
        "model": request.model.sha256,
        "board": board.name,
    }
    build_id = sha256_json(identity)[:16]
    files[f"{CORE}/src/ecgd_build.h"] = _build_header(board, build_id)
    files[f"{ENGINE}/src/ecgd_engine_library.h"] = _marker_header()
    values: dict[str, Any] = {
        "title": f"{request.model.name} on the {board.title}, engine {request.engine}",
        "board": board,
        "pio": board.platformio,
        "build_flags": build_flags,
        "build_unflags": board.platformio.build_unflags,
        "lib_deps": engine.lib_deps,
        "engine": request.engine,
        "model_name": request.model.name,
        "model_sha256": request.model.sha256,
        "build_id": build_id,
        "arena_bytes": engine.facts.get("arena_bytes"),
        "arena_how": engine.facts.get("arena"),
        "prebuilt": engine.facts.get("prebuilt", False),
    }
    files["platformio.ini"] = render_template(f"{TEMPLATES}/platformio.ini.j2", **values)
    files["README.md"] = render_template(f"{TEMPLATES}/README.md.j2", **values)
    sketch = render_template(f"{TEMPLATES}/main.cpp.j2", **values)
    files["src/main.cpp"] = sketch
    files[f"{CORE}/examples/ecgdeploy/ecgdeploy.ino"] = sketch
    for folder, header, description, flags, unflags in (
        (CORE, "ecgd_app.h", "Link, application loop and timing of ecgdeploy firmware", (), ()),
        (
            ENGINE,
            "ecgd_engine_library.h",
            f"Model {request.model.name} with engine {request.engine}",
            engine.flags,
            engine.unflags,
        ),
    ):
        described = {"library": Path(folder).name, "version": __version__, "header": header, "description": description}
        for name in ("library.json", "library.properties"):
            files[f"{folder}/{name}"] = render_template(
                f"{TEMPLATES}/{name}.j2", **described, flags=list(flags), unflags=list(unflags)
            )
    facts = {"platformio": identity["platformio"], "flags": identity["flags"], "engine": engine.facts}
    if board.memory is not None:
        facts["memory"] = {"flash": board.memory.flash.bytes, "ram": board.memory.ram.bytes}
    return Project(files, build_id, facts)


def _build_header(board: Board, build_id: str) -> bytes:
    stack = f"#define ECGD_STACK_BYTES {board.memory.stack_bytes}u\n" if board.memory else ""
    return (
        "/* Identity of this firmware: rendered by ecgdeploy. */\n"
        "#ifndef ECGD_BUILD_H\n#define ECGD_BUILD_H\n\n"
        f'#define ECGD_BOARD "{board.name}"\n#define ECGD_BUILD_ID "{build_id}"\n{stack}\n#endif\n'
    ).encode()


def _marker_header() -> bytes:
    return (
        b"/* Included by the sketch, so that Arduino's builder finds this library: rendered by ecgdeploy. */\n"
        b"#ifndef ECGD_ENGINE_LIBRARY_H\n#define ECGD_ENGINE_LIBRARY_H\n\n#include <ecgd_engine.h>\n\n#endif\n"
    )


def build(request: Request, project: Project, folder: Path) -> Image:  # noqa: ARG001
    """Compile with PlatformIO, and look whether the image uses the board's floating-point unit.

    Raises
    ------
    BuildError
        The compile failed, or the image computes floats in software on a core that has an FPU.
    """
    built = platformio.build(folder, request.board.name)
    elf = built / "firmware.elf"
    if not elf.is_file():
        raise BuildError(f"PlatformIO made no {elf}", f"see {folder / platformio.LOG}")
    libraries = sorted(built.glob("lib*/libecgd_core.a")) + sorted(built.glob("lib*/*ecgd_core*.a"))
    abi = armabi.archive_abi(libraries[0]) if libraries else None
    if abi is not None and request.board.core.fpu and not abi.fpu:
        raise BuildError(
            f"the firmware for {request.board.name} was compiled with software floats",
            "platformio.ini needs build_unflags = -mfloat-abi=soft; a newer platform may append another flag",
        )
    return Image(elf, _sizes(elf, request))


def _sizes(elf: Path, request: Request) -> Sizes:
    """Bytes by section; the core's linker script puts initialised data into both memories."""
    sections = armabi.image_sections(elf)
    writable = (".data", ".bss", ".noinit", ".uninit", ".heap", ".stack")
    flash = {name: size for name, size, stored in sections if stored}
    # the core declares the rest of its memory as one empty heap section
    ram = {
        name: size for name, size, _ in sections if name.startswith(writable) and name not in (".heap", ".stack_dummy")
    }
    stack = request.board.memory.stack_bytes if request.board.memory else 0
    return Sizes(
        sum(flash.values()),
        sum(ram.values()),
        stack,
        flash,
        ram,
        {"image": sum(flash.values())},
        {"image": sum(ram.values())},
    )
