"""What a check found in one data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Fault:
    """Something wrong with a file: it must not be used before it is mended."""

    file: str
    text: str


@dataclass(frozen=True)
class Oddity:
    """Something that is true of the published data too, that our readers handle, and that a user should know."""

    text: str
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class SetReport:
    """One data set.

    Attributes
    ----------
    records, published : int
        Sound and readable records here, and in the published set.
    counts : dict of str to int
        Further counts: beats, files whose sum was verified ...
    """

    key: str
    title: str
    folder: str
    records: int
    published: int
    counts: dict[str, int]
    faults: tuple[Fault, ...]
    oddities: tuple[Oddity, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for ``--json``."""
        return {
            "dataset": self.key,
            "title": self.title,
            "folder": self.folder,
            "records": self.records,
            "published": self.published,
            "counts": self.counts,
            "faults": [{"file": fault.file, "fault": fault.text} for fault in self.faults],
            "oddities": [{"oddity": oddity.text, "items": list(oddity.items)} for oddity in self.oddities],
        }
