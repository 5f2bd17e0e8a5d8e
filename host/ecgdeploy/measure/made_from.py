"""A model made on one split must not be scored on another: what trained it could then be what tests it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ecgdeploy.errors import DataError
from ecgdeploy.provenance import MANIFEST, sha256_file


def refuse_other_split(model: Path, task: Any) -> None:
    """Hold a project's task against the manifest beside the model; models without one are not asked.

    Raises
    ------
    DataError
        Data, windows, preprocessing or split changed since the model was trained.
    """
    wanted = getattr(task, "sha256", None)
    try:
        manifest = json.loads((model.parent / MANIFEST).read_text())
        made_on = manifest["made_from"]["task"]
        files = {entry["sha256"] for entry in manifest["precisions"].values()}
    except (OSError, ValueError, KeyError, TypeError):
        return
    if wanted is None or sha256_file(model) not in files or made_on == wanted:
        return
    raise DataError(
        f"{model} was trained and calibrated with other data, windows or split than the project has now",
        "ecgdeploy train, then ecgdeploy quantize: test records must not have trained it",
    )
