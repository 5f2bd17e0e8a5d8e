"""The full form for a few steps: does everything fit, and how long would it take."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

from ecgdeploy.training import run
from ecgdeploy.training.config import RunConfig

STEPS = 3


class _Enough(Exception):
    """Raised after the last step that is wanted."""


def rehearse(config: RunConfig, task: Any, folder: Path, threads: int | None, steps: int = STEPS) -> dict[str, Any]:
    """Write the shards of all training data, take `steps` full-size training steps, and say what a run would need.

    Returns
    -------
    dict
        Windows, steps an epoch, seconds a step (without the first, which compiles), hours of the whole training, and
        the process's peak memory in bytes.
    """
    ends: list[float] = []
    count = 0

    def step(_epoch: int, _step: int, of: int, _loss: float) -> None:
        nonlocal count
        ends.append(time.monotonic())
        count = of
        if len(ends) == steps:
            raise _Enough

    try:
        run.train(config, folder, task=task, threads=threads, report=step)
    except _Enough:
        pass
    seconds = (ends[-1] - ends[0]) / max(len(ends) - 1, 1)
    return {
        "network": config.model.model_dump(),
        "batch": config.batch,
        "training_windows": len(task.train()),
        "steps_an_epoch": count,
        "epochs": config.epochs,
        "seconds_a_step": seconds,
        "hours": seconds * count * config.epochs / 3600,
        "shard_bytes": sum(path.stat().st_size for path in folder.rglob("*.npy")),
        "peak_host_ram_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
