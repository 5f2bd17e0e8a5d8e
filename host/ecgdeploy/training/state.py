"""Everything that a resumed run needs, in one file that is written whole or not at all."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.errors import DataError
from ecgdeploy.provenance import write_atomic

STATE = "state.npz"
BEST = "best.npz"


@dataclass
class Progress:
    """Where a run stands; `epoch` and `step` are the next to do.

    ``loss_sum`` carries a half-done epoch's training loss over the interruption.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    best: float | None = None
    best_epoch: int = -1
    finished: bool = False
    history: list[dict[str, float]] = field(default_factory=list)


def _pack(arrays: Sequence[np.ndarray], note: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    content = {f"v{index:04d}": np.asarray(array) for index, array in enumerate(arrays)}
    np.savez(buffer, note=np.frombuffer(json.dumps(note).encode(), np.uint8), **content)  # type: ignore[arg-type]
    return buffer.getvalue()


def save(path: Path, arrays: Sequence[np.ndarray], progress: Progress, config_sha256: str) -> None:
    """Write variables and progress atomically."""
    write_atomic(path, _pack(arrays, {"progress": asdict(progress), "config": config_sha256}))


def load(path: Path, config_sha256: str) -> tuple[list[np.ndarray], Progress] | None:
    """Read what `save` wrote; None where there is nothing yet.

    Raises
    ------
    DataError
        The checkpoint is damaged, or belongs to another configuration.
    """
    if not path.exists():
        return None
    try:
        with np.load(path) as content:
            note = json.loads(bytes(content["note"]))
            arrays = [content[name] for name in sorted(content.files) if name != "note"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"checkpoint {path} is damaged", "delete the run folder and train again") from error
    if note["config"] != config_sha256:
        raise DataError(
            f"checkpoint {path} belongs to another configuration", "choose another --output, or delete the folder"
        )
    return arrays, Progress(**note["progress"])
