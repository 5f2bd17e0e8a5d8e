"""Validity codes: what makes a measurement invalid or leaves it unmeasured, in one table.

A run that carries an invalid code is reported as invalid: figures the code spoils are left out, never averaged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

INVALID, UNMEASURED = "invalid", "unmeasured"
TIME, MEMORY, ANSWERS = "time", "memory", "answers"

# a third of a run this much slower or faster than another third has drifted; data-dependent cost stays far below it
DRIFT_LIMIT = 0.01
DRIFT_LEAST_COUNT = 30


@dataclass(frozen=True)
class Code:
    """A validity code.

    Attributes
    ----------
    name : str
    severity : str
        ``invalid``, or ``unmeasured`` where the figure was never claimed.
    spoils : tuple of str
        What must not be reported under it: ``time``, ``memory``, ``answers``.
    text, hint : str
        What it means and what to do.
    """

    name: str
    severity: str
    spoils: tuple[str, ...]
    text: str
    hint: str


TABLE = (
    # raised by the device: the names are those of the protocol's measurement flags
    Code("clock_frozen", INVALID, (TIME,), "the clock did not move during an inference", "check the port's counter"),
    Code("clock_wrapped", INVALID, (TIME,), "the clock wrapped during an inference", "use a wider counter"),
    Code("counter_disabled", INVALID, (TIME,), "the counter is off, or counts nothing known",
         "run QEMU with -icount; on a board enable its cycle counter"),
    Code("stack_margin", INVALID, (MEMORY,), "less than the safety margin of the stack was left",
         "give the image a larger stack"),
    Code("watchdog_reset", INVALID, (TIME, MEMORY), "the board was restarted by its watchdog or by a fault",
         "find the cause, then measure again"),
    # found by the host
    Code("output_not_identical", INVALID, (ANSWERS,), "an output differs from the golden reference",
         "run `ecgdeploy diff --layers` to find the operator"),
    Code("input_crc_mismatch", INVALID, (ANSWERS,), "the engine was fed other bytes than were sent",
         "report it with the run folder"),
    Code("drift", INVALID, (TIME,), "the time of an inference changed during the run",
         "let the board cool down, and keep other work off it"),
    Code("throttled", INVALID, (TIME,), "the board slowed itself down during or before the run",
         "cool it, use the power supply it asks for, restart it, and measure again"),
    Code("emulated", UNMEASURED, (), "emulated: instructions were counted, time and energy were not measured",
         "measure on the board"),
)  # fmt: skip
BY_NAME = {code.name: code for code in TABLE}


def drift(ticks: Sequence[int] | np.ndarray) -> float:
    """Change of the median time between the first and the last third of a run, relative; 0 for a short run.

    Parameters
    ----------
    ticks : int array [n]
        In the order of measurement.
    """
    values = np.asarray(ticks, dtype=float)
    if len(values) < DRIFT_LEAST_COUNT:
        return 0.0
    third = len(values) // 3
    first, last = np.median(values[:third]), np.median(values[-third:])
    return float(last / first - 1.0) if first > 0 else 0.0


def codes(
    flags: Iterable[str], ticks: Sequence[int] | np.ndarray, *, emulated: bool, difference: str | None
) -> tuple[str, ...]:
    """Codes of a run, each once, with a detail behind a colon where there is one.

    Parameters
    ----------
    flags : iterable of str
        Everything the device raised during the run.
    ticks : int array [n]
        Time of each inference.
    emulated : bool
        Whether the device was emulated.
    difference : str or None
        Where the first output differs from the golden reference.
    """
    found = list(dict.fromkeys(flags))
    change = drift(ticks)
    if abs(change) > DRIFT_LIMIT:
        found.append(f"drift: {change:+.1%} between the first and the last third")
    if difference:
        found.append(f"output_not_identical: {difference}")
    if emulated:
        found.append("emulated")
    return tuple(found)


def name_of(code: str) -> str:
    """Name of a code with or without its detail."""
    return code.split(":", 1)[0]


def invalid(validity: Iterable[str]) -> list[str]:
    """Those of a run's codes that make it invalid; an unknown one does."""
    return [code for code in validity if name_of(code) not in BY_NAME or BY_NAME[name_of(code)].severity == INVALID]


def spoilt(validity: Iterable[str], what: str) -> list[str]:
    """Those of a run's codes under which `what` (``time``, ``memory``, ``answers``) must not be reported."""
    names = [name_of(code) for code in validity]
    return [name for name in names if name in BY_NAME and what in BY_NAME[name].spoils]
