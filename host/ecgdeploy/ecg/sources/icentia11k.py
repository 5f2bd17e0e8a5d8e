"""Icentia11k: single-lead segments of 70 minutes at 250 Hz of 11,000 persons, beats and rhythms annotated.

Tan S, Androz G, Chamseddine A, et al. Icentia11k: an unsupervised representation learning dataset for arrhythmia
subtype discovery. arXiv:1910.09570 (2019). ``p00/p00000/p00000_s00.hea`` with ``.dat`` and ``.atr``; beats are N, S, V
and Q, rhythms stand in the notes of ``+`` annotations: ``(N``, ``(AFIB``, ``(AFL``, ``)``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ecgdeploy.ecg.record import Record
from ecgdeploy.ecg.sources.base import Source
from ecgdeploy.ecg.wfdb_annotation import read_annotations
from ecgdeploy.ecg.wfdb_signal import expect, read_signals
from ecgdeploy.errors import UsageError

NAME = "Icentia11k 1.0"
LICENCE = "CC BY-NC-SA 4.0"
FOLDER = "icentia11k"
RATE = 250.0
_NAME = re.compile(r"p(\d{2})\d{3}_s\d{2}")


@dataclass(frozen=True)
class Icentia11k(Source):
    """The part of the database that is in a folder (1.1 TB in all: a few persons will do)."""

    kind = "Icentia11k segment"

    folder: Path

    @cached_property
    def paths(self) -> dict[str, Path]:
        """Headers that are here, by record."""
        return {path.stem: path for path in sorted(self.folder.rglob("p*_s*.hea")) if _NAME.fullmatch(path.stem)}

    @property
    def known(self) -> dict[str, Path]:
        """The segments that are here, such as ``p00000_s00``."""
        return self.paths

    def record(self, name: str) -> Record:
        """Read one segment with its annotations (`Source.record`)."""
        if not _NAME.fullmatch(name):
            raise UsageError(f"'{name}' is no Icentia11k segment", "names look like p00000_s00")
        return super().record(name)

    def _read(self, name: str) -> Record:
        path = self.paths[name]
        signals = read_signals(path)
        expect(signals, (RATE,), sums=False)
        return Record(
            name=name,
            signal=signals.millivolts,
            leads=signals.leads,
            rate=signals.header.rate,
            patient=f"icentia11k-{name.partition('_')[0]}",
            source=NAME,
            licence=LICENCE,
            annotations=read_annotations(path.with_suffix(".atr"), len(signals.millivolts)),
            remarks=signals.remarks,
        )
