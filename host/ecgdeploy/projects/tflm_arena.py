"""The smallest arena with the target's own kernels: measured on the emulated board, once for each model and library."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from ecgdeploy.boards import Core
from ecgdeploy.errors import BuildError
from ecgdeploy.projects.sources import firmware_files
from ecgdeploy.projects.tflm_library import TflmLibrary
from ecgdeploy.provenance import canonical_json, sha256_bytes, write_atomic

MACHINES = {"cortex-m4": "mps2-an386", "cortex-m7": "mps2-an500", "cortex-m3": "mps2-an385"}
MEMORY_BYTES = 4 << 20
STACK_BYTES = 64 << 10
ARENA_BYTES = 3 << 20
SECONDS = 120
TOOLS = ("arm-none-eabi-g++", "qemu-system-arm")
CXX_FLAGS = ("-std=gnu++17", "-fno-rtti", "-fno-exceptions", "-fno-threadsafe-statics")
PROBE = "engine/tflm/ecgd_arena_probe.cpp"


def can_measure(core: Core) -> bool:
    """Whether the emulator and the compiler for this core are here."""
    return core.cpu in MACHINES and all(shutil.which(tool) for tool in TOOLS)


def cache_folder() -> Path:
    """Where measured arenas are kept."""
    return Path(os.environ.get("ECGDEPLOY_CACHE_DIR") or Path.home() / ".cache" / "ecgdeploy") / "arena"


def measured_arena(
    model_sha256: str, core: Core, library: TflmLibrary, files: dict[str, bytes], definitions: tuple[str, ...]
) -> int:
    """Bytes of the smallest arena in which AllocateTensors succeeds.

    Parameters
    ----------
    model_sha256 : str
        Of the model.
    core : Core
        What the library was compiled for.
    library : TflmLibrary
    files : dict of str to bytes
        The generated engine files (model, operators); their configuration is replaced by the probe's.
    definitions : tuple of str
        What the library was compiled with.

    Raises
    ------
    BuildError
        The probe did not compile, or TFLM refuses the model.
    """
    probe = firmware_files(("include", "port/mps2"), (PROBE,))
    for other in ("port.c", "uart.c"):  # the probe has its own main and no link
        del probe[f"firmware/port/mps2/{other}"]
    key = sha256_bytes(
        canonical_json(
            {
                "model": model_sha256,
                "library": library.sha256,
                "flags": [*core.compile_flags, *definitions],
                "files": {
                    name: sha256_bytes(data) for name, data in {**files, **probe}.items() if "config" not in name
                },
            }
        ).encode()
    )
    kept = cache_folder() / key
    if kept.is_file():
        return int(kept.read_text())
    size = _run(core, library, {**files, **probe}, definitions)
    with contextlib.suppress(OSError):  # a home that cannot be written: it is measured again
        write_atomic(kept, f"{size}\n")
    return size


def _run(core: Core, library: TflmLibrary, files: dict[str, bytes], definitions: tuple[str, ...]) -> int:
    with tempfile.TemporaryDirectory(prefix="ecgdeploy-arena-") as name:
        folder = Path(name)
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        for config in folder.rglob("ecgd_tflm_config.h"):
            text = config.read_text().splitlines()
            changed = [
                f"#define ECGD_TFLM_ARENA_BYTES {ARENA_BYTES}u" if "ARENA_BYTES" in line else line for line in text
            ]
            config.write_text("\n".join(changed) + "\n")
        elf = folder / "probe.elf"
        _compile(core, library, folder, [*(path for path in files if path.endswith((".c", ".cpp")))], definitions, elf)
        command = ["qemu-system-arm", "-M", MACHINES[core.cpu], "-display", "none", "-monitor", "none",
                   "-serial", "null",
                   "-semihosting-config", "enable=on,target=native", "-kernel", str(elf)]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            raise BuildError(
                f"the arena probe did not end within {SECONDS} s", "give the size: --arena-bytes N"
            ) from None
    if done.returncode or not done.stdout.strip().isdigit():
        raise BuildError(
            f"TFLM could not allocate this model's tensors in {ARENA_BYTES:,} bytes on the emulated board",
            "ecgdeploy preflight names what does not fit; or give the size: --arena-bytes N",
        )
    return int(done.stdout)


def _compile(
    core: Core, library: TflmLibrary, folder: Path, sources: list[str], definitions: tuple[str, ...], elf: Path
) -> None:
    common = [*core.compile_flags, "-O1", "-w", "-ffunction-sections", "-fdata-sections"]
    common += [f"-D{item}" for item in definitions]
    common += [f"-I{path}" for path in sorted({str((folder / name).parent) for name in sources})]
    common += [f"-I{folder / 'firmware/include'}", *(f"-I{path}" for path in library.includes)]
    objects = []
    for name in sources:
        target = folder / (name.replace("/", "_") + ".o")
        cxx = name.endswith(".cpp")
        words = ["arm-none-eabi-g++" if cxx else "arm-none-eabi-gcc", *common, *(CXX_FLAGS if cxx else ())]
        _tool([*words, "-c", str(folder / name), "-o", str(target)])
        objects.append(str(target))
    sizes = {"FLASH": MEMORY_BYTES, "RAM": MEMORY_BYTES, "STACK": STACK_BYTES}
    _tool(
        ["arm-none-eabi-g++", *core.compile_flags, "-nostartfiles", "--specs=nano.specs", "--specs=nosys.specs",
         "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments", f"-T{folder / 'firmware/port/mps2/mps2.ld'}",
         *(f"-Wl,--defsym=ECGD_{key}_BYTES={value}" for key, value in sizes.items()),
         *objects, str(library.archive), "-o", str(elf)]
    )  # fmt: skip


def _tool(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "error" in line or "undefined" in line]
        first = (errors or done.stderr.splitlines() or ["no output"])[0].strip()
        raise BuildError(
            f"the arena probe did not compile: {first[:300]}",
            "does the TFLM tree belong to its archive?",
        )
