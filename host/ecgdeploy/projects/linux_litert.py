"""A Linux board with engine ``litert``: a bundle of a small program, LiteRT's shared library and the model.

The bundle needs no package manager, no Python and no network on the board. The program speaks the project's protocol
and loads the library and the model that lie beside it; it refuses a model that is not, bit for bit, the one it was
built for.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from ecgdeploy.errors import ModelError, UsageError
from ecgdeploy.graph.types import ITEM_BYTES, Tensor
from ecgdeploy.projects.bundle import BUNDLE, write_bundle
from ecgdeploy.projects.linux import FOLDERS, SYSROOT, compile_program, render_with
from ecgdeploy.projects.registry import Image
from ecgdeploy.projects.sources import firmware_files
from ecgdeploy.projects.types import Project, Request
from ecgdeploy.reference import LiteRtReference
from ecgdeploy.toolchains.litert_wheel import LEAST_GLIBC, LIBRARY_SHA256, VERSION, litert_library

ROOT = "emulated_root"
DTYPES = {"int8": "ECGD_INT8", "int16": "ECGD_INT16", "float32": "ECGD_FLOAT32", "uint8": "ECGD_UINT8",
          "int32": "ECGD_INT32"}  # fmt: skip
KERNELS = ("delegate", "builtin")
# LiteRT looks at it, and crashes on this computer's own
CPUINFO = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd03
CPU revision\t: 4

"""


def render(request: Request) -> Project:
    """The project: program, library, model, and the root the emulator shows the program.

    Raises
    ------
    BuildError
        The cross compiler is missing, or LiteRT's library cannot be had.
    ModelError
        The model has tensors that the link does not carry.
    """
    kernels = str(request.options.get("kernels", KERNELS[0]))
    if kernels not in KERNELS:
        raise UsageError(f"LiteRT has no kernels '{kernels}'", f"choose one of {', '.join(KERNELS)}")
    if kernels == KERNELS[0]:
        try:
            LiteRtReference(request.model.data)
        except ModelError as error:  # its built-in kernels for Arm were up to 37 steps off on such a file
            raise ModelError(f"{request.model.name}: {error.message}", "choose --engine static") from error
    runtime = litert_library()
    files = firmware_files((*FOLDERS, "engine/litert"))
    files["generated/ecgd_litert_model.h"] = _header(request, kernels).encode()
    files |= {
        f"{BUNDLE}/libLiteRt.so": runtime.library,
        f"{BUNDLE}/LICENSE.LiteRT": runtime.licence,
        f"{BUNDLE}/model.tflite": request.model.data,
        f"{ROOT}/proc/cpuinfo": CPUINFO.encode(),
    }
    engine = {
        "runtime": f"LiteRT {VERSION}",
        "library_sha256": LIBRARY_SHA256,
        "kernels": kernels,
        "least_glibc": LEAST_GLIBC,
    }
    return render_with(request, files, engine, f"{{folder}}/{ROOT}")


def build(request: Request, project: Project, folder: Path) -> Image:
    """Compile the program, then put it into the bundle with a manifest and the sums of all files."""
    image = compile_program(folder)
    root = folder / ROOT
    library = root / "lib"
    library.unlink(missing_ok=True)
    library.symlink_to(Path(SYSROOT) / "lib")
    assert image.elf is not None
    reference = LiteRtReference(request.model.data)
    # XNNPACK's kernels for two kinds of processor differ by at most one step
    program = write_bundle(request, project, folder, image.elf, reference.run, steps=1.0, tolerance=1e-5)
    return Image(program, image.sizes)


def _header(request: Request, kernels: str) -> str:
    model = request.model
    graph = model.graph
    inputs = [graph.tensor(index) for index in graph.inputs]
    outputs = [graph.tensor(index) for index in graph.outputs]
    digest = ", ".join(f"0x{byte:02x}" for byte in bytes.fromhex(model.sha256))
    aligned = sum(-(-_bytes(tensor) // 8) * 8 for tensor in outputs)
    options = f'kernel_mode = \\"{kernels}\\"\\nnum_threads = 1\\n'
    return "\n".join([
        f"/* What the program knows of the model '{model.name}': rendered by ecgdeploy. */",
        "#ifndef ECGD_LITERT_MODEL_H",
        "#define ECGD_LITERT_MODEL_H",
        "",
        '#include "ecgd_engine.h"',
        "",
        f"#define ECGD_LITERT_MODEL_BYTES {len(model.data)}u",
        f"#define ECGD_LITERT_MODEL_CRC32 0x{zlib.crc32(model.data):08x}u",
        f"#define ECGD_LITERT_MODEL_SHA256 {{{digest}}}",
        f"#define ECGD_LITERT_INPUTS {len(inputs)}u",
        f"#define ECGD_LITERT_OUTPUTS {len(outputs)}u",
        f"#define ECGD_LITERT_INPUT_BYTES {sum(map(_bytes, inputs))}u",
        f"#define ECGD_LITERT_OUTPUT_BYTES {aligned}u",
        f'#define ECGD_LITERT_CPU_OPTIONS "{options}"',
        "",
        *_table("input", inputs),
        *_table("output", outputs),
        "#endif",
        "",
    ])


def _table(kind: str, tensors: list[Tensor]) -> list[str]:
    rows = [f"static const ecgd_tensor_info_t ecgd_litert_{kind}s[] = {{"]
    for tensor in tensors:
        quantization = tensor.quantization
        scale = float(np.float32(quantization.scale)) if quantization else 0.0
        zero_point = quantization.zero_point if quantization else 0
        rows.append(f"    {{{DTYPES[tensor.dtype]}, {_bytes(tensor)}u, {scale.hex()}f, {zero_point}}},")
    indices = ", ".join(f"{tensor.index}u" for tensor in tensors)
    return [*rows, "};", f"static const uint32_t ecgd_litert_{kind}_tensors[] = {{{indices}}};", ""]


def _bytes(tensor: Tensor) -> int:
    if tensor.dtype not in DTYPES:
        raise ModelError(f"tensor '{tensor.name}' is {tensor.dtype}", f"the link carries {', '.join(DTYPES)}")
    return int(np.prod(np.maximum(tensor.shape, 1))) * ITEM_BYTES[tensor.dtype]
