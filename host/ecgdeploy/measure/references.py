"""What the host says of the same windows: the golden bytes, and LiteRT's float32 and int8 answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.errors import ModelError

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Golden:
    """The bytes the device has to reproduce.

    Attributes
    ----------
    outputs : one array [n, ...] per model output, stored values.
    source : what computed them, for the table.
    """

    outputs: list[np.ndarray]
    source: str


def golden(model: Path, inputs: list[np.ndarray], progress: Progress | None = None) -> Golden:
    """Outputs of TFLM's own kernels, or of the host build of the generated C where TFLM's wheel is absent.

    Parameters
    ----------
    model : an int8, int16 or float32 .tflite file.
    inputs : one array [n, *tensor shape without batch] per model input, stored values.
    """
    from importlib.util import find_spec

    if find_spec("tflite_micro") is not None:
        from importlib.metadata import version

        from ecgdeploy.graph import read_tflite
        from ecgdeploy.reference import golden_reference

        data = model.read_bytes()
        reference, name = golden_reference(data, read_tflite(data, supported=False))
        kernels = name.replace("TFLM", "TFLM kernels", 1)
        if name != "LiteRT":
            kernels += f" (tflite-micro {version('tflite-micro')})"
        return Golden(_run_all(reference.run, inputs, progress), kernels)
    from ecgdeploy.codegen.host import HostEngine
    from ecgdeploy.graph import read_tflite

    return Golden(_run_all(HostEngine(read_tflite(model)).run, inputs, progress),
                  "host build of the generated C (the tflite-micro wheel is not installed)")


REFERENCE_KERNELS = "LiteRT reference kernels (BUILTIN_REF)"
DELEGATE = "LiteRT XNNPACK"
BUILTIN = "LiteRT built-in kernels"


def litert(model: Path, source: str = DELEGATE) -> tuple[Any, str]:
    """An interpreter of LiteRT, and what computes in it: XNNPACK refuses some int8 files that the built-in kernels run.

    Raises
    ------
    ModelError
        LiteRT does not load the file.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kinds = {DELEGATE: OpResolverType.AUTO, BUILTIN: OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}
    kinds = {REFERENCE_KERNELS: OpResolverType.BUILTIN_REF} if source == REFERENCE_KERNELS else kinds
    for name, kind in kinds.items():
        try:
            made = Interpreter(model_path=str(model), num_threads=1, experimental_op_resolver_type=kind)
            made.allocate_tensors()
            return made, name
        except (ValueError, RuntimeError) as error:
            failure = error
    raise ModelError(f"{model.name}: LiteRT cannot load it: {str(failure).splitlines()[0]}",
                     "the file may be damaged; convert the model again") from failure


def litert_stored(model: Path, inputs: list[np.ndarray], source: str) -> Golden:
    """Stored outputs of LiteRT on this computer: its reference kernels, or its default (XNNPACK).

    Parameters
    ----------
    model : a .tflite file.
    inputs : one array [n, *tensor shape without batch] per model input, stored values.
    source : `REFERENCE_KERNELS` or `DELEGATE` (then `BUILTIN` where that refuses the file).
    """
    from importlib.metadata import version

    interpreter, source = litert(model, source)
    ins, outs = interpreter.get_input_details(), interpreter.get_output_details()

    def run(values: list[np.ndarray]) -> list[np.ndarray]:
        for detail, tensor in zip(ins, values, strict=True):
            interpreter.set_tensor(detail["index"], tensor.reshape(detail["shape"]))
        interpreter.invoke()
        return [interpreter.get_tensor(detail["index"]) for detail in outs]

    return Golden(_run_all(run, inputs, None), f"{source} {version('ai-edge-litert')} on this computer")


@dataclass(frozen=True)
class Agreement:
    """How far a device's stored outputs are from another runtime's.

    Attributes
    ----------
    source : what computed the other outputs.
    windows, identical : windows compared, and those with every value the same.
    values, differing : values compared, and those that differ.
    largest : largest difference, in stored units (1 is one quantization step of an int8 model).
    same_class : share of windows with the same largest output, over all outputs taken together.
    """

    source: str
    windows: int
    identical: int
    values: int
    differing: int
    largest: float
    same_class: float


LITERT_STEPS = 1.0
"""LiteRT on two kinds of processor: at most one quantization step apart (measured: 1 on every model tried)."""
LITERT_FLOAT = 1e-5


def repeats_litert(outputs: list[np.ndarray], other: Golden) -> bool:
    """Whether stored outputs are LiteRT's up to what its kernels for two kinds of processor differ by."""
    return all(
        np.allclose(ours.reshape(len(ours), -1), theirs.reshape(len(theirs), -1), rtol=LITERT_FLOAT, atol=LITERT_FLOAT)
        if np.issubdtype(ours.dtype, np.floating)
        else np.abs(ours.astype(np.int64).reshape(len(ours), -1) - theirs.reshape(len(theirs), -1)).max(initial=0)
        <= LITERT_STEPS
        for ours, theirs in zip(outputs, other.outputs, strict=True)
    )


def agreement(outputs: list[np.ndarray], other: Golden) -> Agreement:
    """Compare stored outputs, one array [n, ...] per model output."""
    ours = np.concatenate([o.reshape(len(o), -1).astype(np.float64) for o in outputs], axis=1)
    theirs = np.concatenate([o.reshape(len(o), -1).astype(np.float64) for o in other.outputs], axis=1)
    differing = ours != theirs
    return Agreement(
        source=other.source,
        windows=len(ours),
        identical=int((~differing).all(axis=1).sum()),
        values=ours.size,
        differing=int(differing.sum()),
        largest=float(np.abs(ours - theirs).max(initial=0.0)),
        same_class=float(np.mean(ours.argmax(axis=1) == theirs.argmax(axis=1))) if len(ours) else float("nan"),
    )


def _run_all(run: Callable, inputs: list[np.ndarray], progress: Progress | None) -> list[np.ndarray]:
    """Call `run` window by window and stack its outputs."""
    rows: list[list[np.ndarray]] = []
    total = len(inputs[0])
    for index in range(total):
        rows.append([np.array(output) for output in run([tensor[index : index + 1] for tensor in inputs])])
        if progress and index % 64 == 0:
            progress(index, total)
    return [np.concatenate([row[k].reshape(1, -1) for row in rows]) for k in range(len(rows[0]))]


@dataclass(frozen=True)
class LiteRt:
    """LiteRT on the host (XNNPACK, its default, where that takes the file), real values in and out."""

    path: Path

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Real inputs [n, ...] to real outputs [n, size], in the order of the model's output tensors."""
        from ecgdeploy.measure.model import litert_coding, paired

        interpreter, _ = litert(self.path)
        ins, outs = interpreter.get_input_details(), interpreter.get_output_details()
        codings_in, codings_out = [litert_coding(d) for d in ins], [litert_coding(d) for d in outs]
        arrays = paired(codings_in, inputs)
        stored = [coding.encode(values) for coding, values in zip(codings_in, arrays, strict=True)]
        results: list[list[np.ndarray]] = [[] for _ in outs]
        for index in range(len(inputs[0])):
            for detail, tensor in zip(ins, stored, strict=True):
                interpreter.set_tensor(detail["index"], tensor[index].reshape(detail["shape"]))
            interpreter.invoke()
            for k, detail in enumerate(outs):
                results[k].append(codings_out[k].decode(interpreter.get_tensor(detail["index"]).reshape(1, -1)))
        return [np.concatenate(rows) for rows in results]
