"""The two interpreters that ecgdeploy compares against: TFLM's own (the golden one) and LiteRT.

No LiteRT mode gives TFLM's bytes everywhere, so "bit-exact" in this project means: identical to `TflmReference`.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.errors import BuildError, ModelError, UsageError
from ecgdeploy.graph import Graph
from ecgdeploy.graph.equivalent import for_tflm, runs_in_tflm

_ARENA_LIMIT = 1 << 28


@contextlib.contextmanager
def _captured_stderr() -> Iterator[list[str]]:
    """What native code writes to file descriptor 2, as lines, instead of on the user's terminal."""
    lines: list[str] = []
    saved = os.dup(2)
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            sink.seek(0)
            lines.extend(sink.read().decode("utf-8", "replace").splitlines())


def _model_bytes(model: bytes | Path | str) -> bytes:
    return bytes(model) if isinstance(model, (bytes, bytearray)) else Path(model).read_bytes()


class TflmReference:
    """TensorFlow Lite Micro's interpreter with its reference kernels, from the pinned ``tflite-micro`` wheel.

    Parameters
    ----------
    model : path or bytes of a ``.tflite`` file
    keep_tensors : bool
        Keep every intermediate tensor, so that `tensor` can read it after `run`.

    Raises
    ------
    BuildError
        The wheel is not installed.
    ModelError
        TFLM refuses the model; the message is TFLM's own.
    """

    def __init__(self, model: bytes | Path | str, *, keep_tensors: bool = False) -> None:
        try:
            from tflite_micro.python.tflite_micro import runtime
        except ImportError as error:
            raise BuildError("the tflite-micro wheel is not installed", "pip install 'ecgdeploy[golden]'") from error
        data = _model_bytes(model)
        mode = (
            runtime.InterpreterConfig.kPreserveAllTensors
            if keep_tensors
            else runtime.InterpreterConfig.kAllocationRecording
        )
        arena = max(len(data) * 10, 1 << 20) // 16 * 16  # TFLM counts from an aligned end
        while True:
            with _captured_stderr() as said:
                try:
                    self._interpreter = runtime.Interpreter.from_bytes(data, arena_size=arena, intrepreter_config=mode)
                except RuntimeError as error:
                    failure: RuntimeError | None = error
                else:
                    failure = None
            if failure is None:
                break
            if any(word in line for line in said for word in ("arena", "memory", "buffer")) and arena < _ARENA_LIMIT:
                arena *= 8
                continue
            detail = said[0].strip() if said else str(failure)
            raise ModelError(f"TFLM refuses the model: {detail}", "see `ecgdeploy preflight`") from failure
        self._inputs = _details(self._interpreter.get_input_details)
        self._outputs = _details(self._interpreter.get_output_details)

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """Shape, dtype and quantization of every input."""
        return self._inputs

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """Shape, dtype and quantization of every output."""
        return self._outputs

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """One inference from a clean state; arrays in and out in the model's element types.

        Raises
        ------
        UsageError
            Number, shape or element type of the inputs is not the model's.
        ModelError
            An operator failed.
        """
        _check_inputs(inputs, self._inputs)
        self._interpreter.reset()
        for index, value in enumerate(inputs):
            self._interpreter.set_input(np.ascontiguousarray(value), index)
        with _captured_stderr() as said:
            try:
                self._interpreter.invoke()
            except RuntimeError as error:
                failure: RuntimeError | None = error
            else:
                failure = None
        if failure is not None:
            raise ModelError(
                f"TFLM failed to run the model: {said[0] if said else failure}", "see `ecgdeploy preflight`"
            )
        return [np.array(self._interpreter.get_output(i)) for i in range(len(self._outputs))]

    def allocations(self) -> str:
        """TFLM's own account of its arena, as it prints it (needs ``keep_tensors=False``)."""
        with _captured_stderr() as said:
            self._interpreter.print_allocations()
        return "\n".join(said)

    def tensor(self, index: int) -> np.ndarray:
        """Tensor `index` of the file after `run` (needs ``keep_tensors=True``)."""
        return np.array(self._interpreter.GetTensor(index, 0)["tensor_data"])


def golden_reference(model: bytes | Path | str, graph: Graph) -> tuple[Any, str]:
    """The interpreter to hold a model (`graph` is what it reads as) against, and its name.

    TFLM; where the file has operators that it does not run rightly, TFLM on the file written anew without them
    (`ecgdeploy.graph.equivalent`); LiteRT, whose kernels round otherwise here and there, where that cannot be written.
    """
    if runs_in_tflm(graph):
        return TflmReference(model), "TFLM"
    rewritten = for_tflm(_model_bytes(model), lambda file, x: LiteRtReference(file, "reference").run([x])[0])
    if rewritten is not None:
        return TflmReference(rewritten), "TFLM, rewritten"
    stretched = any(o.kind == "SPACE_TO_BATCH_ND" for o in graph.operators)
    return LiteRtReference(model, "reference" if stretched else "no-delegate"), "LiteRT"


def _details(get: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with _captured_stderr():
        while True:
            try:
                found.append(get(len(found)))
            except (IndexError, ValueError, RuntimeError):
                return found


def _check_inputs(inputs: Sequence[np.ndarray], details: list[dict[str, Any]]) -> None:
    if len(inputs) != len(details):
        raise UsageError(f"{len(inputs)} inputs given, the model takes {len(details)}", "give one array per input")
    for index, (value, detail) in enumerate(zip(inputs, details, strict=True)):
        shape, dtype = tuple(int(v) for v in detail["shape"]), np.dtype(detail["dtype"])
        if tuple(value.shape) != shape or value.dtype != dtype:
            raise UsageError(
                f"input {index} is {value.dtype}{list(value.shape)}, the model takes {dtype}{list(shape)}",
                "quantize with the input's scale and zero point, and add the batch dimension",
            )


class LiteRtReference:
    """LiteRT's interpreter.

    Parameters
    ----------
    model : path or bytes
    mode : "default" (XNNPACK), "reference" (BUILTIN_REF) or "no-delegate"
    """

    MODES = ("default", "reference", "no-delegate")

    def __init__(self, model: bytes | Path | str, mode: str = "default", threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        resolvers = {
            "default": OpResolverType.AUTO,
            "reference": OpResolverType.BUILTIN_REF,
            "no-delegate": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        }
        if mode not in resolvers:
            raise UsageError(f"unknown LiteRT mode '{mode}'", f"known: {', '.join(self.MODES)}")
        with _captured_stderr() as said:
            try:
                self._interpreter = Interpreter(
                    model_content=_model_bytes(model),
                    num_threads=threads,
                    experimental_op_resolver_type=resolvers[mode],
                )
                self._interpreter.allocate_tensors()
            except (RuntimeError, ValueError) as error:
                failure: Exception | None = error
            else:
                failure = None
        if failure is not None:
            detail = next((line for line in said if not line.startswith("INFO:")), str(failure).splitlines()[0])
            raise ModelError(f"LiteRT ({mode}) refuses the model: {detail}", "try another mode") from failure
        self._inputs = self._interpreter.get_input_details()
        self._outputs = self._interpreter.get_output_details()

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """One inference; arrays in and out in the model's element types."""
        _check_inputs(inputs, self._inputs)
        for detail, value in zip(self._inputs, inputs, strict=True):
            self._interpreter.set_tensor(detail["index"], value)
        self._interpreter.invoke()
        return [np.array(self._interpreter.get_tensor(detail["index"])) for detail in self._outputs]
