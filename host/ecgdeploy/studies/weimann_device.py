"""The end of the journey: a small network, taught by the pre-trained one, on the emulated Nano, 60 s a record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ecgdeploy.provenance import versions
from ecgdeploy.studies import downstream, on_device, weimann2021, weimann_paper
from ecgdeploy.studies.base import Context, Done, Unit
from ecgdeploy.training import config

BOARD = "nano33ble"
SECONDS, RATE = 60.0, 250
#: three stages of one block each, an eighth of the paper's width
STUDENT = {"depth": 18, "width": 0.125, "blocks": [1, 1, 1], "samples": 15_000, "leads": 1, "classes": 4}
#: knowledge distillation: share of the teacher, and how much its answers are softened
ALPHA, TEMPERATURE = 0.5, 2.0
#: of five settings (rates 3e-5 to 3e-3, 2 to 10 epochs) the nearest to the float student on the validation records
QAT_EPOCHS, QAT_RATE, CALIBRATION = 10, 1e-3, 512


def student(quick: bool) -> config.RunConfig:
    """How the student is trained, alone or taught."""
    return config.parse(
        {
            "schema": 1, "name": "student", "task": "cinc2017", "seed": 1, "epochs": 16 if quick else 60, "batch": 16,
            "monitor": "macro_f1", "model": {"name": "weimann-resnet", "options": dict(STUDENT)},
            "loss": {"kind": "crossentropy", "class_weights": "sqrt-inverse"},
        },
        weimann2021.NAME,
    )


def work(unit: Unit, context: Context) -> Iterator[Done]:
    """Teach the student, quantize it (distilled QAT), stream every test record through the emulated board."""
    from ecgdeploy.compression import distillation
    from ecgdeploy.quantization import qat
    from ecgdeploy.quantization.precision import convert
    from ecgdeploy.quantization.runner import TfliteRunner
    from ecgdeploy.training import pretrain, run, runtime
    from ecgdeploy.training.loop import predict

    runtime.tensorflow(context.threads)
    folder, quick = context.work(unit), context.quick
    pool = downstream.load("cinc2017", RATE, SECONDS, quick, context.data)
    task, test = pool.drawn(1), pool.held
    targets = np.asarray(test.targets)
    common: dict[str, Any] = {
        "task": test.provenance, "source": test.source, "synthetic": test.synthetic, "seed": 1,
        "versions": versions("tensorflow", "keras", "ai-edge-litert", "numpy"),
    }

    def done(cell: str, answers: np.ndarray, **more: Any) -> Done:
        result = weimann2021.scores(targets, {"test": answers}) | more
        return Done(f"{unit.id}/{cell}", result, common, {"probabilities": answers, "targets": targets})

    start = weimann2021.pretrained(weimann_paper.BEST["beat"], 18, context)
    params = {"data": "cinc2017", "rate": RATE, "share": 0.75, "depth": 18}
    teacher = pretrain.finetune(
        weimann2021.settings(params, pool, 1, quick), folder / "teacher", start=start, task=task,
        threads=context.threads,
    )
    yield done("teacher", predict(qat.load(teacher.model), test.inputs), parameters=teacher.manifest["parameters"])
    alone = run.train(student(quick), folder / "alone", task=task, threads=context.threads)
    yield done("alone", predict(qat.load(alone.model), test.inputs), parameters=alone.manifest["parameters"])
    taught = distillation.distil(
        student(quick), (teacher,), folder / "taught", task=task, alpha=ALPHA, temperature=TEMPERATURE,
        threads=context.threads,
    )
    yield done("taught", predict(qat.load(taught.model), test.inputs), parameters=taught.manifest["parameters"])
    tuned = qat.finetune(
        taught, task, folder / "qat", epochs=QAT_EPOCHS, learning_rate=QAT_RATE, calibration=CALIBRATION, distil=True,
        threads=context.threads,
    )
    file = convert(tuned.model, "int8-qat")
    path = folder / "int8.tflite"
    path.write_bytes(file.content)
    answers = TfliteRunner(file.content, reference=True).run(test.inputs)
    yield done("int8", answers, bytes=len(file.content), sha256=file.sha256)
    measured = on_device.measured(
        path, test, folder / "device", board=BOARD, name=f"{weimann2021.NAME} student int8", groups={}
    )
    yield Done(f"{unit.id}/on-device", measured, common)
