"""When a device's answer is not the reference's: which operator is the first to differ, and by how much.

The model is cut after an operator, so that the operator's output is the model's; device and reference run the cut model
on the same inputs. Bisection keeps two facts: cut before, they agree; cut behind, they do not. So the operator that is
named computes something else from equal inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgdeploy.boards import Board
from ecgdeploy.errors import ModelError, UsageError
from ecgdeploy.graph import read_tflite
from ecgdeploy.graph.inputs import random_inputs as random_inputs
from ecgdeploy.graph.rewrite import cut

Inputs = Sequence[np.ndarray]
# a model file -> a function from one inference's inputs to its outputs
Runner = Callable[[bytes], Callable[[Inputs], list[np.ndarray]]]
VALUES = ("int8", "uint8", "int16", "float32")
HISTOGRAM_MOST = 12


@dataclass(frozen=True)
class Difference:
    """How two runs of the same model differ, over all inputs and outputs.

    Attributes
    ----------
    different, total : int
        Values.
    largest : float
        Largest absolute difference, in LSB (float tensors: in their own unit).
    histogram : tuple of (float, int)
        Difference (device less reference) and how many values have it; the commonest ones.
    """

    different: int
    total: int
    largest: float
    histogram: tuple[tuple[float, int], ...]


@dataclass(frozen=True)
class LayerReport:
    """The answer.

    Attributes
    ----------
    whole : Difference
        Of the model's own outputs.
    operator : int or None
        First operator that differs; None where nothing differs, or where no cut model does.
    place : str
        The operator and its output, in words.
    at_operator : Difference or None
        There.
    cuts : tuple of (int, bool)
        Operators after which the model was cut, in the order tried, and whether device and reference agreed.
    """

    whole: Difference
    operator: int | None
    place: str
    at_operator: Difference | None
    cuts: tuple[tuple[int, bool], ...]


def compare(device: Sequence[Sequence[np.ndarray]], reference: Sequence[Sequence[np.ndarray]]) -> Difference:
    """Compare outputs: inferences x outputs, each pair of equal shape."""
    differences = [
        _difference(one, other)
        for outputs, expected in zip(device, reference, strict=True)
        for one, other in zip(outputs, expected, strict=True)
    ]
    values = np.concatenate(differences) if differences else np.zeros(0)
    wrong = values[values != 0]
    found, counts = np.unique(wrong, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:HISTOGRAM_MOST]
    histogram = tuple(sorted((float(found[index]), int(counts[index])) for index in order))
    return Difference(len(wrong), len(values), float(np.abs(wrong).max(initial=0)), histogram)


def _difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    wide = np.float64 if other.dtype.kind == "f" else np.int64
    left, right = np.ravel(one), np.ravel(other)
    if left.dtype.kind == "f":  # equal bytes are equal, also where both are not a number
        same = left.view(np.uint32) == right.view(np.uint32)
        return np.where(same, 0.0, np.nan_to_num(left.astype(wide) - right.astype(wide), nan=np.inf))
    return left.astype(wide) - right.astype(wide)


def diff_layers(
    model: bytes,
    inputs: Sequence[Inputs],
    device: Runner,
    reference: Runner,
    progress: Callable[[str], None] = lambda _: None,
) -> LayerReport:
    """Find the first operator at which `device` differs from `reference`.

    Parameters
    ----------
    model : bytes
        The ``.tflite`` file.
    inputs : sequence of sequences of arrays
        Inferences, each with the model's inputs.
    device, reference : Runner
    progress : callable, optional
        Called with one line a cut.
    """
    graph = read_tflite(model, supported=False)

    def run(file: bytes) -> Difference:
        one, other = device(file), reference(file)
        return compare([one(window) for window in inputs], [other(window) for window in inputs])

    whole = run(model)
    if whole.different == 0:
        return LayerReport(whole, None, "device and reference agree", None, ())
    tried: list[tuple[int, bool]] = []
    found: dict[int, Difference] = {}

    def agrees(index: int) -> bool:
        output = graph.tensors[graph.operators[index].outputs[0]]
        if output.dtype not in VALUES:  # shape arithmetic
            return True
        try:
            found[index] = run(cut(model, index))
        except ModelError:  # within a stretched convolution: three operators that are only together one
            progress(f"cut after {graph.operators[index]}: cannot be run alone")
            return True
        same = found[index].different == 0
        tried.append((index, same))
        progress(f"cut after {graph.operators[index]}: {'agree' if same else 'differ'}")
        return same

    last = len(graph.operators) - 1
    # the last operator need not be on the path to every output
    ends = sorted(
        {index for index, item in enumerate(graph.operators) if set(item.outputs) & set(graph.outputs)} | {last}
    )
    wrong = next((index for index in ends if not agrees(index)), None)
    if wrong is None:
        place = "only the whole model differs, no cut model does (a real board: its twin agrees with the reference)"
        return LayerReport(whole, None, place, None, tuple(tried))
    right = -1
    while wrong - right > 1:
        middle = (wrong + right) // 2
        if agrees(middle):
            right = middle
        else:
            wrong = middle
    operator = graph.operators[wrong]
    output = graph.tensors[operator.outputs[0]]
    return LayerReport(whole, wrong, f"{operator}, output {output}", found[wrong], tuple(tried))


def twin_runner(board: Board, engine: str, options: dict, folder: Path) -> Runner:
    """Run models on the board's emulated twin, built in `folder`."""
    from ecgdeploy.devices import open_device
    from ecgdeploy.projects import Request, build_request
    from ecgdeploy.projects.types import Model
    from ecgdeploy.provenance import sha256_bytes

    def prepare(file: bytes) -> Callable[[Inputs], list[np.ndarray]]:
        digest = sha256_bytes(file)
        graph = read_tflite(file, supported=engine == "static", name=f"cut-{digest[:8]}")
        model = Model(graph.name, file, digest, graph)
        done = build_request(Request(model, board, engine, True, options), folder / digest[:16])
        assert done.elf is not None
        outputs = [graph.tensors[index] for index in graph.outputs]

        def run(window: Inputs) -> list[np.ndarray]:
            assert done.elf is not None
            with open_device(elf=done.elf, machine=board.twin.machine, expect_model=digest) as device:
                answer = device.infer(b"".join(np.ascontiguousarray(array).tobytes() for array in window))
            return [
                np.frombuffer(data, dtype=output.dtype).reshape(output.shape)
                for data, output in zip(answer.outputs, outputs, strict=True)
            ]

        return run

    return prepare


def board_runner(model: bytes, port: str, twin: Runner) -> Runner:
    """Run `model` on the real board behind `port`, and the models that are cut from it on the twin.

    Only the whole model (also as `settled_file` writes it) is in the board's flash; a cut one would have to be flashed.
    """
    from ecgdeploy.devices import open_device
    from ecgdeploy.graph.settle import settled_file
    from ecgdeploy.provenance import sha256_bytes

    settled = settled_file(model)
    graph = read_tflite(model, supported=False)
    outputs = [graph.tensors[index] for index in graph.outputs]

    def run(window: Inputs) -> list[np.ndarray]:
        with open_device(port=port, expect_model=sha256_bytes(model)) as device:
            answer = device.infer(b"".join(np.ascontiguousarray(array).tobytes() for array in window))
        return [
            np.frombuffer(data, dtype=output.dtype).reshape(output.shape)
            for data, output in zip(answer.outputs, outputs, strict=True)
        ]

    return lambda file: run if file in (model, settled) else twin(file)


def host_runner(file: bytes) -> Callable[[Inputs], list[np.ndarray]]:
    """Run models with the static engine compiled for this computer."""
    from ecgdeploy.codegen.host import HostEngine

    return HostEngine(read_tflite(file)).run


def golden_runner(file: bytes) -> Callable[[Inputs], list[np.ndarray]]:
    """Run models with TFLM's own interpreter, where it runs them wrongly on the file written anew without that."""
    from ecgdeploy.reference import golden_reference

    return golden_reference(file, read_tflite(file, supported=False))[0].run


def read_inputs(model: bytes, path: Path) -> list[list[np.ndarray]]:
    """Inputs from a ``.npy`` file, or from array ``inputs`` of a ``.npz`` file: windows first, in the model's dtype.

    Raises
    ------
    UsageError
        Not such a file, another dtype or size, or a model with several inputs.
    """
    graph = read_tflite(model, supported=False)
    if len(graph.inputs) != 1:
        raise UsageError(
            f"{graph.name} has {len(graph.inputs)} inputs", "leave --input out: random inputs are made for each"
        )
    wanted = graph.tensors[graph.inputs[0]]
    try:
        loaded = np.load(path, allow_pickle=False)
        array = loaded if isinstance(loaded, np.ndarray) else loaded["inputs"]
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{path}: no array of inputs: {error}", "give a .npy file, or a .npz with 'inputs'") from None
    if array.dtype != np.dtype(wanted.dtype) or array.size % wanted.elements or array.size == 0:
        raise UsageError(
            f"{path}: {array.dtype}{list(array.shape)} are no windows of {wanted.dtype}{list(wanted.shape)}",
            "quantize with the input's scale and zero point",
        )
    return [[window] for window in array.reshape(-1, *wanted.shape)]
