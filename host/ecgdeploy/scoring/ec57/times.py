"""Times as the WFDB applications write them: ``5:0``, ``300``, ``1:30:0.5``, ``s5000``, ``e``, ``[12:00:00]``."""

from __future__ import annotations

import re

from ecgdeploy.errors import UsageError
from ecgdeploy.scoring.ec57.annotations import Header

_HINT = "write h:m:s, m:s, seconds, sNNN (sample number), e (end of record) or [hh:mm:ss] (time of day)"


def parse_time(text: str, header: Header) -> int:
    """Turn a time string into a sample number.

    Parameters
    ----------
    text : str
        ``h:m:s``, ``m:s`` or seconds (all may have fractions), ``s`` and a sample number, ``e`` for the end of the
        record, ``i`` for its beginning, or ``[hh:mm:ss]`` for a time of day.
    header : Header
        The record's sampling frequency, length and start.

    Raises
    ------
    UsageError
        When `text` is none of these, or needs what the header does not state.
    """
    text = text.strip()
    if text == "e":
        return header.samples or 0
    if text in ("i", "-"):
        return 0
    if match := re.fullmatch(r"s(\d+)", text):
        return int(match.group(1))
    if match := re.fullmatch(r"\[([^\] ]+)(?: .*)?\]", text):
        if header.start_of_day is None:
            raise UsageError(f"'{text}' is a time of day, but the header names no start", _HINT)
        return int(((_seconds(match.group(1), text) - header.start_of_day) % 86400) * header.rate + 0.5)
    return int(_seconds(text, text) * header.rate + 0.5)


def _seconds(clock: str, text: str) -> float:
    parts = clock.split(":")
    if len(parts) > 3 or not all(re.fullmatch(r"\d*\.?\d*", part) and part != "." for part in parts):
        raise UsageError(f"'{text}' is no time", _HINT)
    if not any(parts):
        raise UsageError(f"'{text}' is no time", _HINT)
    seconds = 0.0
    for part in parts:
        seconds = 60 * seconds + float(part or 0)
    return seconds
