"""Making a preset from a training run: the files, and a model card with what made them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from ecgdeploy.errors import UsageError
from ecgdeploy.provenance import read_manifest, sha256_file, write_atomic

PRECISIONS = ("float32", "int8")


def pack(run: Path, folder: Path, *, summary: str, intended_use: str, not_for: str) -> dict[str, Any]:
    """Copy a quantized run's files into `folder` and write ``card.json``.

    Parameters
    ----------
    run : Path
        Run folder with ``tflite/`` as ``ecgdeploy quantize`` leaves it.
    summary, intended_use, not_for : str
        What a person must know before using the model.

    Raises
    ------
    UsageError
        The run has no scored float32 and int8 file, or a file changed since.
    """
    try:
        trained, quantized = read_manifest(run), read_manifest(run / "tflite")
    except (OSError, ValueError) as error:
        raise UsageError(f"{run} is not a trained and quantized run", "ecgdeploy train, then quantize") from error
    files: dict[str, Any] = {}
    # a run that was trained on with rounding is what its QAT files say; both files hold the same weights
    qat = "int8-qat" in quantized["precisions"]
    for precision in PRECISIONS:
        made = f"{precision}-qat" if qat else precision
        entry = quantized["precisions"].get(made)
        source = run / "tflite" / f"{made}.tflite"
        if not entry or "test" not in entry:
            raise UsageError(f"{run} has no scored {precision} file", "ecgdeploy quantize RUN, without --no-test")
        if sha256_file(source) != entry["sha256"]:
            raise UsageError(f"{source} changed since it was scored", "ecgdeploy quantize RUN again")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / f"{precision}.tflite")
        files[precision] = entry
    provenance = trained["provenance"]["training"]
    last = read_manifest(run / quantized["made_from"].get("qat", "qat")) if qat else trained
    option = f" --qat {last['config']['epochs']}" if qat else ""
    if qat:
        option += f" --rate {last['config']['optimizer']['learning_rate']:g}"
        option += " --distil" if last["config"].get("teacher") else ""
    card = {
        "schema": 1,
        "name": trained["config"]["name"],
        "summary": summary,
        "intended_use": intended_use,
        "not_for": not_for,
        "classes": trained["classes"],
        "parameters": trained["parameters"],
        "task": trained["config"]["task"],
        "data": trained["source"],
        "data_sha256": provenance["data_sha256"],
        "synthetic": trained["synthetic"],
        "split": provenance["split"],
        "split_sha256": provenance["split_sha256"],
        "preprocessing": provenance["preprocessing"],
        "windows": trained["windows"],
        "positives": trained["positives"],
        "validation": last["validation"],
        "files": files,
        "test": {"source": quantized["test"]["source"], "windows": quantized["test"]["windows"]},
        "config": trained["config"],
        "config_sha256": trained["config_sha256"],
        "trained_on": last["config"] if qat else None,
        "weights_sha256": last["weights_sha256"],
        "best_epoch": last["best_epoch"],
        "made_by": (
            f"ecgdeploy train --preset {trained['config']['name']} --threads 1 --output RUN; "
            f"ecgdeploy quantize RUN{option}; ecgdeploy zoo pack RUN FOLDER"
        ),
        "versions": trained["versions"] | quantized["versions"],
    }
    write_atomic(folder / "card.json", json.dumps(card, indent=1, sort_keys=True) + "\n")
    return card

