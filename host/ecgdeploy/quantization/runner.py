"""Running a ``.tflite`` on the host: inputs quantized and outputs dequantized with the file's own scales."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ecgdeploy.errors import ModelError


def quantize(x: np.ndarray, scale: float, zero_point: int, dtype: Any) -> np.ndarray:
    """Integers nearest to x / scale + zero_point, saturated to `dtype`."""
    limits = np.iinfo(dtype)
    return np.clip(np.round(x / scale) + zero_point, limits.min, limits.max).astype(dtype)


class TfliteRunner:
    """LiteRT interpreter for one file, one window at a time.

    Parameters
    ----------
    content : bytes
        The file; outputs are concatenated in the order of its signature, which is the Keras model's.
    reference : bool
        LiteRT's reference kernels instead of the optimized ones with XNNPACK.
    """

    def __init__(self, content: bytes, *, reference: bool = False, threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        kind = OpResolverType.BUILTIN_REF if reference else OpResolverType.AUTO
        try:
            self.interpreter = self._make(Interpreter, content, kind, threads)
        except (RuntimeError, ValueError):
            # XNNPACK refuses some int8 graphs that the built-in kernels run
            kind = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            try:
                self.interpreter = self._make(Interpreter, content, kind, threads)
            except (RuntimeError, ValueError) as error:
                raise ModelError(f"LiteRT does not run this file: {str(error)[:120]}", "convert it again") from error
        #: largest first: the signal, then age and sex where the model takes them
        self.inputs = sorted(self.interpreter.get_input_details(), key=lambda d: -int(np.prod(d["shape"])))
        self.input = self.inputs[0]
        self.outputs = self._ordered_outputs()

    @staticmethod
    def _make(interpreter: Any, content: bytes, kind: Any, threads: int) -> Any:
        made = interpreter(model_content=content, experimental_op_resolver_type=kind, num_threads=threads)
        made.allocate_tensors()
        return made

    def _ordered_outputs(self) -> list[dict[str, Any]]:
        details = {d["index"]: d for d in self.interpreter.get_output_details()}
        signatures = self.interpreter.get_signature_list()
        if len(details) == 1 or not signatures:
            return list(details.values())
        runner = self.interpreter.get_signature_runner(next(iter(signatures)))
        named = runner.get_output_details()
        return [details[named[name]["index"]] for name in sorted(named)]

    @property
    def outputs_width(self) -> int:
        """Values of all outputs together."""
        return int(sum(d["shape"][-1] for d in self.outputs))

    def to_input(self, window: np.ndarray, place: int = 0) -> np.ndarray:
        """The tensor that the file takes for one float32 window [samples, leads], or for another input's values."""
        detail = self.inputs[place]
        x = np.asarray(window, np.float32).reshape(detail["shape"])
        if detail["dtype"] == np.float32:
            return x
        scale, zero_point = detail["quantization"]
        return quantize(x, scale, zero_point, detail["dtype"])

    def one(self, window: np.ndarray, tensor: np.ndarray | None = None) -> np.ndarray:
        """Outputs [classes], float32, of one window; `tensor` overrides the input made from it."""
        return self._answer([self.to_input(window) if tensor is None else tensor])

    def _answer(self, tensors: list[np.ndarray]) -> np.ndarray:
        for detail, tensor in zip(self.inputs, tensors, strict=True):
            self.interpreter.set_tensor(detail["index"], tensor)
        self.interpreter.invoke()
        parts = []
        for detail in self.outputs:
            value = self.interpreter.get_tensor(detail["index"])[0]
            if detail["dtype"] != np.float32:
                scale, zero_point = detail["quantization"]
                value = (value.astype(np.float32) - zero_point) * np.float32(scale)
            parts.append(value)
        return np.concatenate(parts)

    def timed(self, windows: Any) -> tuple[np.ndarray, np.ndarray]:
        """`run`, and the seconds that each invocation took: [n, classes] and float64 [n]."""
        arrays = windows if isinstance(windows, tuple) else (windows,)
        out = np.empty((len(arrays[0]), self.outputs_width), np.float32)
        seconds = np.empty(len(out))
        for index in range(len(out)):
            tensors = [self.to_input(array[index], place) for place, array in enumerate(arrays)]
            start = time.perf_counter()
            out[index] = self._answer(tensors)
            seconds[index] = time.perf_counter() - start
        return out, seconds

    def run(self, windows: Any) -> np.ndarray:
        """Outputs [n, classes], float32, of windows [n, samples, leads]; or of a tuple, as `View.arrays` gives."""
        return self.timed(windows)[0]
