"""Aggregate statistics of a line-format file (EC57 clauses 3.5.2 and 3.5.3), as the reference program sumstats prints.

*Gross* statistics give every beat the same weight, *average* statistics every record. The layout and the habits of the
reference program are kept, among them one that looks like a slip: its gross shares of beats missed in shutdown are half
of what the counts give (EC57 itself does not ask for them).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ecgdeploy.errors import DataError
from ecgdeploy.scoring.ec57.report import LINE_HEADS, SHUTDOWN_HEADS
from ecgdeploy.scoring.values import ratio

Pair = tuple[int, int]


@dataclass(frozen=True)
class _Table:
    """One kind of line-format file: its head, how many counts a line has, and how they become shares."""

    head: str
    counts: int
    summarize: Callable[[list[list[int]], list[list[str]]], str]


def sumstats(text: str, name: str = "the file") -> str:
    """Append aggregate statistics to a line-format report.

    Parameters
    ----------
    text : str
        A file written with ``-l`` or ``-L``, column headings included.
    name : str
        What to call the file in an error.

    Returns
    -------
    str
        The input and the statistics, as the reference program prints them.

    Raises
    ------
    DataError
        When the file is empty, has no known column headings, or a line is malformed.
    """
    if not text:
        raise DataError(f"{name} is empty", "write it with 'ecgdeploy ec57 -l' or '-L'")
    table = next((table for table in _TABLES if text.startswith(table.head.splitlines(keepends=True)[0])), None)
    if table is None:
        raise DataError(
            f"{name} has no column headings of an EC57 line report",
            "write it with 'ecgdeploy ec57 -l' or '-L' into a new file",
        )
    lines = text.splitlines()
    head = table.head.count("\n")
    counts: list[list[int]] = []
    rest: list[list[str]] = []
    for number, line in enumerate(lines[head:], start=head + 1):
        fields = line.split()
        try:
            counts.append([int(field) for field in fields[1 : 1 + table.counts]])
        except ValueError:
            counts.append([])
        if len(counts[-1]) < table.counts:
            raise DataError(f"{name}, line {number}: no line of an EC57 report: '{line}'", "remove it")
        rest.append(fields[1 + table.counts :])
    body = text if text.endswith("\n") else text + "\n"
    summary = table.summarize(counts, rest)
    # a shutdown line without totals adds to the sums only
    records = sum(1 for fields in rest if table.head not in SHUTDOWN_HEADS.values() or _totals(fields))
    return body + summary + f"\nSummary of results from {records} record{'' if records == 1 else 's'}\n"


def _sums(counts: list[list[int]], width: int) -> list[int]:
    return [sum(column) for column in zip(*counts, strict=True)] if counts else [0] * width


def _row(label: str, gap: int, cells: Sequence[str]) -> str:
    return f"{label:<{gap}}" + "".join(cells) + "\n"


def _cell(value: float, digits: int = 2) -> str:
    return "      -" if math.isnan(value) else f" {value:6.{digits}f}"


def _percent(pair: Pair) -> float:
    return 100.0 * ratio(*pair)


def _mean(rows: list[list[Pair]], column: int) -> float:
    shares = [ratio(*row[column]) for row in rows if row[column][1]]
    return 100.0 * sum(shares) / len(shares) if shares else math.nan


def _line_pairs(c: list[int]) -> list[Pair]:
    nn, vn, fn, on, nv, vv, fv, ov, no, vo, fo = c
    matched = nn + vn + fn + nv + vv + fv
    return [
        (matched, matched + no + vo + fo),
        (matched, matched + on + ov),
        (vv, vn + vv + vo),
        (vv, nv + vv + ov),
        (nv + ov, nv + ov + nn + fn + on),
    ]


def _line_pairs_sveb(c: list[int]) -> list[Pair]:
    nn, sn, vn, fn, on, ns, ss, vs, fs, os_, nv, sv, vv, fv, ov, no, so, vo, fo = c
    matched = nn + sn + vn + fn + ns + ss + vs + fs + nv + sv + vv + fv
    return [
        (matched, matched + no + so + vo + fo),
        (matched, matched + on + os_ + ov),
        (vv, vn + vs + vv + vo),
        (vv, nv + sv + vv + ov),
        (ss, sn + ss + sv + so),
        (ss, ns + ss + vs + os_),  # the line's Fs' mixes F, which counts, with Q, which does not: left out
    ]


def _summarize_line(counts: list[list[int]], rest: list[list[str]]) -> str:  # noqa: ARG001
    pairs = [_line_pairs(row) for row in counts]
    sums = _sums(counts, 11)
    gross = _line_pairs(sums)
    digits = (2, 2, 2, 2, 3)
    widths = (6, 3, 3, 3, 3, 4, 3, 3, 3, 3, 3)
    text = "_" * 86 + "\n"
    text += "Sum " + "".join(f" {n:{w}d}" for n, w in zip(sums, widths, strict=True)) + "\n"
    text += _row("Gross", 54, [_cell(_percent(pair), d) for pair, d in zip(gross, digits, strict=True)])
    text += _row("Average", 54, [_cell(_mean(pairs, k), d) for k, d in enumerate(digits)])
    return text + f"Total QRS complexes: {gross[0][1]}  Total VEBs: {gross[2][1]}\n"


def _summarize_line_sveb(counts: list[list[int]], rest: list[list[str]]) -> str:
    pairs = [_line_pairs_sveb(row) for row in counts]
    sums = _sums(counts, 19)
    gross = _line_pairs_sveb(sums)
    errors = [float(fields[6]) for fields in rest if len(fields) > 6 and _number(fields[6])]
    # in this order of operations a tie in the last digit falls as in the reference program
    mean_error = 100.0 * (sum(errors) / 100.0) / len(errors) if errors else math.nan
    widths = (6, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 3, 3, 3, 3, 3, 3)
    text = "_" * 132 + "\n"
    text += "Sum" + "".join(f" {n:{w}d}" for n, w in zip(sums, widths, strict=True)) + "\n"
    text += _row("Gross", 83, [_cell(_percent(pair)) for pair in gross])
    text += _row("Average", 83, [*(_cell(_mean(pairs, k)) for k in range(6)), _cell(mean_error)])
    return text + f"Total QRS complexes: {gross[0][1]}  Total VEBs: {gross[2][1]}  Total SVEBs: {gross[4][1]}\n"


def _number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _totals(fields: list[str]) -> list[int]:
    """The five totals that end a shutdown line (N, S, V, F, Q); empty when they are not there."""
    if "seconds" not in fields:
        return []
    totals = fields[fields.index("seconds") + 1 :]
    return [int(field) for field in totals[:5]] if len(totals) >= 5 and all(map(str.isdigit, totals[:5])) else []


def _seconds(rest: list[list[str]]) -> int:
    total = 0
    for fields in rest:
        if "seconds" in fields and _number(fields[fields.index("seconds") - 1]):
            total += int(fields[fields.index("seconds") - 1])
    return total


def _summarize_shutdown(counts: list[list[int]], rest: list[list[str]]) -> str:
    missed = [(row, _totals(fields)) for row, fields in zip(counts, rest, strict=True)]
    pairs = [_shutdown_pairs(row, totals) for row, totals in missed if totals]
    sums = _sums(counts, 4)
    gross = [(sum(p[k][0] for p in pairs), 2 * sum(p[k][1] for p in pairs)) for k in range(4)]
    text = "_" * 68 + "\n"
    text += f"Sum   {sums[0]:4d} {sums[1]:4d} {sums[2]:4d} {sums[3]:4d}" + " " * 31 + f"{_seconds(rest):4d} seconds\n"
    text += _row("Gross", 25, [_cell(_percent(pair)) for pair in gross])
    return text + _row("Average", 25, [_cell(_mean(pairs, k)) for k in range(4)])


def _shutdown_pairs(missed: list[int], totals: list[int]) -> list[Pair]:
    n, _, v, f, _ = totals
    return [(sum(missed), sum(totals)), (missed[0], n), (missed[1], v), (missed[2], f)]


def _summarize_shutdown_sveb(counts: list[list[int]], rest: list[list[str]]) -> str:
    sums = _sums(counts, 5)
    text = "_" * 72 + "\n"
    return text + "Sum  " + " ".join(f"{n:4d}" for n in sums) + " " * 38 + f"{_seconds(rest):4d} seconds\n"


_TABLES = (
    _Table(LINE_HEADS[False], 11, _summarize_line),
    _Table(LINE_HEADS[True], 19, _summarize_line_sveb),
    _Table(SHUTDOWN_HEADS[False], 4, _summarize_shutdown),
    _Table(SHUTDOWN_HEADS[True], 5, _summarize_shutdown_sveb),
)
