"""What the host says of the same windows: the golden bytes, and LiteRT's float32 and int8 answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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

        from ecgdeploy.reference import TflmReference

        return Golden(_run_all(TflmReference(model.read_bytes()).run, inputs, progress),
                      f"TFLM kernels (tflite-micro {version('tflite-micro')})")
    from ecgdeploy.codegen.host import HostEngine
    from ecgdeploy.graph import read_tflite

    return Golden(_run_all(HostEngine(read_tflite(model)).run, inputs, progress),
                  "host build of the generated C (the tflite-micro wheel is not installed)")


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
    """A LiteRT interpreter run on the host (XNNPACK, LiteRT's default), real values in and out."""

    path: Path

    def run(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """Real inputs [n, ...] to real outputs [n, size], in the order of the model's output tensors."""
        from ai_edge_litert.interpreter import Interpreter

        from ecgdeploy.measure.model import litert_coding

        try:
            interpreter = Interpreter(model_path=str(self.path), num_threads=1)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{self.path.name}: LiteRT cannot load it: {str(error).splitlines()[0]}",
                             "the file may be damaged; convert the model again") from error
        ins, outs = interpreter.get_input_details(), interpreter.get_output_details()
        codings_in, codings_out = [litert_coding(d) for d in ins], [litert_coding(d) for d in outs]
        stored = [coding.encode(values) for coding, values in zip(codings_in, inputs, strict=True)]
        results: list[list[np.ndarray]] = [[] for _ in outs]
        for index in range(len(inputs[0])):
            for detail, tensor in zip(ins, stored, strict=True):
                interpreter.set_tensor(detail["index"], tensor[index].reshape(detail["shape"]))
            interpreter.invoke()
            for k, detail in enumerate(outs):
                results[k].append(codings_out[k].decode(interpreter.get_tensor(detail["index"]).reshape(1, -1)))
        return [np.concatenate(rows) for rows in results]
