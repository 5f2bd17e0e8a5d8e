"""The folder that goes onto a Linux board: program, golden vectors, manifest, and the sums of every file.

It needs no package manager, no Python and no network on the board.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ecgdeploy.graph import Graph
from ecgdeploy.projects.types import Project, Request

BUNDLE = "bundle"
PROGRAM = "firmware"
GOLDEN = "golden.json"
GOLDEN_BINARY = "golden.bin"  # the same, for the program's own self-test
GOLDEN_MAGIC = b"ECGDGLD1"
SUMS = "SHA256SUMS"
SERVICE_FILES = ("ecgdeploy.service", "ecgdeploy-rollback.service", "rollback.sh")
SERVICE_BASE = "/opt/ecgdeploy"  # where releases lie on a board that serves one as a systemd service
GOLDEN_WINDOWS = 4
GOLDEN_SEED = 20260101

Run = Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]


def write_bundle(
    request: Request, project: Project, folder: Path, program: Path, run: Run, steps: float, tolerance: float
) -> Path:
    """Complete ``bundle/`` of a built project.

    Parameters
    ----------
    folder : Path
        The project's.
    program : Path
        The executable that was built.
    run : callable
        Computes the golden outputs on this computer, from and to arrays of the model's own types.
    steps, tolerance : float
        How far the board's outputs may be from them: in quantization steps, and for float outputs.

    Returns
    -------
    Path
        The program in the bundle.
    """
    bundle = folder / BUNDLE
    bundle.mkdir(exist_ok=True)
    placed = bundle / PROGRAM
    shutil.copy2(program, placed)
    windows = golden_windows(request.model.graph, run)
    golden = {"steps": steps, "tolerance": tolerance, "windows": windows}
    (bundle / GOLDEN).write_text(json.dumps(golden, sort_keys=True) + "\n")
    (bundle / GOLDEN_BINARY).write_bytes(golden_binary(windows, steps, tolerance))
    linux = request.board.linux
    manifest = {
        "schema": 1,
        "board": request.board.name,
        "model_match": linux.model_match if linux else "",
        "architecture": request.board.core.arch,
        "isa": linux.isa if linux else None,
        "engine": request.engine,
        "build_id": project.build_id,
        "model_sha256": request.model.sha256,
        **{key: value for key, value in project.facts["engine"].items() if not isinstance(value, (dict, list, tuple))},
        "least_glibc": least_glibc(path.read_bytes() for path in bundle.iterdir()),
    }
    (bundle / "manifest.json").write_text(json.dumps(manifest, sort_keys=True, indent=2) + "\n")
    names = sorted(path.name for path in bundle.iterdir() if path.name != SUMS)
    sums = [f"{hashlib.sha256((bundle / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (bundle / SUMS).write_text("".join(sums))
    return placed


def golden_binary(windows: Sequence[Mapping[str, Sequence[str]]], steps: float, tolerance: float) -> bytes:
    """``golden.bin`` as ``firmware/port/linux/golden.c`` reads it: header, windows (inputs, outputs), CRC-32."""
    rows = [[bytes.fromhex("".join(window[key])) for key in ("inputs", "outputs")] for window in windows]
    sizes = [len(part) for part in rows[0]]
    header = GOLDEN_MAGIC + struct.pack("<3I2f", len(rows), *sizes, steps, tolerance)
    data = header + b"".join(part for row in rows for part in row)
    return data + struct.pack("<I", zlib.crc32(data))


def least_glibc(files: Iterable[bytes]) -> str:
    """The newest version of the C library that any of the ELF `files` asks for, such as ``2.34``.

    The tag of a wheel does not tell: LiteRT's says 2.27.
    """
    asked = {
        tuple(map(int, version.split(b".")))
        for data in files
        if data.startswith(b"\x7fELF")
        for version in re.findall(rb"\0GLIBC_([0-9]+\.[0-9]+)(?=[.\0])", data)
    }
    return ".".join(map(str, max(asked, default=(2, 0))))


def golden_windows(graph: Graph, run: Run) -> list[dict[str, list[str]]]:
    """Random inputs and what `run` says of them: bytes in hexadecimal, and the outputs' element types."""
    rng = np.random.default_rng(GOLDEN_SEED)
    tensors = [graph.tensor(index) for index in graph.inputs]
    windows = []
    for _ in range(GOLDEN_WINDOWS):
        inputs = []
        for tensor in tensors:
            shape = tuple(max(1, size) for size in tensor.shape)
            if tensor.dtype == "float32":
                inputs.append(rng.standard_normal(shape).astype(np.float32))
            else:
                limits = np.iinfo(tensor.dtype)
                inputs.append(rng.integers(limits.min, limits.max, shape, endpoint=True).astype(tensor.dtype))
        outputs = run(inputs)
        windows.append({
            "inputs": [array.tobytes().hex() for array in inputs],
            "outputs": [np.ascontiguousarray(array).tobytes().hex() for array in outputs],
            "dtypes": [str(np.asarray(array).dtype) for array in outputs],
        })
    return windows
