"""From a training run to its ``.tflite`` files: convert, compare with float32, write with hashes."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ecgdeploy.errors import ModelError
from ecgdeploy.provenance import sha256_file, versions, write_atomic, write_manifest
from ecgdeploy.quantization.precision import Converted, convert, convert_all
from ecgdeploy.quantization.runner import TfliteRunner
from ecgdeploy.training import figures

Derive = Callable[[bytes, bytes], tuple[bytes, dict[str, Any]]]


@dataclass(frozen=True)
class Quantized:
    """The files that one run became.

    Attributes
    ----------
    folder : Path
        ``PRECISION.tflite`` each, and ``manifest.json``.
    manifest : dict
        Per precision: bytes, hash, figures on the test set and agreement with float32.
    """

    folder: Path
    manifest: dict[str, Any]


def compare(reference: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """How far the probabilities `found` [n, classes] are from the float32 ones."""
    difference = np.abs(found - reference)
    return {
        "argmax_agreement": float((found.argmax(1) == reference.argmax(1)).mean()),
        "max_probability_difference": float(difference.max()),
        "mean_probability_difference": float(difference.mean()),
    }


def quantize(
    model: Path,
    folder: Path,
    precisions: Sequence[str],
    calibration: Any,
    test: Any = None,
    *,
    qat_model: Path | None = None,
    derived: Mapping[str, Derive] = MappingProxyType({}),
    made_from: dict[str, Any] | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Quantized:
    """Convert `model` to every one of `precisions` and score each file on `test`.

    Parameters
    ----------
    calibration : CalibrationView
        Training windows; no other view is accepted.
    test : TestView, optional
        Scores the files; nothing is chosen by it.
    qat_model : Path, optional
        Keras model trained on with rounding layers; becomes ``int8-qat.tflite``, and ``float32-qat.tflite`` with the
        same weights unrounded.
    derived : mapping
        Precisions that are made from the int8 file (with `qat_model`: from ``int8-qat``): name -> function of that file
        and the float32 one, which gives a file and what the manifest is to say of it.
    made_from : dict, optional
        Recorded in the manifest: where the model came from.
    report : callable
        Called with one line before each step.

    Raises
    ------
    DataError, ModelError, UsageError
        See `convert`.
    """
    from ecgdeploy.ecg.views import for_calibration, for_scoring

    if calibration is not None:
        for_calibration(calibration)
    if test is not None:
        for_scoring(test)
    report(f"converting to {', '.join(precisions)}")
    plain = [precision for precision in precisions if precision != "mixed" and precision not in derived]
    needed = ["float32", "int8"] if derived else []
    every = [*plain, *(precision for precision in needed if precision not in plain)]
    converted: dict[str, Converted] = convert_all(model, every, calibration) if every else {}
    notes: dict[str, Any] = {}
    if "mixed" in precisions:
        from ecgdeploy.quantization.mixed import mixed

        report("choosing the layers that stay in float")
        with tempfile.TemporaryDirectory(prefix="ecgdeploy-mixed-") as scratch:
            made = mixed(model, calibration, Path(scratch))
        converted["mixed"] = made.file
        notes["mixed"] = {"islands": made.islands, "costs": made.costs, "errors": made.errors}
    if qat_model is not None:
        converted |= _of_qat(qat_model)
    for precision, derive in derived.items():
        base = "int8-qat" if qat_model is not None else "int8"
        content, note = derive(converted[base].content, converted[base.replace("int8", "float32")].content)
        converted[precision] = dataclasses.replace(converted[base], precision=precision, content=content)
        notes[precision] = note
    for precision in set(needed) - set(plain):
        del converted[precision]
    for precision, file in converted.items():
        converted[precision], saved = _folded(file)
        notes.setdefault(precision, {}).update(saved)
        if saved:
            report(f"{precision}: {saved['folded']}; identical outputs")
    for precision, file in converted.items():
        write_atomic(folder / f"{precision}.tflite", file.content)
    entries: dict[str, Any] = {}
    scores: dict[str, np.ndarray] = {}
    for precision, file in converted.items():
        entry: dict[str, Any] = {
            "bytes": len(file.content), "sha256": file.sha256, "calibration": file.calibration, "outputs": file.outputs
        } | notes.get(precision, {})
        if test is not None:
            report(f"scoring {precision} on {len(test)} test windows")
            scores[precision] = _answers(file.content, test)
            entry["test"] = figures.figures(test.targets, scores[precision])
            reference = "float32-qat" if precision.endswith("-qat") else "float32"
            if reference in scores and precision != reference:
                entry["against_float32"] = compare(scores[reference], scores[precision])
        entries[precision] = entry
    manifest = {
        "kind": "quantized model",
        "model_sha256": sha256_file(model),
        "made_from": made_from or {},
        "precisions": json.loads(json.dumps(entries)),
        "test": {} if test is None else {"source": test.source, "windows": len(test), "provenance": test.provenance},
        "versions": versions("tensorflow", "keras", "ai-edge-litert", "numpy"),
    }
    write_manifest(folder, manifest)
    return Quantized(folder, manifest)


def _folded(file: Converted) -> tuple[Converted, dict[str, str]]:
    """The file without Conv1D's EXPAND_DIMS and RESHAPE, where LiteRT's reference kernels give the same bytes."""
    from ecgdeploy.graph.fold import checked_fold
    from ecgdeploy.reference import LiteRtReference

    try:
        folded = checked_fold(file.content, lambda model: LiteRtReference(model, "reference").run, windows=2)
    except ModelError:  # several subgraphs, or kernels that only the optimized set has: it stays as it is
        return file, {}
    if not folded.saved:
        return file, {}
    return dataclasses.replace(file, content=folded.model), {"folded": folded.line()}


def _answers(content: bytes, test: Any) -> np.ndarray:
    runner = TfliteRunner(content)
    return runner.run(test.arrays(len(runner.inputs)))


def _of_qat(model: Path) -> dict[str, Converted]:
    from ecgdeploy.quantization import qat

    with tempfile.TemporaryDirectory(prefix="ecgdeploy-qat-") as scratch:
        plain = Path(scratch) / "unrounded.keras"
        qat.unrounded(qat.load(model)).save(plain)
        float32 = convert(plain, "float32")
    return {
        "float32-qat": dataclasses.replace(float32, precision="float32-qat"),
        "int8-qat": dataclasses.replace(
            convert(model, "int8-qat"), calibration=json.loads((model.parent / qat.CALIBRATION).read_text())
        ),
    }
