"""The same question on MIT-BIH: does the preset beat classifier survive int8? One unit of study ``rajotte2025``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ecgdeploy.provenance import versions
from ecgdeploy.studies.base import Context, Done, Unit
from ecgdeploy.training import config, figures

UNIT = "beat-cnn"
PRECISIONS = ("float32", "int8", "int8-qat")


def unit() -> Unit:
    """The preset, trained here, in three precisions."""
    return Unit(UNIT, {"preset": UNIT}, tuple(f"{UNIT}/{name}" for name in PRECISIONS))


def work(unit: Unit, context: Context) -> Iterator[Done]:
    """Train the preset on DS1, convert, train on with rounding (distilled), score every DS2 beat."""
    from ecgdeploy import zoo
    from ecgdeploy.ecg.tasks import load_task
    from ecgdeploy.quantization import qat
    from ecgdeploy.quantization.precision import convert, convert_all
    from ecgdeploy.quantization.runner import TfliteRunner
    from ecgdeploy.training import run

    settings = config.read(zoo.config_path(unit.params["preset"]))
    task = load_task(settings.task, context.data)
    folder, count = context.work(unit), settings.quantization.calibration
    trained = run.train(settings, folder / "float", task=task, threads=context.threads)
    files = convert_all(trained.model, ("float32", "int8"), task.calibration(count))
    tuned = qat.finetune(
        trained, task, folder / "qat-distilled", epochs=3, calibration=count, distil=True, threads=context.threads
    )
    files["int8-qat"] = convert(tuned.model, "int8-qat")
    test = task.test()
    provenance: dict[str, Any] = {
        "task": test.provenance, "source": test.source, "synthetic": test.synthetic, "seed": settings.seed,
        "config_sha256": settings.sha256, "weights_sha256": trained.manifest["weights_sha256"],
        "versions": versions("tensorflow", "keras", "ai-edge-litert", "numpy"),
    }
    for name in PRECISIONS:
        found = TfliteRunner(files[name].content).run(test.inputs)
        result = figures.figures(test.targets, found) | {"bytes": len(files[name].content), "windows": len(test)}
        arrays = {
            "probabilities": found,
            "targets": np.asarray(test.targets),
            "records": np.asarray(test.record_ids).astype(str),
        }
        yield Done(f"{UNIT}/{name}", result, provenance, arrays)
