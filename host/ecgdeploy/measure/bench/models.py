"""Bench one model or a folder of them: golden outputs beside the model, or TFLM's wheel on random inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.codegen import generate
from ecgdeploy.codegen.host import HostEngine
from ecgdeploy.errors import DataError, UsageError
from ecgdeploy.graph import Graph, read_tflite, total_macs
from ecgdeploy.measure.bench.image import run_on_board
from ecgdeploy.measure.bench.stored import STORED, Stored

RANDOM_INPUTS = 8


@dataclass(frozen=True)
class BenchResult:
    """Cost and correctness of one model on one engine.

    Attributes
    ----------
    instructions : of one inference (median over the inputs)
    ram_bytes : arena, .data, .bss and stack high-water, without link and harness
    flash_bytes : image without link, port and harness
    compared, identical : output elements held against the golden ones, and how many were the same
    golden : where the golden outputs come from
    operators : instructions per stage, where counted
    weights : per layer: how many, bits of each as kept, bytes by the linker's map
    tflm : the stored figures of TFLM with CMSIS-NN at its best, where the model is one of the bench's
    """

    model: str
    engine: str
    instructions: int
    instructions_min: int
    instructions_max: int
    macs: int
    instructions_per_mac: float
    ram_bytes: int
    arena_bytes: int
    data_bytes: int
    bss_bytes: int
    stack_bytes: int
    flash_bytes: int
    flash_by_part: dict[str, int]
    compared: int
    identical: int
    golden: str
    inferences: int
    schedule: str
    operators: list[dict[str, Any]] = field(default_factory=list)
    weights: list[dict[str, Any]] = field(default_factory=list)
    tflm: dict[str, Any] | None = None
    ratios: dict[str, float] | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values, in the order of the attributes."""
        return asdict(self)


def random_inputs(graph: Graph, count: int, seed: int = 1) -> list[list[np.ndarray]]:
    """Inputs of every kind: uniform, saturated, constant, one-sided."""
    draw = np.random.default_rng(seed)
    result = []
    for i in range(count):
        arrays = []
        for index in graph.inputs:
            tensor = graph.tensors[index]
            if tensor.dtype == "float32":
                arrays.append((draw.standard_normal(tensor.shape) * (1.0, 10.0, 0.1)[i % 3]).astype(np.float32))
                continue
            info = np.iinfo(tensor.dtype)
            value = draw.integers(info.min, info.max + 1, tensor.shape)
            if i % 4 == 1:
                value = np.where(draw.random(tensor.shape) < 0.5, info.min, info.max)
            elif i % 8 == 2:
                value = np.full(tensor.shape, (info.min, info.max, 0)[i // 8 % 3])
            elif i % 8 == 6:
                value = np.clip(value // 8 + int(draw.integers(info.min, info.max)), info.min, info.max)
            arrays.append(value.astype(tensor.dtype))
        result.append(arrays)
    return result


def golden_of(
    model: Path, graph: Graph, limit: int | None
) -> tuple[list[list[np.ndarray]], list[list[np.ndarray]], str]:
    """(inputs, outputs, where from): the ``.npz`` beside the model, else TFLM's wheel, else the host build."""
    beside = model.with_suffix(".npz")
    if beside.is_file() and len(graph.inputs) == 1:
        try:
            with np.load(beside) as stored:
                arrays = np.asarray(stored["inputs"])[:limit]
                outputs = [np.asarray(stored[f"output{k}_tflm"])[:limit] for k in range(len(graph.outputs))]
        except (KeyError, ValueError, OSError) as error:
            raise DataError(
                f"{beside.name}: not a golden file ({error})", "it holds inputs and output{k}_tflm"
            ) from error
        return [[a] for a in arrays], [list(row) for row in zip(*outputs, strict=True)], "file"
    inputs = random_inputs(graph, limit or RANDOM_INPUTS)
    try:
        from ecgdeploy.reference import golden_reference

        reference = golden_reference(model, graph)[0]
        return inputs, [reference.run(one) for one in inputs], "tflite-micro wheel"
    except UsageError:
        raise
    except Exception as error:
        if error.__class__.__name__ != "BuildError":
            raise
    host = HostEngine(graph)
    return inputs, [host.run(one) for one in inputs], "host build"


def bench_model(
    model: Path, *, operators: bool = False, limit: int | None = None, weights: str = "auto"
) -> BenchResult:
    """Bench one ``.tflite`` on the emulated Cortex-M4F.

    Parameters
    ----------
    operators : also count instructions per stage (a second image)
    limit : inferences at most
    weights : how the engine keeps them: "auto", "packed" or "int8"

    Raises
    ------
    ModelError, BuildError, DeviceError, DataError
    """
    graph = read_tflite(model)
    engine = generate(graph, "cortex-m4", weights)
    inputs, expected, golden = golden_of(model, graph, limit)
    run = run_on_board(graph, engine, inputs)
    compared = identical = 0
    for outputs, wanted in zip(run.outputs, expected, strict=True):
        for output, want in zip(outputs, wanted, strict=True):
            compared += want.size
            identical += int(np.count_nonzero(equal_elements(output.reshape(-1), want.reshape(-1))))
    stages: list[dict[str, Any]] = []
    if operators:
        profiled = run_on_board(graph, engine, inputs[:1], profile=True)
        for stage in engine.network.stages:
            if count := profiled.stages.get(stage.index):
                macs = engine.network.macs.get(stage.index, 0)
                per_mac = round(count / macs, 3) if macs else None
                stages.append(
                    {"stage": stage.index, "operator": stage.operator, "kind": stage.kind, "instructions": count,
                     "macs": macs, "instructions_per_mac": per_mac}
                )  # fmt: skip
    macs = total_macs(graph)
    instructions = int(np.median(run.instructions))
    stored = STORED.get(model.stem.removesuffix("_2d"))
    ram, flash = run.ram_bytes, run.flash_bytes
    return BenchResult(
        model.stem, "static", instructions, min(run.instructions), max(run.instructions), macs,
        round(instructions / macs, 4) if macs else 0.0, ram, engine.plan.arena_bytes, run.data_bytes, run.bss_bytes,
        run.stack_bytes, flash, run.flash_by_part, compared, identical, golden, len(inputs), engine.plan.schedule,
        stages,
        [asdict(layer) | {"bytes": run.weights.get(layer.stage, layer.bytes)} for layer in engine.weights],
        asdict(stored) if stored else None, _ratios(stored, instructions, ram, flash) if stored else None,
    )  # fmt: skip


def equal_elements(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Equality of bits for integers; floats may differ in rounding order, by a relative 1e-5."""
    if ours.dtype == np.float32:
        return np.isclose(ours, theirs, rtol=1e-5, atol=1e-6)
    return ours == theirs


def _ratios(stored: Stored, instructions: int, ram: int, flash: int) -> dict[str, float]:
    return {
        "instructions": round(stored.instructions / instructions, 3),
        "ram": round(stored.ram_bytes / ram, 3),
        "flash": round(stored.flash_bytes / flash, 3),
    }


def bench_folder(
    folder: Path,
    *,
    names: Sequence[str] = (),
    operators: bool = False,
    limit: int | None = None,
    weights: str = "auto",
) -> list[BenchResult]:
    """Bench every ``.tflite`` of a folder, by name; `names` restricts it.

    Raises
    ------
    UsageError
        No such folder, or no models in it.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder", "give the folder that holds the .tflite files")
    models = sorted(p for p in folder.glob("*.tflite") if not names or p.stem in names)
    if not models:
        raise UsageError(f"{folder}: no .tflite models in it", "give the folder that holds the .tflite files")
    return [bench_model(model, operators=operators, limit=limit, weights=weights) for model in models]
