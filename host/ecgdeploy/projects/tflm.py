"""Engine ``tflm``: what it adds to a project, whichever build system compiles it.

Generated: the model as an aligned C array, the resolver with exactly the model's operators, the arena's size. The model
is embedded without Conv1D's ballast where TFLM gives the same bytes with and without it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ecgdeploy.errors import BuildError, ModelError
from ecgdeploy.projects.mps2 import WARNINGS, EnginePart, render_with
from ecgdeploy.projects.sources import firmware_files
from ecgdeploy.projects.tflm_arena import can_measure, measured_arena
from ecgdeploy.projects.tflm_library import HELP, VARIABLE, TflmLibrary, find_library, header_closure, tflm_folder
from ecgdeploy.projects.tflm_operators import operators_header, used_operators
from ecgdeploy.projects.types import Model, Project, Request
from ecgdeploy.provenance import sha256_bytes
from ecgdeploy.toolchains import tools

if TYPE_CHECKING:
    from ecgdeploy.projects.tflm_estimate import Arena

WRAPPER = "engine/tflm/ecgd_engine_tflm.cpp"
SOURCES = (WRAPPER, "engine/tflm/ecgd_tflm_log.c")
# what TFLM's own build compiles its archive with, as far as its headers look at it
DEFINITIONS = ("TF_LITE_STATIC_MEMORY", "TF_LITE_DISABLE_X86_NEON", "TF_LITE_STRIP_ERROR_STRINGS", "NDEBUG")
CXX_ONLY = ("-fno-rtti", "-fno-exceptions", "-fno-threadsafe-statics", "-fno-use-cxa-atexit")
C_ONLY_WARNINGS = ("-Wconversion",)
BYTES_A_LINE = 16


@dataclass(frozen=True)
class ArenaChoice:
    """The arena a project is built with, and how its size came about.

    Attributes
    ----------
    bytes : int
        Size.
    how : str
        ``asked``, ``measured`` (on the emulated board, this library's kernels) or ``estimated`` (reference kernels on
        this computer, plus a margin).
    """

    bytes: int
    how: str


def without_ballast(request: Request) -> tuple[Request, dict[str, str]]:
    """The request with its model as it is embedded: EXPAND_DIMS and RESHAPE folded away, if asked for (the default).

    Of a file converted with any batch size, what computes shapes is folded away in any case.

    The model's hash stays that of the file that was given: host and board agree by it on which model it is.

    Returns
    -------
    tuple of Request and dict
        Under ``folded`` what it saved. Nothing where there is nothing to fold, where TFLM's answers would not be the
        same bytes, or where TFLM is not here to say so.
    """
    from ecgdeploy.graph import read_tflite
    from ecgdeploy.graph.fold import checked_fold
    from ecgdeploy.reference import TflmReference

    model = settled(request.model)
    request = replace(request, model=model)
    if not request.options.get("fold", True):
        return request, {}
    try:
        folded = checked_fold(model.data, lambda file: TflmReference(file).run)
    except (ModelError, BuildError):
        return request, {}
    if not folded.saved:
        return request, {}
    graph = read_tflite(folded.model, supported=False, name=model.name)
    return replace(request, model=replace(model, data=folded.model, graph=graph)), {"folded": folded.line()}


def settled(model: Model) -> Model:
    """The model with the shapes that a file converted with any batch size leaves to be computed (TFLM does not)."""
    from ecgdeploy.graph import read_tflite
    from ecgdeploy.graph.settle import settled_file

    if not model.graph.settled:
        return model
    data = settled_file(model.data)
    return replace(model, data=data, graph=read_tflite(data, supported=False, name=model.name))


def definitions(library: TflmLibrary | None) -> tuple[str, ...]:
    """Preprocessor definitions with which TFLM's headers must be read to match its archive."""
    return (*DEFINITIONS, "CMSIS_NN") if library is not None and library.cmsis_nn else DEFINITIONS


def generated_files(model: Model, arena_bytes: int, int8_registrations: bool) -> dict[str, bytes]:
    """Files that depend on the model, without folder."""
    kinds = used_operators(model.graph)
    config = [
        "/* Sizes of this model's TFLM engine: rendered by ecgdeploy. */",
        "#ifndef ECGD_TFLM_CONFIG_H",
        "#define ECGD_TFLM_CONFIG_H",
        "",
        f"#define ECGD_TFLM_ARENA_BYTES {arena_bytes}u",
        f"#define ECGD_TFLM_OPERATORS {len(kinds)}u",
        "/* 0 for a TFLM library of 2023, which does not have them all */",
        "#ifndef ECGD_TFLM_INT8_REGISTRATIONS",
        f"#define ECGD_TFLM_INT8_REGISTRATIONS {int(int8_registrations)}",
        "#endif",
        "",
        "#endif",
        "",
    ]
    return {
        "ecgd_model_data.c": model_array(model),
        "ecgd_tflm_config.h": "\n".join(config).encode(),
        "ecgd_tflm_operators.h": operators_header(model.graph),
    }


def model_array(model: Model) -> bytes:
    """``ecgd_model_data.c``: the file's bytes, aligned to 16, and their SHA-256."""
    data = model.data
    rows = [
        "    " + ", ".join(f"0x{byte:02x}" for byte in data[at : at + BYTES_A_LINE]) + ","
        for at in range(0, len(data), BYTES_A_LINE)
    ]
    folded = "" if sha256_bytes(data) == model.sha256 else ", without Conv1D's ballast; the hash is that of the file"
    digest = ", ".join(f"0x{byte:02x}" for byte in bytes.fromhex(model.sha256))
    lines = [
        f"/* The model '{model.name}' as it was exported{folded}: rendered by ecgdeploy. */",
        '#include "ecgd_model_data.h"',
        "",
        f"const size_t ecgd_model_bytes = {len(data)}u;",
        f"const uint8_t ecgd_model_sha256[32] = {{{digest}}};",
        "__attribute__((aligned(16))) const uint8_t ecgd_model_data[] = {",
        *rows,
        "};",
        "",
    ]
    return "\n".join(lines).encode()


def choose_arena(request: Request, library: TflmLibrary | None) -> ArenaChoice:
    """The arena's size: as asked, else measured with the library's kernels, else estimated with a margin.

    Raises
    ------
    ModelError
        TFLM refuses the model.
    BuildError
        Neither the emulator nor TFLM's wheel is here to find out.
    """
    asked = request.options.get("arena_bytes")
    if asked:
        return ArenaChoice(-(-int(asked) // 16) * 16, "asked")
    if library is not None and can_measure(request.board.core):
        files = {f"generated/{name}": data for name, data in generated_files(request.model, 16, True).items()}
        embedded = sha256_bytes(request.model.data)
        size = measured_arena(embedded, request.board.core, library, files, definitions(library))
        return ArenaChoice(size, "measured")
    return ArenaChoice(estimated_arena(request.model).with_margin, "estimated")


def estimated_arena(model: Model) -> Arena:
    """Arena from TFLM's wheel on this computer."""
    from ecgdeploy.projects.tflm_estimate import estimate

    return estimate(model.data, model.graph)


def library_files(library: TflmLibrary, operators: bytes) -> dict[str, bytes]:
    """What a project carries of TFLM: the archive, and every header that the wrapper reaches."""
    wrapper = firmware_files((), (WRAPPER,))[f"firmware/{WRAPPER}"]
    files = {f"tflm/include/{name}": data for name, data in header_closure(library, (wrapper, operators)).items()}
    files["tflm/lib/libtensorflow-microlite.a"] = library.archive.read_bytes()
    return files


def check_emulated(request: Request) -> None:  # noqa: ARG001
    """Refuse before anything is rendered when the C++ library is missing."""
    tools.require_libstdcxx()


def emulated_engine(request: Request) -> EnginePart:
    """The engine for the emulated Cortex-M board.

    Raises
    ------
    BuildError
        No TFLM tree, or one that does not fit the core.
    """
    folder = tflm_folder(request.options.get("tflm_dir"))
    if folder is None:
        raise BuildError(
            "engine tflm on an emulated board needs a TFLM library",
            f"--tflm-dir PATH or {VARIABLE}; {HELP}; or --engine static",
        )
    library = find_library(folder, request.board.core)
    request, folded = without_ballast(request)
    arena = choose_arena(request, library)
    generated = generated_files(request.model, arena.bytes, True)
    return EnginePart(
        generated=generated,
        kernel_sources=SOURCES,
        languages=("C", "CXX"),
        definitions=definitions(library),
        compile_flags=(
            *(flag for flag in WARNINGS if flag not in C_ONLY_WARNINGS),
            *(f"$<$<COMPILE_LANGUAGE:C>:{flag}>" for flag in C_ONLY_WARNINGS),
            *(f"$<$<COMPILE_LANGUAGE:CXX>:{flag}>" for flag in ("-std=gnu++17", *CXX_ONLY)),
            # TFLM's headers are not held to our warnings
            "$<$<COMPILE_LANGUAGE:CXX>:-isystem${CMAKE_SOURCE_DIR}/tflm/include>",
        ),
        libraries=("${CMAKE_SOURCE_DIR}/tflm/lib/libtensorflow-microlite.a",),
        link_flags=("--specs=nosys.specs",),
        external=library_files(library, generated["ecgd_tflm_operators.h"]),
        ram_bytes=arena.bytes,
        flash_bytes=len(request.model.data),
        facts={
            "arena_bytes": arena.bytes,
            "arena": arena.how,
            "operators": used_operators(request.model.graph),
            "tflm_archive_sha256": library.sha256,
            "cmsis_nn": library.cmsis_nn,
        }
        | folded,
    )


def render_emulated(request: Request) -> Project:
    """The CMake project of the emulated board with engine ``tflm``."""
    return render_with(request, emulated_engine(request))
