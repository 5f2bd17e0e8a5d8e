"""Mixed precision: which layers stay in float, chosen by what rounding them costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.quantization.precision import Converted, convert


@dataclass(frozen=True)
class Mixed:
    """A mixed-precision file and how it was chosen.

    Attributes
    ----------
    islands : tuple of str
        Layers that stay in float, most sensitive first.
    costs : dict
        Layer -> mean absolute change of the outputs when it alone is rounded.
    errors : tuple of float
        Mean absolute change of the outputs with 0, 1, 2, ... islands.
    """

    file: Converted
    islands: tuple[str, ...]
    costs: dict[str, float]
    errors: tuple[float, ...]


def mixed(model_path: Path, calibration: Any, scratch: Path, *, share: float = 0.5, windows: int = 256) -> Mixed:
    """Keep the most sensitive layers in float until the rounding error is at most `share` of int8's.

    Parameters
    ----------
    calibration : CalibrationView
        Sets the ranges; its first `windows` windows also measure the sensitivity, so that nothing is chosen on data
        that later scores.
    scratch : Path
        Folder for the intermediate Keras model.
    """
    from ecgdeploy.ecg.views import for_calibration
    from ecgdeploy.quantization import qat
    from ecgdeploy.training.loop import predict

    view = for_calibration(calibration)
    model = qat.load(model_path)
    arrays = view.arrays(len(model.inputs))
    limits = qat.observe(model, arrays)
    rows = np.random.default_rng(0).permutation(len(view))[:windows]
    probe = tuple(np.asarray(part[np.sort(rows)]) for part in arrays)
    costs = qat.sensitivity(model, limits, probe)
    reference = predict(model, probe)
    order = list(costs)
    errors: list[float] = []
    islands: list[str] = []
    while True:
        twin = qat.fake_quantized(model, limits, islands)
        errors.append(float(np.abs(predict(twin, probe) - reference).mean()))
        if errors[-1] <= share * errors[0] or len(islands) >= len(order) - 1:
            break
        islands.append(order[len(islands)])
    path = scratch / "mixed.keras"
    twin.save(path)
    return Mixed(convert(path, "mixed"), tuple(islands), costs, tuple(errors))
