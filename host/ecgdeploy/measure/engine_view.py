"""What the static engine does with a model, for a report: memory over the schedule, instructions per operator."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ecgdeploy.errors import UsageError
from ecgdeploy.graph import read_tflite
from ecgdeploy.provenance import canonical_json

WEIGHTS = ("auto", "int8", "packed")


def plan_of(model: Path, manifest: dict[str, Any]) -> dict[str, Any] | None:
    """The plan of a build of engine static, as `codegen.drawing.as_dict`; None for any other build.

    The engine is generated again; a plan that is not the build's own (another version made it) is not shown.
    """
    found = _generated(model, manifest)
    if found is None:
        return None
    from ecgdeploy.codegen.drawing import as_dict

    whole = as_dict(found)
    kept = {key: whole[key] for key in ("schedule", "arena_bytes", "ram_bytes", "events", "buffers")}
    return kept | {"stages": [{key: stage[key] for key in ("stage", "kind", "writes")} for stage in whole["stages"]]}


def operators_of(model: Path, manifest: dict[str, Any], inputs: list[Any]) -> list[dict[str, Any]]:
    """Instructions of each stage in one inference on the emulated Cortex-M4F, in the order of the schedule.

    Parameters
    ----------
    inputs : one stored array per model input

    Raises
    ------
    UsageError
        The build is not of engine static for a Cortex-M4.
    BuildError, DeviceError
        The profiled image does not build or run.
    """
    engine = _generated(model, manifest)
    if engine is None or manifest["facts"]["engine"].get("target") != "cortex-m4":
        raise UsageError("instructions per operator are counted for engine static on a Cortex-M4",
                         "choose --engine static and such a board, or leave --operators out")
    from ecgdeploy.measure.bench.image import run_on_board

    counted = run_on_board(read_tflite(model), engine, [inputs], profile=True).stages
    return [
        {"stage": stage.index, "operator": stage.operator, "kind": stage.kind,
         "macs": engine.network.macs.get(stage.index, 0), "instructions": counted[stage.index]}
        for stage in engine.network.stages if counted.get(stage.index)
    ]  # fmt: skip


def _generated(model: Path, manifest: dict[str, Any]) -> Any:
    """The engine of the build: generated in each way a build can ask for, until weights and RAM are the build's."""
    facts = manifest.get("facts", {}).get("engine")
    if manifest.get("engine") != "static" or not isinstance(facts, dict):
        return None
    from ecgdeploy.codegen import generate

    graph = read_tflite(model)
    for weights in WEIGHTS:
        engine = generate(graph, facts.get("target", "portable"), weights)
        kept = canonical_json([asdict(layer) for layer in engine.weights])
        same = "weights" not in facts or kept == canonical_json(facts["weights"])
        if same and int(engine.plan.ram_bytes) == facts.get("ram_bytes"):
            return engine
    return None
