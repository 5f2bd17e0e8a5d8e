"""A Linux board with engine ``tflm``: one executable of the firmware, the C++ wrapper and the user's TFLM archive.

Wrapper, resolver and embedded model are the microcontroller's; the archive is one that TFLM's own build made for 64-bit
Arm (decision 0070). The C++ library is linked in, so that the board needs its C library only.
"""

from __future__ import annotations

from pathlib import Path

from ecgdeploy.errors import BuildError
from ecgdeploy.projects import tflm
from ecgdeploy.projects.bundle import write_bundle
from ecgdeploy.projects.linux import FOLDERS, SYSROOT, compile_program, render_with
from ecgdeploy.projects.registry import Image
from ecgdeploy.projects.sources import firmware_files
from ecgdeploy.projects.tflm_estimate import arena_of_64_bits
from ecgdeploy.projects.tflm_library import HELP, VARIABLE, TflmLibrary, find_library, tflm_folder
from ecgdeploy.projects.types import Project, Request

CXX_FLAGS = ("-std=gnu++17", *tflm.CXX_ONLY)
LINK_FLAGS = ("-static-libstdc++", "-static-libgcc")


def library_of(request: Request) -> TflmLibrary:
    """The TFLM to link.

    Raises
    ------
    BuildError
        No tree is named, or it has no archive for the board.
    """
    folder = tflm_folder(request.options.get("tflm_dir"))
    if folder is None:
        raise BuildError(
            f"engine tflm on {request.board.name} needs a TFLM library for {request.board.core.arch}",
            f"--tflm-dir PATH or {VARIABLE}; {HELP}; or --engine static",
        )
    return find_library(folder, request.board.core)


def render(request: Request) -> Project:
    """The project: firmware, wrapper, model, TFLM's headers and archive.

    Raises
    ------
    BuildError
        The cross compiler or TFLM's library is missing.
    ModelError
        TFLM refuses the model.
    """
    library = library_of(request)
    request, folded = tflm.without_ballast(request)
    asked = request.options.get("arena_bytes")
    arena = -(-int(asked) // 16) * 16 if asked else arena_of_64_bits(request.model.data)
    generated = tflm.generated_files(request.model, arena, int8_registrations=True)
    files = firmware_files(FOLDERS, tflm.SOURCES) | {f"generated/{name}": data for name, data in generated.items()}
    files |= tflm.library_files(library, generated["ecgd_tflm_operators.h"])
    engine = {
        "arena_bytes": arena,
        "arena": "asked" if asked else "estimated",
        "tflm_archive_sha256": library.sha256,
        **folded,
    }
    return render_with(
        request, files, engine, SYSROOT,
        cxx_flags=CXX_FLAGS, definitions=tflm.definitions(library), link_flags=LINK_FLAGS,
        libraries=("${CMAKE_SOURCE_DIR}/tflm/lib/libtensorflow-microlite.a", "m"),
    )  # fmt: skip


def build(request: Request, project: Project, folder: Path) -> Image:
    """Compile and link, and complete the bundle; its golden answers are those of TFLM's wheel on this computer."""
    from ecgdeploy.reference import TflmReference

    image = compile_program(folder)
    assert image.elf is not None
    # integer kernels have one answer; float ones may be contracted to fused multiply-adds by whoever built the archive
    program = write_bundle(
        request, project, folder, image.elf, TflmReference(request.model.data).run, steps=0.0, tolerance=1e-4
    )
    return Image(program, image.sizes)
