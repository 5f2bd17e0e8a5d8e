"""A Linux board with engine ``static``: a CMake project for one small executable, the same for board and emulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecgdeploy.projects.bundle import BUNDLE, SERVICE_BASE, SERVICE_FILES, write_bundle
from ecgdeploy.projects.jetson import onnx_files
from ecgdeploy.projects.mps2 import part_of, weights_option
from ecgdeploy.projects.registry import Image
from ecgdeploy.projects.sources import firmware_files, render_template
from ecgdeploy.projects.types import Project, Request
from ecgdeploy.provenance import sha256_bytes, sha256_json
from ecgdeploy.toolchains import cmake, linkmap, tools

PREFIX = "aarch64-linux-gnu-"
SYSROOT = "/usr/aarch64-linux-gnu"  # where Debian's cross C library is, for qemu-user
FOLDERS = ("include", "link", "app", "port/linux")
# contraction to fused multiply-add would give other last bits than the microcontroller
COMPILE_FLAGS = (
    "-O2", "-ffp-contract=off", "-ffunction-sections", "-fdata-sections", "-fno-common",
    "-Wall", "-Wextra", "-Werror", "-Wconversion",
)  # fmt: skip
C_ONLY_WARNINGS = ("-Wconversion",)  # in a project with C++: TFLM's headers are not held to it
TFLM_HEADERS = "tflm/include"
LINK_FLAGS = ("-Wl,--gc-sections", "-Wl,--strip-all", "-Wl,--build-id=none")


def render(request: Request) -> Project:
    """The project: generated engine, firmware, port ``host``.

    Raises
    ------
    BuildError
        The cross compiler is missing.
    """
    from ecgdeploy.codegen import generate

    engine = generate(request.model.graph, "portable", weights_option(request))
    files = firmware_files(FOLDERS, engine.kernel_sources)
    files |= {f"generated/{name}": text.encode() for name, text in engine.files.items()}
    return render_with(request, files, {"target": "portable", "ram_bytes": int(engine.plan.ram_bytes)}, SYSROOT)


def render_with(
    request: Request,
    files: dict[str, bytes],
    engine: dict[str, Any],
    root: str,
    *,
    cxx_flags: tuple[str, ...] = (),
    definitions: tuple[str, ...] = (),
    link_flags: tuple[str, ...] = (),
    libraries: tuple[str, ...] = (),
) -> Project:
    """The project around an engine's files.

    Parameters
    ----------
    files : dict
        Firmware, engine, and whatever else lies in the folder.
    engine : dict
        The engine's own facts, for the manifest.
    root : str
        Where the emulator finds the C library; ``{folder}`` is the project's folder.
    cxx_flags : tuple of str
        For C++ sources; none: the project is C alone.
    definitions, link_flags, libraries : tuple of str
        What the engine adds.
    """
    board = request.board
    more, onnx = onnx_files(request)
    files |= more
    engine = engine | onnx
    compile_flags = (*board.core.compile_flags, *COMPILE_FLAGS)
    definitions = (f'ECGD_BOARD="{board.name}"', *definitions)
    link_flags = (*LINK_FLAGS, *link_flags)
    compiler = tools.compiler_identity(f"{PREFIX}gcc")
    identity = {
        "files": {name: sha256_bytes(data) for name, data in files.items()},
        "compiler": compiler,
        "flags": [*compile_flags, *cxx_flags, *link_flags],
        "definitions": [*definitions],
        "model": request.model.sha256,
    }
    build_id = sha256_json(identity)[:16]
    ours = [name for name in files if not name.startswith(TFLM_HEADERS)]
    command = [board.twin.emulator, "-cpu", board.twin.cpu, "-L", root]
    values: dict[str, Any] = {
        "title": f"{request.model.name} on {board.title}, engine {request.engine}",
        "sources": [name for name in sorted(files) if name.endswith((".c", ".cpp"))],
        "include_dirs": sorted({str(Path(name).parent) for name in ours if name.endswith(".h")}),
        "definitions": [*definitions, f'ECGD_BUILD_ID="{build_id}"'],
        "compile_flags": compile_flags,
        "link_flags": link_flags,
        "cxx_flags": cxx_flags,
        "c_only": C_ONLY_WARNINGS,
        "system_include": TFLM_HEADERS if cxx_flags else "",
        "libraries": libraries,
        "prefix": PREFIX,
        "board": board,
        "core": board.core,
        "model_name": request.model.name,
        "model_sha256": request.model.sha256,
        "engine": request.engine,
        "build_id": build_id,
        "run_command": " ".join([*command, "build/firmware"]),
    }
    for name in ("CMakeLists.txt", "toolchain.cmake", "README.md"):
        files[name] = render_template(f"cmake_linux/{name}.j2", **values)
    for name in SERVICE_FILES:
        files[f"{BUNDLE}/{name}"] = render_template(f"linux_bundle/{name}.j2", base=SERVICE_BASE, **values)
    facts = {
        "compiler": compiler,
        "flags": identity["flags"],
        "emulator": command,
        "engine": engine,
    }
    return Project(files, build_id, facts)


def build(request: Request, project: Project, folder: Path) -> Image:
    """Compile and link, and complete the bundle.

    Raises
    ------
    BuildError
        A tool is missing or the compile failed.
    """
    from ecgdeploy.codegen.host import HostEngine

    image = compile_program(folder)
    assert image.elf is not None
    golden = HostEngine(request.model.graph)
    program = write_bundle(request, project, folder, image.elf, golden.run, steps=0.0, tolerance=0.0)
    return Image(program, image.sizes)


def compile_program(folder: Path) -> Image:
    """The program alone."""
    out = cmake.build(folder)
    link_map = linkmap.parse_map((out / "firmware.map").read_text(errors="replace"))
    return Image(out / "firmware", linkmap.measure_process(link_map, part_of))
