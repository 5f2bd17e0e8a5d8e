"""Compare two annotators of a record by name, as the reference program does from its command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ecgdeploy.errors import DataError
from ecgdeploy.scoring.ec57.annotations import find_record, read_annotations, read_header
from ecgdeploy.scoring.ec57.compare import (
    EITHER_ENDS,
    LEARNING_SECONDS,
    REFERENCE_ENDS,
    Comparison,
    compare_annotations,
)
from ecgdeploy.scoring.ec57.times import parse_time


def compare_record(
    folders: Sequence[Path],
    record: str,
    annotators: tuple[str, str],
    *,
    start: str | None = None,
    end: str | None = None,
    window: str | None = None,
) -> Comparison:
    """Compare two annotators of one record.

    Parameters
    ----------
    folders : sequence of Path
        Where to look for the header and the annotation files, in order.
    record : str
        Record name.
    annotators : tuple of str
        Reference and test annotator (the files' suffixes).
    start, end, window : str, optional
        Times as the reference program takes them (see `parse_time`); by default five minutes, the end of the record,
        and 150 ms. An `end` of 0 stops where either annotator ends.

    Returns
    -------
    Comparison

    Raises
    ------
    DataError
        When a file is missing or damaged, or the interval is empty.
    UsageError
        When a time cannot be read.
    """
    header = read_header(find_record(folders, f"{record}.hea"))
    reference, test = (
        read_annotations(find_record(folders, f"{record}.{annotator}"), header.rate) for annotator in annotators
    )
    first = int(LEARNING_SECONDS * header.rate + 0.5) if start is None else parse_time(start, header)
    last: int | str = header.samples if header.samples is not None else REFERENCE_ENDS
    if end is not None:
        last = parse_time(end, header) or EITHER_ENDS
    if isinstance(last, int) and last < first:
        raise DataError(
            f"record {record}: nothing to compare, it would start at sample {first} and end at {last}",
            "the first five minutes are a learning period: choose another start with -f",
        )
    return compare_annotations(
        reference,
        test,
        header.rate,
        start=first,
        end=last,
        window=None if window is None else parse_time(window, header),
    )
