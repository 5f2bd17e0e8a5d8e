"""ANSI/AAMI EC57 beat-by-beat comparison of two annotation files, and the tables the standard asks for.

An independent implementation. Its reports are those of the standard's reference programs, `bxb` and `sumstats` of the
WFDB software package, character for character; see docs/decisions/0040-ec57.md for how that is checked.
"""

from __future__ import annotations

from ecgdeploy.scoring.ec57.aggregate import sumstats
from ecgdeploy.scoring.ec57.annotations import Annotation, Header, find_record, read_annotations, read_header
from ecgdeploy.scoring.ec57.compare import Comparison, compare_annotations
from ecgdeploy.scoring.ec57.device import device_annotations, write_annotations
from ecgdeploy.scoring.ec57.report import line_report, matrix_report, shutdown_report
from ecgdeploy.scoring.ec57.run import compare_record
from ecgdeploy.scoring.ec57.times import parse_time

__all__ = [
    "Annotation",
    "Comparison",
    "Header",
    "compare_annotations",
    "compare_record",
    "device_annotations",
    "find_record",
    "line_report",
    "matrix_report",
    "parse_time",
    "read_annotations",
    "read_header",
    "shutdown_report",
    "sumstats",
    "write_annotations",
]
