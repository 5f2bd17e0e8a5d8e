"""A study's file on a device: the same build, link and scoring as ``ecgdeploy measure``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np


def in_file_order(test: Any, content: bytes) -> Any:
    """The test view with its outputs in the order of the file's output tensors, which is the device's.

    A converted file may hold its outputs in another order than the model that it came from.
    """
    from ecgdeploy.quantization.runner import TfliteRunner

    runner = TfliteRunner(content)
    places, start = {}, 0
    for detail in runner.outputs:
        width = int(detail["shape"][-1])
        places[detail["index"]] = list(range(start, start + width))
        start += width
    columns = [i for detail in runner.interpreter.get_output_details() for i in places[detail["index"]]]
    return dataclasses.replace(
        test, targets=np.ascontiguousarray(test.targets[:, columns]), classes=tuple(test.classes[i] for i in columns)
    )


def measured(model: Path, test: Any, folder: Path, *, board: str, name: str) -> dict[str, Any]:
    """Build `model` for the emulated `board`, stream every test window, score; resumes its journal.

    Returns
    -------
    dict
        macro AUC on the device, outputs compared with the golden reference and identical, instructions, memory.

    Raises
    ------
    BuildError, DeviceError, ModelError
        The model does not fit, an operator is not supported, the emulator died.
    """
    from ecgdeploy.devices import open_device
    from ecgdeploy.measure.run import Request, measure
    from ecgdeploy.projects import build

    firmware = build(model, board, emulate=True)
    facts = firmware.manifest["facts"]
    options = {"machine": facts["machine"]} if "machine" in facts else {}
    request = Request(
        model=model,
        float_model=None,
        name=name,
        test=in_file_order(test, model.read_bytes()),
        build=firmware,
        open_device=lambda: open_device(
            elf=firmware.elf, uart=False, expect_model=firmware.manifest["model"]["sha256"], **options
        ),
        folder=folder,
        resume=(folder / "journal.jsonl").exists(),
    )
    result = measure(request).as_dict()
    column = result["columns"]["device"]
    return {
        "board": board,
        "engine": firmware.manifest["engine"],
        "emulated": True,
        "build_id": firmware.build_id,
        "macro_auc": column["macro_auc"],
        "macro_auc_95": column["intervals"]["macro_auc"],
        "bit_exact": result["bit_exact"],
        "latency": result["latency"],
        "memory": result["memory"],
        "golden": result["provenance"]["golden"],
        "windows": len(test),
    }
