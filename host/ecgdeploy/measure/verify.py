"""Run a model through TFLM's interpreter, the host build of its C and the emulated board; name the first difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.codegen import generate
from ecgdeploy.codegen.host import HostEngine
from ecgdeploy.errors import DataError
from ecgdeploy.graph import Graph, read_tflite, simplify
from ecgdeploy.graph.simplify import FREE
from ecgdeploy.measure.bench.image import run_on_board
from ecgdeploy.measure.bench.models import equal_elements, random_inputs
from ecgdeploy.reference import TflmReference, golden_reference

RANDOM_INPUTS = 32


@dataclass(frozen=True)
class Difference:
    """Where two ways of running a model part.

    Attributes
    ----------
    way : "host" or "board", held against TFLM
    operator, kind : of the file; -1 and "output" where only the outputs were compared
    element : flat index in the tensor
    """

    way: str
    input_number: int
    operator: int
    kind: str
    tensor: int
    name: str
    element: int
    expected: float
    got: float
    differing: int

    def __str__(self) -> str:
        place = f"operator {self.operator} {self.kind}" if self.operator >= 0 else "output"
        return (
            f"{self.way}: input {self.input_number}, {place}, tensor {self.tensor} '{self.name[-60:]}', element "
            f"{self.element}: {self.got:g} instead of {self.expected:g} ({self.differing} of the tensor differ)"
        )


@dataclass(frozen=True)
class Verification:
    """Outcome of `verify`.

    Attributes
    ----------
    compared, identical : output elements per way of running ("host", "board"), against TFLM
    layers : per operator and way, elements compared and identical (where asked for, or where something differs)
    first : the first operator and element that differ, None where nothing does
    reference : whose results they are held against: "TFLM", "TFLM, rewritten" where the file's TILE or stretched
        convolutions were written in operators that TFLM runs rightly, or "LiteRT" where they cannot be
    """

    model: str
    inputs: int
    compared: dict[str, int]
    identical: dict[str, int]
    layers: list[dict[str, Any]] = field(default_factory=list)
    first: Difference | None = None
    reference: str = "TFLM"

    @property
    def exact(self) -> bool:
        """Whether every way gave TFLM's bytes."""
        return self.first is None and self.compared == self.identical

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "exact": self.exact}


def load_inputs(graph: Graph, file: Path | None, count: int, seed: int) -> list[list[np.ndarray]]:
    """Inputs from an ``.npz`` (array ``inputs``, or ``input0``, ``input1``... of quantized values), else random ones.

    Raises
    ------
    DataError
        The file is damaged, or its arrays do not fit the model.
    """
    if file is None:
        return random_inputs(graph, count, seed)
    try:
        with np.load(file) as stored:
            names = ["inputs"] if "inputs" in stored else [f"input{k}" for k in range(len(graph.inputs))]
            arrays = [np.asarray(stored[name]) for name in names]
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{file.name}: no inputs in it ({error})", "an .npz with an array 'inputs'") from error
    tensors = [graph.tensors[i] for i in graph.inputs]
    if len(arrays) != len(tensors):
        raise DataError(f"{file.name}: {len(arrays)} input arrays, the model takes {len(tensors)}")
    for tensor, array in zip(tensors, arrays, strict=True):
        if array.ndim == 0 or array.size != len(array) * tensor.elements or array.dtype != np.dtype(tensor.dtype):
            raise DataError(
                f"{file.name}: an array {array.dtype}{list(array.shape)} for {tensor}",
                "one row per inference, quantized with the input's scale and zero point",
            )
    rows = min(len(a) for a in arrays)
    return [
        [np.ascontiguousarray(a[i]).reshape(t.shape) for a, t in zip(arrays, tensors, strict=True)] for i in range(rows)
    ]


def verify(
    model: Path,
    *,
    inputs: Path | None = None,
    count: int = RANDOM_INPUTS,
    seed: int = 1,
    layers: bool = False,
    emulate: bool = False,
) -> Verification:
    """Hold the static engine against TFLM.

    Parameters
    ----------
    inputs : ``.npz`` of inputs; default: `count` random ones, saturated ones among them
    layers : compare every operator's output, not only the model's
    emulate : run on the emulated Cortex-M4F too

    Raises
    ------
    ModelError, DataError, BuildError, DeviceError
    """
    graph = read_tflite(model)
    arrays = load_inputs(graph, inputs, count, seed)
    data = model.read_bytes()
    reference, name = golden_reference(data, graph)
    expected = [reference.run(one) for one in arrays]
    ways = {"host": _host(graph, arrays)}
    if emulate:
        ways["board"] = run_on_board(graph, generate(graph, "cortex-m4"), arrays).outputs
    compared, identical, first = {}, {}, None
    for way, outputs in ways.items():
        compared[way], identical[way], difference = _compare(graph, way, outputs, expected)
        first = first or difference
    rows: list[dict[str, Any]] = []
    if (layers or first) and name == "TFLM":
        rows, inner = _by_layer(graph, data, arrays, list(ways))
        first = inner or first
    return Verification(model.name, len(arrays), compared, identical, rows, first, name)


def _host(graph: Graph, arrays: Sequence[Sequence[np.ndarray]]) -> list[list[np.ndarray]]:
    engine = HostEngine(graph)
    return [engine.run(one) for one in arrays]


def _compare(
    graph: Graph, way: str, outputs: list[list[np.ndarray]], expected: list[list[np.ndarray]]
) -> tuple[int, int, Difference | None]:
    compared = identical = 0
    first = None
    for number, (ours, theirs) in enumerate(zip(outputs, expected, strict=True)):
        for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            compared += b.size
            same = equal_elements(a.reshape(-1), b.reshape(-1))
            identical += int(same.sum())
            if first is None and not same.all():
                first = _difference(graph, way, number, -1, "output", graph.outputs[k], a, b, same)
    return compared, identical, first


def _difference(
    graph: Graph, way: str, number: int, operator: int, kind: str, tensor: int, ours: np.ndarray, theirs: np.ndarray,
    same: np.ndarray,
) -> Difference:  # fmt: skip
    at = int(np.argmin(same))
    return Difference(
        way, number, operator, kind, tensor, graph.tensors[tensor].name, at, float(theirs.reshape(-1)[at]),
        float(ours.reshape(-1)[at]), int((~same).sum()),
    )  # fmt: skip


def _by_layer(
    graph: Graph, data: bytes, arrays: list[list[np.ndarray]], ways: list[str]
) -> tuple[list[dict[str, Any]], Difference | None]:
    """Every operator's output as an output of the model, against the tensors that TFLM keeps."""
    operators = [o for o in simplify(graph).operators if o.kind not in FREE]
    operators = [o for o in operators if all(i < len(graph.tensors) for i in o.outputs)]
    opened = replace(graph, outputs=tuple(i for o in operators for i in o.outputs))
    reference = TflmReference(data, keep_tensors=True)
    results: dict[str, list[list[np.ndarray]]] = {"host": _host(opened, arrays)}
    if "board" in ways:
        results["board"] = run_on_board(opened, generate(opened, "cortex-m4"), arrays).outputs
    rows: dict[tuple[int, str], dict[str, Any]] = {
        (o.index, way): {"operator": o.index, "kind": o.kind, "way": way, "compared": 0, "identical": 0}
        for o in operators
        for way in ways
    }
    owners = [o for o in operators for _ in o.outputs]
    first: Difference | None = None
    for number, one in enumerate(arrays):
        reference.run(one)
        for position, tensor in enumerate(opened.outputs):
            theirs = reference.tensor(tensor)
            for way in ways:
                ours = results[way][number][position]
                same = equal_elements(ours.reshape(-1), theirs.reshape(-1))
                row = rows[owners[position].index, way]
                row["compared"] += theirs.size
                row["identical"] += int(same.sum())
                if not same.all():
                    owner = owners[position]
                    found = _difference(graph, way, number, owner.index, owner.kind, tensor, ours, theirs, same)
                    if first is None or found.operator < first.operator:
                        first = found
    return list(rows.values()), first
