"""Converting a Keras model to one precision, in a child process, and checking what came out."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.errors import ModelError, UsageError, unknown
from ecgdeploy.provenance import sha256_bytes

CONVERTIBLE = ("float32", "float16", "dynamic", "int8", "int16x8")
#: made from a model of rounding layers (`qat.fake_quantized`), which carries its own ranges
FROM_FAKE = ("int8-qat", "mixed")
NEEDS_CALIBRATION = ("int8", "int16x8")
#: largest difference of a probability between the Keras model and its float32 file that rounding explains
FLOAT_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Converted:
    """One ``.tflite``.

    Attributes
    ----------
    precision : str
    content : bytes
        The file.
    calibration : dict
        Number of windows, how they were chosen and their hash; empty for precisions that need none.
    outputs : tuple of str
        Names of the Keras outputs in Keras' order; the file may hold them in another.
    """

    precision: str
    content: bytes
    calibration: dict[str, Any]
    outputs: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """SHA-256 of the file."""
        return sha256_bytes(self.content)


def convert(
    model: Path, precision: str, calibration: Any = None, *, per_channel: bool = True, timeout: float = 1800
) -> Converted:
    """Convert a ``.keras`` file to one precision; see `convert_all`."""
    return convert_all(model, (precision,), calibration, per_channel=per_channel, timeout=timeout)[precision]


def convert_all(
    model: Path,
    precisions: Sequence[str],
    calibration: Any = None,
    *,
    per_channel: bool = True,
    timeout: float = 1800,
) -> dict[str, Converted]:
    """Convert a ``.keras`` file to several precisions in one child process.

    Parameters
    ----------
    calibration : CalibrationView, optional
        Needed by int8 and int16x8; nothing else is accepted, so that no test window can set a range.
    per_channel : bool
        One weight scale an output channel; False only to show what a single one costs.
    timeout : float
        Seconds for the child process; the converter crashes or hangs on some graphs.

    Raises
    ------
    DataError
        Calibration is not a `CalibrationView`, or holds NaN.
    ModelError
        The converter crashed, or its float32 file does not compute what the Keras model does.
    UsageError
        Unknown precision; no calibration where one is needed.
    """
    note: dict[str, Any] = {}
    windows = None
    for precision in precisions:
        if precision not in (*CONVERTIBLE, *FROM_FAKE):
            raise unknown("precision", precision, (*CONVERTIBLE, *FROM_FAKE))
        if precision in NEEDS_CALIBRATION and windows is None:
            if calibration is None:
                raise UsageError(f"precision {precision} needs a calibration set", "give task.calibration(n)")
            windows, note = calibration_windows(calibration)
    with tempfile.TemporaryDirectory(prefix="ecgdeploy-convert-") as scratch:
        folder = Path(scratch)
        if windows is not None:
            np.save(folder / "calibration.npy", windows)
            if calibration.person is not None:
                np.save(folder / "person.npy", calibration.person)
        request = {"model": str(model.resolve()), "precisions": list(precisions), "per_channel": per_channel}
        (folder / "request.json").write_text(json.dumps(request))
        _run_child(folder, model, timeout)
        answer = json.loads((folder / "answer.json").read_text())
        outputs = tuple(answer["outputs"])
        made = {
            precision: Converted(
                precision,
                (folder / f"{precision}.tflite").read_bytes(),
                note if precision in NEEDS_CALIBRATION else {},
                outputs,
            )
            for precision in precisions
        }
    difference = answer["float_difference"]
    if difference is not None and not difference <= FLOAT_TOLERANCE:
        raise ModelError(
            f"{model.name}: the converted float32 file differs from the Keras model by {difference:.3g}",
            "the converter lost weights; report the network",
        )
    return made


def calibration_windows(view: Any) -> tuple[np.ndarray, dict[str, Any]]:
    """Windows float32 [n, samples, leads] that set ranges, and what a manifest says of them.

    Raises
    ------
    DataError
        Not a `CalibrationView`, or NaN in it.
    """
    from ecgdeploy.ecg.views import for_calibration
    from ecgdeploy.training import checks

    view = for_calibration(view)
    checks.finite(view, "calibration set")
    windows = np.ascontiguousarray(view.inputs, dtype=np.float32)
    records = sorted(set(map(str, view.record_ids)))
    return windows, {
        "windows": len(windows),
        "records": len(records),
        "chosen": view.provenance.get("calibration", {}),
        "part": view.part,
        "source": view.source,
        "sha256": sha256_bytes(windows.tobytes()),
        "minimum": float(windows.min()),
        "maximum": float(windows.max()),
    }


def _run_child(folder: Path, model: Path, timeout: float) -> None:
    command = [sys.executable, "-m", "ecgdeploy.quantization.child", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"{model.name}: converting took more than {timeout:.0f} s", "fewer calibration windows"
        ) from error
    if done.returncode or not (folder / "answer.json").is_file():
        current = folder / "current"
        precision = current.read_text() if current.exists() else "any precision"
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        last = lines[-1].strip()[:200] if lines else f"exit code {done.returncode}"
        crashed = f"crashed with signal {-done.returncode}" if done.returncode < 0 else f"failed: {last}"
        hint = "another precision may convert; or replace the layer it names"
        if done.returncode < 0:
            hint = "give LSTM and GRU layers unroll=True: as loops they convert to float32 and dynamic only"
        raise ModelError(f"{model.name}: the converter {crashed} for {precision}", hint)
