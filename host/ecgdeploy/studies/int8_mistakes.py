"""Post-mortem of an int8 collapse: the same trained network, quantized with one mistake at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ecgdeploy.provenance import versions
from ecgdeploy.studies.base import Context, Done, Unit
from ecgdeploy.training import figures

#: mistake -> what was done, for the table
MISTAKES: dict[str, str] = {
    "none": "int8 done right: 1,000 training windows, per-channel weights, input / scale + zero point",
    "cast-input": "standardized input cast to int8, without scale and zero point",
    "cast-millivolts": "raw millivolts cast to int8, neither standardized nor scaled",
    "times-scale": "input multiplied by the scale instead of divided",
    "zeros": "no calibration data: ranges from all-zero windows",
    "uniform": "no calibration data: ranges from noise, uniform in 0..1",
    "normal": "no calibration data: ranges from noise, normal with standard deviation 1",
    "times-100": "calibration windows 100 times too large",
    "unnormalized": "calibration on millivolts that were not standardized",
    "one-record": "calibration on 1 record",
    "ten-records": "calibration on 10 records",
    "per-tensor": "one weight scale a tensor instead of one a channel",
    "no-folding": "batch normalization not folded (simulated: the convolution's output is rounded before it)",
    "raw-output": "output integers used as scores, not dequantized",
}


def _calibrations(calibration: Any, task: Any) -> dict[str, Callable[[], Any]]:
    """Mistake -> the calibration set that it uses."""
    shape = calibration.inputs.shape
    rng = np.random.default_rng(0)

    def of(inputs: np.ndarray) -> Any:
        return dataclasses.replace(calibration, inputs=np.ascontiguousarray(inputs, dtype=np.float32))

    def first(count: int) -> Any:
        return task.calibration(count)

    return {
        "zeros": lambda: of(np.zeros(shape)),
        "uniform": lambda: of(rng.uniform(0, 1, shape)),
        "normal": lambda: of(rng.normal(0, 1, shape)),
        "times-100": lambda: of(100 * calibration.inputs[:]),
        "unnormalized": lambda: of(millivolts(calibration.inputs[:], task)),
        "one-record": lambda: first(1),
        "ten-records": lambda: first(10),
    }


def millivolts(inputs: np.ndarray, task: Any) -> np.ndarray:
    """Standardized windows [n, samples, leads] back in millivolts."""
    steps = task.task.standardize
    mean, scale = np.asarray(steps.mean), np.asarray(steps.scale)
    return inputs * scale[list(task.leads)] + mean[list(task.leads)]


def cast(x: np.ndarray) -> np.ndarray:
    """What ``astype(int8)`` makes of floats: the fraction is cut off (saturated here, as it is undefined beyond)."""
    return np.clip(np.trunc(x), -128, 127).astype(np.int8)


def work(unit: Unit, context: Context) -> Iterator[Done]:
    """Fill the cells of all mistakes from the float model of 12 leads and 75 outputs."""
    from ecgdeploy.quantization.precision import convert
    from ecgdeploy.quantization.runner import TfliteRunner, quantize
    from ecgdeploy.studies import rajotte2025 as study

    base = Unit("12-75", unit.params, ())
    run, task, _ = study.trained(base, context)
    test, calibration = task.test(), task.calibration(study.CALIBRATION)
    float32 = TfliteRunner(convert(run.model, "float32").content).run(test.inputs)
    right = convert(run.model, "int8", calibration)
    runner = TfliteRunner(right.content)
    scale, zero_point = runner.input["quantization"]

    def fed(tensors: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        return np.stack([runner.one(w, tensors(w).reshape(runner.input["shape"])) for w in test.inputs])

    def raw_output() -> np.ndarray:
        return np.concatenate(
            [
                quantize(part, detail["quantization"][0], detail["quantization"][1], np.int8).astype(np.float32)
                for part, detail in zip(_split(runner.run(test.inputs), runner), runner.outputs, strict=True)
            ],
            axis=1,
        )

    made: dict[str, Callable[[], np.ndarray]] = {
        "none": lambda: runner.run(test.inputs),
        "cast-input": lambda: fed(cast),
        "cast-millivolts": lambda: fed(lambda w: cast(millivolts(w[None], task)[0])),
        "times-scale": lambda: fed(lambda w: quantize(w * scale * scale, scale, zero_point, np.int8)),
        "per-tensor": lambda: TfliteRunner(
            convert(run.model, "int8", calibration, per_channel=False).content
        ).run(test.inputs),
        "no-folding": lambda: _unfolded(run.model, calibration, test),
        "raw-output": raw_output,
    }
    for name, make in _calibrations(calibration, task).items():
        made[name] = lambda make=make: TfliteRunner(convert(run.model, "int8", make()).content).run(test.inputs)  # type: ignore[misc]
    provenance = {
        "task": test.provenance, "source": test.source, "weights_sha256": run.manifest["weights_sha256"],
        "config_sha256": run.manifest["config_sha256"], "versions": versions("tensorflow", "ai-edge-litert", "numpy"),
    }
    for cell in context.todo:
        name = cell.split("/")[1]
        found = made[name]()
        probabilities = name != "raw-output"
        result = {
            "what": MISTAKES[name],
            "macro_auc": float(np.nanmean(figures.class_auc(test.targets, found))),
            "float32_macro_auc": float(np.nanmean(figures.class_auc(test.targets, float32))),
            "max_probability_difference": float(np.abs(found - float32).max()) if probabilities else None,
            "network": run.manifest["config"]["model"],
        }
        yield Done(cell, result, provenance, {"probabilities": found, "targets": np.asarray(test.targets)})


def _split(values: np.ndarray, runner: Any) -> list[np.ndarray]:
    edges = np.cumsum([d["shape"][-1] for d in runner.outputs])[:-1]
    return np.split(values, edges, axis=1)


def _unfolded(model_path: Any, calibration: Any, test: Any) -> np.ndarray:
    from ecgdeploy.quantization import qat
    from ecgdeploy.training.loop import predict

    model = qat.load(model_path)
    limits = qat.observe(model, np.asarray(calibration.inputs[:]), fold=False)
    return predict(qat.fake_quantized(model, limits, fold=False), test.inputs)
