"""What a model is said to cost, and what it costs: proxy and measured instructions side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.errors import EcgDeployError
from ecgdeploy.graph import ModelCost, energy_proxy, model_cost, read_tflite


@dataclass(frozen=True)
class SideBySide:
    """One model.

    Attributes
    ----------
    file_bytes : of the ``.tflite``
    cost : from the graph
    host_ms : median of an invocation by LiteRT on this computer, one thread
    proxy, proxy_nonzero : `energy_proxy` of all MACs, and of those that are not zero (what unstructured pruning claims)
    instructions, flash_bytes, ram_bytes : measured on the emulated Cortex-M4F, static engine; None where it cannot run
    refused : why it cannot
    """

    model: str
    file_bytes: int
    cost: ModelCost
    host_ms: float
    proxy: float
    proxy_nonzero: float
    instructions: int | None
    flash_bytes: int | None
    ram_bytes: int | None
    refused: str

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def side_by_side(model: Path, *, emulate: bool = True, runs: int = 50) -> SideBySide:
    """Cost of one ``.tflite`` in every currency.

    Parameters
    ----------
    emulate : bool
        Measure instructions too: builds an image and runs it on the emulated board.
    runs : int
        Invocations on the host; the first tenth warms up.

    Raises
    ------
    ModelError
        Not a model, or LiteRT does not run it. What the static engine refuses is recorded, not raised.
    """
    graph = read_tflite(model, supported=False)
    cost = model_cost(graph)
    milliseconds = host_milliseconds(model.read_bytes(), runs)
    instructions = flash = ram = None
    refused = "" if emulate else "not asked for"
    if emulate:
        from ecgdeploy.measure.bench import bench_model

        try:
            result = bench_model(model, limit=2)
            instructions, flash, ram = result.instructions, result.flash_bytes, result.ram_bytes
        except EcgDeployError as error:
            refused = str(error)
    return SideBySide(
        model.stem, model.stat().st_size, cost, milliseconds, energy_proxy(cost.macs, milliseconds),
        energy_proxy(cost.macs_nonzero, milliseconds), instructions, flash, ram, refused,
    )  # fmt: skip


def host_milliseconds(content: bytes, runs: int = 50) -> float:
    """Median time of an invocation by LiteRT on this computer, one thread, on noise."""
    from ecgdeploy.quantization.runner import TfliteRunner

    runner = TfliteRunner(content)
    rng = np.random.default_rng(0)
    warm = max(1, runs // 10)
    arrays = tuple(
        rng.normal(0, 1, (runs + warm, *detail["shape"][1:])).astype(np.float32) for detail in runner.inputs
    )
    return float(1e3 * np.median(runner.timed(arrays)[1][warm:]))


def ratios(found: Sequence[SideBySide]) -> list[dict[str, float | None]]:
    """Each model's figures as shares of the first one's: does the proxy tell what the instructions tell?"""
    first = found[0]

    def share(now: float | None, before: float | None) -> float | None:
        return now / before if now is not None and before else None

    return [
        {
            "macs": share(one.cost.macs, first.cost.macs),
            "proxy": share(one.proxy, first.proxy),
            "proxy_nonzero": share(one.proxy_nonzero, first.proxy_nonzero),
            "instructions": share(one.instructions, first.instructions),
            "flash": share(one.flash_bytes, first.flash_bytes),
        }
        for one in found
    ]
