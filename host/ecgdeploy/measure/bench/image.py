"""Build the bench image of a generated engine, run it in QEMU, read what it measured."""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ecgdeploy.codegen import GeneratedEngine
from ecgdeploy.errors import BuildError, DeviceError
from ecgdeploy.graph import Graph, total_macs
from ecgdeploy.resources import assets
from ecgdeploy.toolchains.linkmap import measure, parse_map, weight_bytes

CORE = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")
# as in projects: -O2 and builtins, sections that the linker can drop
COMPILE = (
    "-std=c11",
    "-O2",
    "-ffp-contract=off",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-common",
    "-masm-syntax-unified",
)
LINK = ("-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments")
FLASH_BYTES, RAM_BYTES, STACK_BYTES = 4 << 20, 4 << 20, 64 << 10
# at shift S one instruction is 2^S ns of virtual time; the 25 MHz timer ticks every 40 ns and wraps after 2^32 ticks
ICOUNT_SHIFT, ICOUNT_SHIFT_LONG = 7, 4
MACS_LONG = 400_000_000  # more in an inference, and the counter could wrap at the finer shift
ELF = "image.elf"
JOB_ADDRESS = 0x21000000
JOB_BYTES = 8 << 20
MAX_STAGES = 512
TIMEOUT_S = 600


@dataclass(frozen=True)
class BenchRun:
    """One run of the bench image.

    Attributes
    ----------
    outputs : per inference, one array per model output
    instructions : per inference
    stack_bytes : high-water mark of the stack, from its top
    data_bytes, bss_bytes : static memory (the arena is part of .bss)
    flash_by_part : bytes of the image by part; "harness" is not the engine's
    stages : stage -> instructions of one inference (profiled runs)
    weights : stage -> bytes of its weights in the linker's map
    """

    outputs: list[list[np.ndarray]]
    instructions: list[int]
    stack_bytes: int
    data_bytes: int
    bss_bytes: int
    flash_by_part: dict[str, int]
    stages: dict[int, int] = field(default_factory=dict)
    weights: dict[int, int] = field(default_factory=dict)

    @property
    def ram_bytes(self) -> int:
        """.data, .bss (arena included) and the stack's high-water mark."""
        return self.data_bytes + self.bss_bytes + self.stack_bytes

    @property
    def flash_bytes(self) -> int:
        """The image without the harness."""
        return sum(size for part, size in self.flash_by_part.items() if part != "harness")


def _tool(name: str, package: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise BuildError(f"{name} is not installed", f"apt-get install {package}")
    return path


def _part(origin: str) -> str:
    name = origin.rsplit("/", 1)[-1].removeprefix(f"{ELF}-")
    if name.startswith("bench"):
        return "harness"
    if "ecgd_model" in name:
        return "model"
    if "ecgd_" in name:
        return "kernels"
    return "libc" if name else "padding"


def run_on_board(
    graph: Graph,
    engine: GeneratedEngine,
    inputs: Sequence[Sequence[np.ndarray]],
    *,
    piece: int = 0,
    profile: bool = False,
) -> BenchRun:
    """Build, run and read back.

    Parameters
    ----------
    inputs : per inference, one array per model input
    piece : bytes fed at a time; 0 feeds everything at once
    profile : count instructions per stage of the first inference too (the totals then include the counting)

    Raises
    ------
    BuildError
        A tool is missing, or the C does not compile.
    DeviceError
        QEMU failed, or the firmware faulted.
    """
    jobs = [b"".join(np.ascontiguousarray(a).tobytes() for a in one) for one in inputs]
    batch = max(1, JOB_BYTES // max(len(jobs[0]) + sum(graph.tensors[i].bytes for i in graph.outputs) + 4, 1))
    with tempfile.TemporaryDirectory(prefix="ecgd_bench_") as name:
        folder = Path(name)
        sizes = _build(engine, folder, profile)
        merged: BenchRun | None = None
        for start in range(0, len(jobs), batch):
            run = _run(graph, folder, jobs[start : start + batch], piece, profile, sizes)
            if merged is None:
                merged = run
            else:
                merged.outputs.extend(run.outputs)
                merged.instructions.extend(run.instructions)
    assert merged is not None
    return merged


@dataclass(frozen=True)
class _Sizes:
    data: int
    bss: int
    flash_by_part: dict[str, int]
    weights: dict[int, int]


def _build(engine: GeneratedEngine, folder: Path, profile: bool) -> _Sizes:
    compiler = _tool("arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi")
    firmware = assets() / "firmware"
    sources = [str(firmware / "bench" / "bench.c"), *(str(firmware / s) for s in engine.kernel_sources)]
    for file, text in engine.files.items():
        (folder / file).write_text(text)
        if file.endswith(".c"):
            sources.append(str(folder / file))
    elf, map_file = folder / ELF, folder / "bench.map"
    limits = {"FLASH": FLASH_BYTES, "RAM": RAM_BYTES, "STACK": STACK_BYTES}
    command = [
        compiler, *CORE, *COMPILE, *LINK, *(f"-I{firmware / i}" for i in engine.include_folders), f"-I{folder}",
        *(["-DECGD_PROFILE"] if profile else []), "-T", str(firmware / "port/mps2/mps2.ld"),
        *(f"-Wl,--defsym=ECGD_{k}_BYTES={v}" for k, v in limits.items()), f"-Wl,-Map={map_file}", *sources,
        "-o", str(elf),
    ]  # fmt: skip
    # objects keep their sources' names in the map only when they are kept
    done = subprocess.run([*command, "-save-temps=obj"], capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[:300])
        raise BuildError(f"the bench image does not build: {first}", "report this with the model file")
    parsed = parse_map(map_file.read_text())
    found = measure(
        parsed, range(0, FLASH_BYTES), range(0x20000000, 0x20000000 + RAM_BYTES), lambda piece: _part(piece.origin)
    )
    return _Sizes(
        found.ram_by_section.get(".data", 0),
        found.ram_by_section.get(".bss", 0),
        found.flash_by_part,
        weight_bytes(parsed),
    )


def _run(graph: Graph, folder: Path, jobs: list[bytes], piece: int, profile: bool, sizes: _Sizes) -> BenchRun:
    qemu = _tool("qemu-system-arm", "qemu-system-arm")
    shift = ICOUNT_SHIFT_LONG if total_macs(graph) > MACS_LONG else ICOUNT_SHIFT
    (folder / "job.bin").write_bytes(struct.pack("<3I", len(jobs), len(jobs[0]), piece) + b"".join(jobs))
    command = [
        qemu, "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none",
        "-semihosting-config", "enable=on,target=native", "-icount", f"shift={shift}",
        "-kernel", ELF, "-device", f"loader,file=job.bin,addr={JOB_ADDRESS:#x},force-raw=on",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"the emulated board did not finish in {TIMEOUT_S} s", "try fewer inputs") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise DeviceError(f"the emulated board ended with code {done.returncode}: {said[-1] if said else 'no message'}")
    raw = (folder / "bench.out").read_bytes()
    count, stack, empty, _arena = struct.unpack_from("<4I", raw)
    at, outputs, instructions = 16, [], []
    tensors = [graph.tensors[i] for i in graph.outputs]
    for _ in range(count):
        (ticks,) = struct.unpack_from("<I", raw, at)
        at += 4
        instructions.append(_instructions(ticks - empty, shift))
        arrays = []
        for tensor in tensors:
            arrays.append(np.frombuffer(raw, tensor.dtype, tensor.elements, at).reshape(tensor.shape))
            at += tensor.bytes
        outputs.append(arrays)
    stages = {}
    if profile:
        words = struct.unpack_from(f"<{MAX_STAGES}I", raw, at)
        stages = {i: _instructions(w, shift) for i, w in enumerate(words) if w}
    return BenchRun(outputs, instructions, stack, sizes.data, sizes.bss, sizes.flash_by_part, stages, sizes.weights)


def _instructions(ticks: int, shift: int) -> int:
    return round(ticks * 40 / (1 << shift))
