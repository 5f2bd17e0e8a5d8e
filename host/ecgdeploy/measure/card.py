"""A preset's figures on the emulated board, kept beside its model card, and whether they still hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ecgdeploy.errors import DataError
from ecgdeploy.provenance import write_atomic

SCHEMA = 2
NAME = "device.json"
# the emulator's figures are exact and repeatable: what differs has changed
EXACT = "exact"


def figures(result: dict[str, Any], limit: int | None) -> dict[str, Any]:
    """What a card says of a measurement: how it was made, and every figure."""
    facts, memory, device = result["provenance"], result["memory"], result["columns"]["device"]
    return {
        "schema": SCHEMA, "tolerance": EXACT, "limit": limit, "board": facts["board"], "engine": facts["engine"],
        "model_sha256": facts["model_sha256"], "windows": facts["windows"], "records": facts["records"],
        "data_sha256": facts["data"]["data_sha256"], "split_sha256": facts["data"]["split_sha256"],
        "identical": result["bit_exact"]["identical"],
        "instructions_median": result["latency"]["median"], "instructions_maximum": result["latency"]["maximum"],
        "flash": memory["flash_total"], "ram": memory["ram_total"],
        "scores": {key: value for key, value in device.items() if isinstance(value, float)},
    }  # fmt: skip


def read(path: Path) -> dict[str, Any]:
    """The figures in a file.

    Raises
    ------
    DataError
        It is missing or of another schema.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: no figures of a device", "ecgdeploy zoo card NAME") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise DataError(f"{path}: is not of schema {SCHEMA}", "ecgdeploy zoo card NAME")
    return content


def write(path: Path, content: dict[str, Any]) -> None:
    """Write figures, sorted and indented."""
    write_atomic(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


QUICK = "quick"
#: windows of the quick check, enough to run every operator and to see another answer
QUICK_WINDOWS = 12


def differences(card: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Every figure that no longer holds, as ``name: card, now``; empty when all do.

    A part of the card that was not measured again (`found` lacks ``quick``) is not looked at.
    """
    keys = sorted((card.keys() | found.keys()) - ({QUICK} - found.keys()))
    lines = []
    for key in keys:
        if key == QUICK:
            lines += [f"{QUICK}: {line}" for line in differences(card.get(key, {}), found[key])]
        elif card.get(key) != found.get(key):
            lines.append(f"{key}: card {card.get(key)}, now {found.get(key)}")
    return lines
