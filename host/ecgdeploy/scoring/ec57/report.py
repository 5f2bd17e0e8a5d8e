"""The reports of a comparison, as EC57 lays them out: matrix (table 3), line (table A.2) and shutdown (table A.3)."""

from __future__ import annotations

import math

from ecgdeploy.scoring.ec57.compare import BEATS, Comparison

_COLUMNS = {False: "nvfq", True: "nsvfq"}
_ROWS = {False: "NVFQ", True: "NSVFQ"}

# The reference program leaves S out of the beats missed in shutdown, and so do we.
_MISSED = "NVFQ"

LINE_HEADS = {
    False: "Record Nn' Vn' Fn' On'  Nv   Vv  Fv' Ov' No' Vo' Fo'  Q Se   Q +P   V Se   V +P  V FPR\n",
    True: (
        "Record Nn' Sn' Vn' Fn' On'  Ns  Ss  Vs  Fs' Os' Nv  Sv   Vv  Fv' Ov' No' So' Vo' Fo'"
        "  Q Se   Q +P   V Se   V +P   S Se   S +P RR err\n"
    ),
}

SHUTDOWN_HEADS = {
    False: (
        "Record Nx   Vx   Fx   Qx  % beats  % N    % V    % F   Total Shutdown\n"
        "                           missed missed missed missed      Time\n"
    ),
    True: (
        "Record Nx   Sx   Vx   Fx   Qx  % beats  % N    % S    % V    % F   Total Shutdown\n"
        "                                missed missed missed missed missed      Time\n"
    ),
}


def matrix_report(
    comparison: Comparison, record: str, annotators: tuple[str, str], sveb: bool, condensed: bool = False
) -> tuple[str, str]:
    """Matrix report of one record.

    Parameters
    ----------
    comparison : Comparison
    record : str
        Record name.
    annotators : tuple of str
        Reference and test annotator.
    sveb : bool
        Whether supraventricular ectopic beats and RR intervals are reported (``-S``) or the former are called normal
        and the VEB false positive rate is reported (``-s``).
    condensed : bool
        Whether to fold F with Q, and misses with shutdown (``-c``, ``-C``).

    Returns
    -------
    tuple of str
        The matrix with its statistics, and the shutdown statistics.
    """
    shown = comparison if sveb else comparison.without_sveb()
    text = (
        f"Beat-by-beat comparison results for record {record}\n"
        f"Reference annotator: {annotators[0]}\n     Test annotator: {annotators[1]}\n\n"
    )
    text += _condensed(shown, sveb) if condensed else _matrix(shown, sveb)
    named = {
        "           QRS sensitivity": "qrs_sensitivity",
        " QRS positive predictivity": "qrs_positive_predictivity",
        "           VEB sensitivity": "veb_sensitivity",
        " VEB positive predictivity": "veb_positive_predictivity",
    }
    if sveb:
        named["          SVEB sensitivity"] = "sveb_sensitivity"
        named["SVEB positive predictivity"] = "sveb_positive_predictivity"
    statistics = shown.statistics
    text += "\n"
    for name, key in named.items():
        text += _share(name, *statistics[key], 2)
    if sveb:
        error = "     -" if math.isnan(shown.rr_error_ms) else f"{shown.rr_error_ms:6.2f} ms"
        text += f"     RMS RR interval error: {error}\n"
    else:
        text += _share("   VEB false positive rate", *statistics["veb_false_positive_rate"], 3) + "\n"
    missed = "\n" + _share("  Beats missed in shutdown", shown.total(_MISSED, "x"), shown.total(BEATS, "nsvfqox"), 2)
    for row in _ROWS[sveb].replace("Q", ""):
        missed += _share(f"      {row} missed in shutdown", shown[row + "x"], shown.total(row, "nsvfqox"), 2)
    return text, missed + f"       Total shutdown time: {shown.shutdown_seconds:5d} seconds\n"


def _matrix(shown: Comparison, sveb: bool) -> str:
    columns, rows = _COLUMNS[sveb], _ROWS[sveb]
    text = "               Algorithm\n    " + "".join(f"    {column}" for column in columns + "ox") + "\n"
    text += "   " + "_" * (5 * len(columns) + 11) + "\n"
    for row in rows + "OX":
        cells = columns + ("ox" if row in rows else "")
        text += f" {row} |" + "".join(f" {shown[row + column]:4d}" for column in cells) + "\n"
    return text


def _condensed(shown: Comparison, sveb: bool) -> str:
    columns = ["nfq", *_COLUMNS[sveb].translate(str.maketrans("", "", "nfq")), "ox"]
    rows = {"  N  ": "N", "  S  ": "S", "  V  ": "V", " F+Q ": "FQ", " O+X ": "OX"}
    text = "         Algorithm\n      n+f+q" + "".join(f"    {column}" for column in columns[1:-1]) + "  o+x\n"
    text += "     " + "_" * (5 * len(columns) + 1) + "\n"
    for name, row in rows.items():
        if row == "S" and not sveb:
            continue
        cells = columns if row != "OX" else columns[:-1]
        text += f"{name}|" + "".join(f" {shown.total(row, column):4d}" for column in cells) + "\n"
    return text


def _share(name: str, numerator: int, denominator: int, digits: int) -> str:
    value = f"{100.0 * numerator / denominator:6.{digits}f}%" if denominator else "     - "
    return f"{name}: {value} ({numerator}/{denominator})\n"


def line_report(comparison: Comparison, record: str, sveb: bool) -> tuple[str, str, str]:
    """One record's line of table A.2: the header, the counts, and the statistics with the line's end."""
    shown = comparison if sveb else comparison.without_sveb()
    rest, missed = "nfq", "ox"
    if sveb:
        counts = [
            *(shown.total(row, rest) for row in ("N", "S", "V", "FQ", "OX")),
            *(shown.total(row, "s") for row in ("N", "S", "V", "FQ", "OX")),
            *(shown.total(row, "v") for row in ("N", "S", "V", "FQ", "OX")),
            *(shown.total(row, missed) for row in ("N", "S", "V", "FQ")),
        ]
        widths: tuple[int, ...] = (4, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 3, 3, 3, 3, 3, 3)
    else:
        counts = [
            *(shown.total(row, rest) for row in ("N", "V", "FQ", "OX")),
            *(shown.total(row, "v") for row in ("N", "V", "FQ", "OX")),
            *(shown.total(row, missed) for row in ("N", "V", "FQ")),
        ]
        widths = (4, 3, 3, 3, 3, 4, 3, 3, 3, 3, 3)
    text = f"{record:>4s} " + "".join(f" {count:{width}d}" for count, width in zip(counts, widths, strict=True))
    figures = shown.statistics
    keys = ["qrs_sensitivity", "qrs_positive_predictivity", "veb_sensitivity", "veb_positive_predictivity"]
    keys += ["sveb_sensitivity", "sveb_positive_predictivity"] if sveb else []
    statistics = "".join(_cell(*figures[key]) for key in keys)
    if sveb:
        statistics += "     -" if math.isnan(shown.rr_error_ms) else f" {shown.rr_error_ms:6.2f}"
    else:
        statistics += _cell(*figures["veb_false_positive_rate"], digits=3)
    return LINE_HEADS[sveb], text, statistics + "\n"


def shutdown_report(comparison: Comparison, record: str, sveb: bool) -> tuple[str, str, str]:
    """One record's line of table A.3: the header, the counts, and the shares with the line's end."""
    shown = comparison if sveb else comparison.without_sveb()
    rows = _ROWS[sveb]
    text = f"{record:>4s}" + "".join(f" {shown[row + 'x']:4d}" for row in rows) + "  "
    totals = {row: shown.total(row, "nsvfqox") for row in BEATS}
    statistics = _cell(shown.total(_MISSED, "x"), sum(totals.values()))
    statistics += "".join(_cell(shown[row + "x"], totals[row]) for row in rows[:-1])
    statistics += f" {shown.shutdown_seconds:4d} seconds " + " ".join(str(totals[row]) for row in BEATS) + "\n"
    return SHUTDOWN_HEADS[sveb], text, statistics


def _cell(numerator: int, denominator: int, digits: int = 2) -> str:
    return f" {100.0 * numerator / denominator:6.{digits}f}" if denominator else "      -"
