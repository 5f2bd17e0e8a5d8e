"""What a Linux board says of itself, measured on it: latency alone, memory, throttling, energy.

The program in the bundle times its own inferences (``--bench``), so that neither link nor host is in it.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict
from typing import Any

from ecgdeploy.boards import Linux
from ecgdeploy.devices.board_state import BoardState, read_state
from ecgdeploy.devices.ssh import Done, Remote, current_program
from ecgdeploy.errors import DeviceError

SECONDS = 10.0
SPARE_S = 60.0
POWER_EVERY_S = 1.0
FIGURES = (
    "iterations", "warm_up", "minimum_ns", "median_ns", "p95_ns", "p99_ns", "maximum_ns", "mean_ns", "elapsed_ns",
)  # fmt: skip


def unavailable(reason: str) -> dict[str, Any]:
    """The same shape without a figure, and why."""
    return {"latency": None, "peak_rss_bytes": None, "energy": None, "before": None, "after": None, "reason": reason}


def bench(remote: Remote, linux: Linux, seconds: float = SECONDS) -> dict[str, Any]:
    """Let the deployed release time itself, and read the board's sensors meanwhile.

    Parameters
    ----------
    remote : Remote
        The board; commands of two threads run side by side.
    linux : Linux
        Its facts: which sensors it has.
    seconds : float
        How long at least; never fewer than 10 inferences, after a second of warming up.

    Returns
    -------
    dict
        ``latency`` (nanoseconds of the board's monotonic clock), ``peak_rss_bytes`` (of the process, before samples are
        kept), ``energy``, ``before``, ``after`` (`BoardState`), ``reason`` for what is None.

    Raises
    ------
    DeviceError
        The release cannot be run.
    """
    before = read_state(remote, linux)
    if before.machine:
        return unavailable(f"emulated: the board is '{before.machine}', whose time is this computer's")
    program = current_program(remote)
    states: list[BoardState] = []
    with ThreadPoolExecutor(1) as executor:
        running = executor.submit(remote.run, f"{program} --bench {seconds:g}", timeout=seconds + SPARE_S)
        while not states or not running.done():
            states.append(read_state(remote, linux))
            wait([running], timeout=POWER_EVERY_S)
        figures = _figures(remote, running.result())
    after = read_state(remote, linux)
    found = {
        "latency": {name: figures[name] for name in FIGURES},
        "peak_rss_bytes": figures["peak_rss_bytes"],
        "energy": _energy(before, states, figures["mean_ns"]),
        "before": asdict(before),
        "after": asdict(after),
        "reason": "",
    }
    if before.throttled or after.throttled:
        found |= {"latency": None, "energy": None, "reason": f"throttled: {before.throttling}, {after.throttling}"}
    return found


def _figures(remote: Remote, done: Done) -> dict[str, int]:
    try:
        figures = json.loads((done.output.strip().splitlines() or [""])[-1])
        return {name: int(figures[name]) for name in (*FIGURES, "peak_rss_bytes")}
    except (ValueError, KeyError, TypeError):
        said = (done.errors.strip().splitlines() or [f"status {done.status}"])[-1]
        raise DeviceError(f"{remote.name}: the release cannot measure itself: {said}",
                          "flash this version's bundle: ecgdeploy flash FOLDER --host USER@HOST") from None


def _energy(before: BoardState, states: list[BoardState], mean_ns: int) -> dict[str, Any]:
    """Power while the board computes, and what that is for one inference; idle power is not taken out."""
    powers = [state.power_mw for state in states if state.power_mw is not None]
    if not powers:
        return {"millijoule_per_inference": None, "power_mw": None, "idle_power_mw": None, "readings": 0,
                "source": before.power}
    power = sum(powers) / len(powers)
    return {"millijoule_per_inference": power * mean_ns * 1e-9, "power_mw": power, "idle_power_mw": before.power_mw,
            "readings": len(powers), "source": before.power}
