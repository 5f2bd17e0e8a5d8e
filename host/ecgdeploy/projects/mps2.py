"""The emulated Cortex-M twin: a CMake project with the board's own memory limits, for QEMU's mps2 machines."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ecgdeploy.boards import Memory
from ecgdeploy.errors import BuildError
from ecgdeploy.projects.fit import check_before_compile, constant_bytes, overflow_error, packed_bound, saved_bytes
from ecgdeploy.projects.registry import Image
from ecgdeploy.projects.sources import firmware_files, render_template
from ecgdeploy.projects.types import Project, Request
from ecgdeploy.provenance import sha256_bytes, sha256_json
from ecgdeploy.toolchains import cmake, linkmap, tools

PREFIX = "arm-none-eabi-"
FOLDERS = ("include", "link", "app", "port/mps2")
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wconversion")
# -O2 and builtins: -Os costs the kernels 1.2-7 times their speed, -O3 and -fno-builtin make them slower
# no contraction to fused multiply-add, which would give other last bits than the reference on a computer;
# unified assembler syntax: GCC's default for inline assembly on Armv6-M is the old one
OPTIMIZE = (
    "-O2",
    "-g",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-common",
    "-ffp-contract=off",
    "-masm-syntax-unified",
)
LINK_FLAGS = ("-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments")


@dataclass(frozen=True)
class EnginePart:
    """What an engine adds to the project.

    Attributes
    ----------
    generated : dict of str to bytes
        Files for ``generated/``; ``.c``, ``.cc`` and ``.cpp`` are compiled.
    kernel_sources : tuple of str
        Paths below ``firmware/`` to compile.
    languages : tuple of str
        CMake's languages.
    include_dirs, definitions, compile_flags, libraries, link_flags : tuple of str
        Additions to the target.
    external : dict of str to bytes
        Further files of the project; compiled where `external_sources` names them.
    ram_bytes : int
        Memory the engine keeps for itself, in bytes.
    flash_bytes : int
        Least constant data the image will hold, in bytes.
    facts : dict
        For the manifest.
    """

    generated: dict[str, bytes]
    kernel_sources: tuple[str, ...] = ()
    languages: tuple[str, ...] = ("C",)
    include_dirs: tuple[str, ...] = ()
    definitions: tuple[str, ...] = ()
    compile_flags: tuple[str, ...] = WARNINGS
    libraries: tuple[str, ...] = ()
    link_flags: tuple[str, ...] = ()
    external: dict[str, bytes] = field(default_factory=dict)
    external_sources: tuple[str, ...] = ()
    ram_bytes: int = 0
    flash_bytes: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


def render(request: Request) -> Project:
    """The project for engine ``static``."""
    return render_with(request, static_engine(request))


def static_engine(request: Request) -> EnginePart:
    """C generated for this model and core."""
    from ecgdeploy.codegen import generate

    check_before_compile(request, packed_bound(request.model.graph), 0)  # before pages of C are generated for nothing
    target = "cortex-m4" if request.board.core.dsp else "portable"
    engine = generate(request.model.graph, target, weights_option(request))
    return EnginePart(
        generated={name: text.encode() for name, text in engine.files.items()},
        kernel_sources=tuple(engine.kernel_sources),
        ram_bytes=int(engine.plan.ram_bytes),
        flash_bytes=max(constant_bytes(request.model.graph) - saved_bytes(engine.weights), 0),
        facts={
            "target": target,
            "ram_bytes": int(engine.plan.ram_bytes),
            "weights": [asdict(layer) for layer in engine.weights],
        },
    )


def weights_option(request: Request) -> str:
    """How the build wants weights to be kept: "auto" unless asked otherwise."""
    return str(request.options.get("weights") or "auto")


def render_with(request: Request, engine: EnginePart) -> Project:
    """The project with any engine; the same request and sources give the same bytes.

    Raises
    ------
    BuildError
        The model alone is larger than the board's flash or RAM, or the compiler is missing.
    """
    board, twin = request.board, request.board.twin
    memory = _memory(request)
    check_before_compile(request, engine.flash_bytes, engine.ram_bytes)
    files = firmware_files(FOLDERS, engine.kernel_sources)
    files |= {f"generated/{name}": data for name, data in engine.generated.items()}
    files |= engine.external
    sources = [
        name
        for name in sorted(files)
        if name.endswith((".c", ".cc", ".cpp", ".S"))
        and (name not in engine.external or name in engine.external_sources)
    ]
    defsyms = {
        "ECGD_FLASH_BYTES": memory.flash.bytes,
        "ECGD_RAM_BYTES": memory.ram.bytes,
        "ECGD_STACK_BYTES": memory.stack_bytes,
    }
    link_flags = (*LINK_FLAGS, *engine.link_flags, *(f"-Wl,--defsym={name}={value}" for name, value in defsyms.items()))
    values: dict[str, Any] = {
        "title": f"{request.model.name} on the emulated {board.title}, engine {request.engine}",
        "languages": engine.languages,
        "sources": sources,
        "include_dirs": sorted(
            {str(Path(name).parent) for name in files if name.endswith(".h") and name not in engine.external}
            | set(engine.include_dirs)
        ),
        "compile_flags": (*OPTIMIZE, *engine.compile_flags),
        "link_flags": link_flags,
        "linker_script": "firmware/port/mps2/mps2.ld",
        "libraries": engine.libraries,
        "core": board.core,
        "core_flags": board.core.compile_flags,
        "prefix": PREFIX,
        "board": board,
        "twin": twin,
        "flash_bytes": memory.flash.bytes,
        "ram_bytes": memory.ram.bytes,
        "stack_bytes": memory.stack_bytes,
        "model_name": request.model.name,
        "model_sha256": request.model.sha256,
        "engine": request.engine,
        "run_command": f"qemu-system-arm -M {twin.machine} -display none -monitor none -serial stdio -icount shift=7 "
        "-semihosting-config enable=on,target=native,arg=uart -kernel build/firmware.elf",
    }
    definitions = [f'ECGD_BOARD="{board.name}"', *engine.definitions]
    compiler = tools.compiler_identity(f"{PREFIX}gcc")
    identity = {
        "files": {name: sha256_bytes(data) for name, data in files.items()},
        "compiler": compiler,
        "flags": [*board.core.compile_flags, *values["compile_flags"], *link_flags, *engine.libraries],
        "definitions": definitions,
        "model": request.model.sha256,
        "machine": twin.machine,
    }
    build_id = sha256_json(identity)[:16]
    values |= {"build_id": build_id, "definitions": [*definitions, f'ECGD_BUILD_ID="{build_id}"']}
    for name in ("CMakeLists.txt", "toolchain.cmake", "README.md"):
        files[name] = render_template(f"cmake_mps2/{name}.j2", **values)
    facts = {
        "compiler": compiler,
        "flags": identity["flags"],
        "machine": twin.machine,
        "memory": {"flash": memory.flash.bytes, "ram": memory.ram.bytes, "stack": memory.stack_bytes},
        "engine": engine.facts,
    }
    return Project(files, build_id, facts)


def build(request: Request, project: Project, folder: Path) -> Image:  # noqa: ARG001
    """Compile and link; an image that does not fit is refused with the excess and the heaviest tensors.

    Raises
    ------
    BuildError
        A tool is missing, the compile failed, or the image does not fit.
    """
    tools.require_newlib()
    try:
        out = cmake.build(folder)
    except cmake.CompileError as error:
        over = re.findall(r"region [`'](\w+)' overflowed by (\d+) bytes", error.output)
        if over:
            raise overflow_error(request, {name: int(count) for name, count in over}) from None
        raise
    elf, map_file = out / "firmware.elf", out / "firmware.map"
    twin, memory = request.board.twin, _memory(request)
    sizes = linkmap.measure(
        linkmap.parse_map(map_file.read_text(errors="replace")),
        range(twin.flash_origin, twin.flash_origin + memory.flash.bytes),
        range(twin.ram_origin, twin.ram_origin + memory.ram.bytes),
        part_of,
    )
    return Image(elf, sizes)


def part_of(piece: linkmap.Piece) -> str:
    """Part of the firmware that a piece belongs to, from its object's path."""
    if not piece.origin:
        return "padding"
    origin = piece.origin.replace("\\", "/")
    if "/generated/" in origin:
        return "model" if piece.section.startswith(".rodata") else "engine"
    for part in ("kernels", "link", "app", "port"):
        if f"/firmware/{part}/" in origin:
            return part
    if "libtensorflow-microlite.a(" in origin:
        return "cmsis-nn" if "arm_" in origin.rsplit("(", 1)[1] else "tflm"
    if "/tflm/" in origin:
        return "engine"
    return "libc"


def _memory(request: Request) -> Memory:
    if request.board.memory is None:
        raise BuildError(f"{request.board.name} has no fixed memory map", "it is a Linux board; see its bundle")
    return request.board.memory
