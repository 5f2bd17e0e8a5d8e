"""The generated engine as a shared library on this machine: the C of the device, run by ctypes."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ecgdeploy.codegen import GeneratedEngine, generate
from ecgdeploy.errors import BuildError, UsageError
from ecgdeploy.graph import Graph
from ecgdeploy.provenance import sha256_bytes, write_atomic
from ecgdeploy.resources import assets

FLAGS = ("-std=c11", "-O2", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-fPIC", "-shared")
QUICK = (*(f for f in FLAGS if f != "-O2"), "-O0")  # for tests of many networks


def cache_folder() -> Path:
    """Where compiled engines are kept, by content."""
    root = os.environ.get("ECGDEPLOY_CACHE") or os.environ.get("XDG_CACHE_HOME")
    return Path(root or Path.home() / ".cache") / "ecgdeploy" / "host-engines"


def _writable_folder() -> Path:
    """The cache; where it cannot be written (a read-only home), a folder that lasts as long as this process."""
    folder = cache_folder()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    return Path(_passing_folder().name)


@functools.cache
def _passing_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="ecgdeploy-engines-")


def compile_host(engine: GeneratedEngine, flags: Sequence[str] = FLAGS) -> Path:
    """Compile `engine` into a shared library, or find it in the cache.

    Raises
    ------
    BuildError
        No compiler, or it refuses the source (the message is its first line).
    """
    compiler = shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")
    if compiler is None:
        raise BuildError("no C compiler on this machine", "install gcc")
    firmware = assets() / "firmware"
    includes = [f"-I{firmware / f}" for f in engine.include_folders]
    sources = [firmware / source for source in engine.kernel_sources]
    headers = sorted(h for folder in engine.include_folders for h in (firmware / folder).glob("*.h"))
    texts = [_identity(compiler), " ".join(flags).encode(), *(path.read_bytes() for path in (*sources, *headers))]
    # the kernels are the same for most models, and most of what there is to compile
    objects = ("-r", "-nostdlib", *(flag for flag in flags if flag != "-shared"))
    kernels = _compiled(texts, ".o", [compiler, *objects, *includes, *map(str, sources)], {})
    written = {name: text.encode() for name, text in engine.files.items()}
    return _compiled([*texts, *written.values()], ".so", [compiler, *flags, *includes, str(kernels)], written)


@functools.cache
def _identity(compiler: str) -> bytes:
    """Which compiler it is, and for what machine: a home may be shared by several."""
    asked = ("--version", "-dumpmachine")
    return b"".join(subprocess.run([compiler, word], capture_output=True, check=False).stdout for word in asked)


def _compiled(inputs: Sequence[bytes], suffix: str, command: Sequence[str], written: Mapping[str, bytes]) -> Path:
    """What `command` makes of its sources and of the C files of `written`, kept by the hash of `inputs`."""
    result = _writable_folder() / (sha256_bytes(b"\0".join(inputs))[:32] + suffix)
    if result.exists():
        return result
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in written.items():
            (folder / file).write_bytes(content)
        sources = [str(folder / file) for file in written if file.endswith(".c")]
        out = folder / f"engine{suffix}"
        done = subprocess.run(
            [*command, "-I", name, *sources, "-o", str(out)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[:200])
            raise BuildError(f"the generated engine does not compile: {first}", "report this with the model file")
        write_atomic(result, out.read_bytes())
    return result


class HostEngine:
    """The static engine of `graph`, compiled for this machine.

    Raises
    ------
    ModelError, BuildError
        As `generate` and `compile_host`.
    """

    def __init__(self, graph: Graph, engine: GeneratedEngine | None = None, flags: Sequence[str] = FLAGS) -> None:
        self.graph = graph
        self.engine = engine or generate(graph, "portable")
        # every instance has its own copy of the library's state
        source = compile_host(self.engine, flags)
        self._copy = tempfile.NamedTemporaryFile(prefix="ecgd_", suffix=".so")
        self._copy.write(source.read_bytes())
        self._copy.flush()
        library = ctypes.CDLL(self._copy.name)
        library.ecgd_engine_feed.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
        library.ecgd_engine_output.restype = ctypes.c_void_p
        library.ecgd_engine_output.argtypes = [ctypes.c_uint]
        self._library = library
        self._inputs = [graph.tensors[i] for i in graph.inputs]
        self._outputs = [graph.tensors[i] for i in graph.outputs]
        library.ecgd_engine_init()

    def run(self, inputs: Sequence[np.ndarray], piece: int | None = None) -> list[np.ndarray]:
        """One inference; arrays in and out in the model's element types.

        Parameters
        ----------
        inputs : one array per input, of its shape and element type
        piece : feed at most this many bytes at a time (default: all at once)

        Raises
        ------
        UsageError
            Number, size or element type of the inputs is not the model's.
        """
        if len(inputs) != len(self._inputs):
            raise UsageError(f"{len(inputs)} inputs given, the model takes {len(self._inputs)}")
        data = b""
        for tensor, value in zip(self._inputs, inputs, strict=True):
            if value.dtype != np.dtype(tensor.dtype) or value.size != tensor.elements:
                raise UsageError(f"input is {value.dtype}{list(value.shape)}, the model takes {tensor}")
            data += np.ascontiguousarray(value).tobytes()
        self._library.ecgd_engine_begin()
        step = piece or len(data)
        for start in range(0, len(data), step):
            part = data[start : start + step]
            status = self._library.ecgd_engine_feed(part, len(part))
            assert status == 0, f"feed: status {status}"
        status = self._library.ecgd_engine_finish()
        assert status == 0, f"finish: status {status}"
        results = []
        for number, tensor in enumerate(self._outputs):
            raw = ctypes.string_at(self._library.ecgd_engine_output(number), tensor.bytes)
            results.append(np.frombuffer(raw, tensor.dtype).reshape(tensor.shape))
        return results
