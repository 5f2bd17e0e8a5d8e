"""A study's file on a device: the same build, link and scoring as ``ecgdeploy measure``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def measured(
    model: Path,
    test: Any,
    folder: Path,
    *,
    board: str,
    name: str,
    groups: dict[str, tuple[int, int]],
    engine: str | None = None,
) -> dict[str, Any]:
    """Build `model` for the emulated `board`, stream every test window, score; resumes its journal.

    A journal of another build is kept beside the new one, as ``journal.jsonl.previous``.

    Returns
    -------
    dict
        Figures on the device, outputs compared with the golden reference and identical, instructions, memory.

    Raises
    ------
    BuildError, DeviceError, ModelError
        The model does not fit, an operator is not supported, the emulator died.
    """
    from ecgdeploy.devices import open_device
    from ecgdeploy.measure.journal import build_of
    from ecgdeploy.measure.run import Request, measure
    from ecgdeploy.measure.session import emulated_line
    from ecgdeploy.projects import build
    from ecgdeploy.toolchains.linkmap import parse_map, weight_bytes

    firmware = build(model, board, engine=engine, emulate=True)
    request = Request(
        model=model,
        float_model=None,
        name=name,
        test=test,
        groups=groups,
        build=firmware,
        open_device=lambda: open_device(
            **emulated_line(firmware), expect_model=firmware.manifest["model"]["sha256"]
        ),
        folder=folder,
        # answers of firmware that a newer ecgdeploy no longer builds count for nothing: the journal is begun anew
        resume=build_of(folder / "journal.jsonl") == firmware.build_id,
    )
    result = measure(request).as_dict()
    column = result["columns"]["device"]
    linked = firmware.elf.with_suffix(".map") if firmware.elf else None
    return {
        "board": board,
        "engine": firmware.manifest["engine"],
        "emulated": True,
        "build_id": firmware.build_id,
        "macro_auc": column.get("macro_auc"),
        "macro_auc_95": column["intervals"].get("macro_auc"),
        "accuracy": column.get("accuracy"),
        "macro_f1": column.get("macro_f1"),
        "bit_exact": result["bit_exact"],
        "latency": result["latency"],
        "memory": result["memory"],
        "weight_bytes": sum(weight_bytes(parse_map(linked.read_text())).values())
        if linked and linked.is_file()
        else None,
        "program_bytes": firmware.elf.stat().st_size if firmware.elf else None,
        "golden": result["provenance"]["golden"],
        "windows": len(test),
    }
