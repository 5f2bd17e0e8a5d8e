"""Where reports go: appended to files, with column headings only in new ones; ``-`` is the standard output."""

from __future__ import annotations

from pathlib import Path

from ecgdeploy.errors import DataError
from ecgdeploy.scoring.ec57.compare import Comparison
from ecgdeploy.scoring.ec57.report import line_report, matrix_report, shutdown_report

STANDARD_OUTPUT = "-"


def append_reports(
    comparison: Comparison, record: str, annotators: tuple[str, str], kind: str, targets: tuple[str, str]
) -> str:
    """Append a comparison's reports to files.

    Parameters
    ----------
    comparison : Comparison
    record : str
    annotators : tuple of str
        Reference and test annotator.
    kind : str
        ``standard``, ``condensed`` or ``line``, or one of these with ``_sveb``.
    targets : tuple of str
        File of the beat statistics and of the shutdown statistics; ``-`` for the standard output.

    Returns
    -------
    str
        What belongs on the standard output.

    Raises
    ------
    DataError
        When a file cannot be written.
    """
    sveb = kind.endswith("_sveb")
    if not kind.startswith("line"):
        parts = matrix_report(comparison, record, annotators, sveb, condensed=kind.startswith("condensed"))
        return "".join(_put(target, "", text) for target, text in zip(targets, parts, strict=True))
    reports = [line_report(comparison, record, sveb), shutdown_report(comparison, record, sveb)]
    if targets == (STANDARD_OUTPUT, STANDARD_OUTPUT):
        # the reference program writes both tables at once: counts of both, then statistics of both
        return reports[0][1] + reports[1][1] + reports[0][2] + reports[1][2]
    return "".join(
        _put(target, head, counts + statistics)
        for target, (head, counts, statistics) in zip(targets, reports, strict=True)
    )


def _put(target: str, head: str, text: str) -> str:
    if target == STANDARD_OUTPUT:
        return text
    path = Path(target)
    try:
        new = not path.exists()
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write((head if new else "") + text)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}", "choose another file") from error
    return ""
