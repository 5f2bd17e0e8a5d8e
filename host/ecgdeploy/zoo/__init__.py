"""The model zoo: trained presets that are part of the package. Files only; TensorFlow is not needed to use them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgdeploy.errors import ModelError, unknown
from ecgdeploy.provenance import sha256_file

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Preset:
    """A trained model of the zoo.

    Attributes
    ----------
    name : str
    float32, int8 : Path
        The ``.tflite`` files; int8 has integer input and output.
    config : Path
        The training configuration (TOML) that ``ecgdeploy train --preset`` reads.
    card : dict
        What it is for, what made it, data, split, figures and hashes.
    """

    name: str
    float32: Path
    int8: Path
    config: Path
    card: dict[str, Any]


def names() -> list[str]:
    """Names of the presets."""
    return sorted(path.parent.name for path in FOLDER.glob("*/train.toml"))


def config_path(name: str) -> Path:
    """The training configuration of a preset, trained or not.

    Raises
    ------
    UsageError
        Unknown preset.
    """
    if name not in names():
        raise unknown("preset", name, names())
    return FOLDER / name / "train.toml"


def preset(name: str) -> Preset:
    """A trained preset, its files checked against the hashes on its card.

    Raises
    ------
    UsageError
        Unknown preset.
    ModelError
        A file is missing or is not the one the card describes.
    """
    config = config_path(name)
    folder = config.parent
    try:
        card = json.loads((folder / "card.json").read_text())
    except (OSError, ValueError) as error:
        raise ModelError(f"preset {name} has no model card", f"ecgdeploy train --preset {name}") from error
    for precision, facts in card["files"].items():
        path = folder / f"{precision}.tflite"
        if not path.is_file() or sha256_file(path) != facts["sha256"]:
            raise ModelError(f"preset {name}: {path.name} is not the file its card describes", "reinstall ecgdeploy")
    return Preset(name, folder / "float32.tflite", folder / "int8.tflite", config, card)
