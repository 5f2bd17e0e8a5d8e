"""A folder of WFDB records: classes from their beat annotations, or from a CSV file of labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from ecgdeploy.ecg.aami import is_beat
from ecgdeploy.ecg.own.adapters import OWN, by_record, chosen
from ecgdeploy.ecg.own.labels import Labelled, read_labels
from ecgdeploy.ecg.own.schema import DataPart, TaskPart
from ecgdeploy.ecg.record import Annotations, Record
from ecgdeploy.ecg.wfdb_annotation import read_annotations
from ecgdeploy.ecg.wfdb_header import Header, read_header
from ecgdeploy.ecg.wfdb_signal import read_signals
from ecgdeploy.errors import DataError, UsageError
from ecgdeploy.provenance import sha256_file, sha256_json


@dataclass(frozen=True, eq=False)
class WfdbFolder:
    """WFDB records of a folder and the folders in it."""

    folder: Path
    data: DataPart
    beats: bool
    found: tuple[str, ...]
    table: dict[str, Labelled] = field(default_factory=dict)

    @classmethod
    def open(cls, data: DataPart, task: TaskPart, folder: Path) -> WfdbFolder:
        """Find the records, and read their labels' table."""
        every = sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.hea"))
        names = chosen(every, data, folder)
        if data.labels is None and task.kind != "beats":
            raise UsageError(
                f"[data] says of no record which class it is (kind = \"{task.kind}\")",
                "add labels = {file = \"labels.csv\"}, or set kind = \"beats\"",
            )
        table = {}
        if data.labels is not None:
            table = by_record(read_labels(folder / data.labels.file, data.labels), names, data.labels, folder)
        return cls(folder, data, task.kind == "beats", names, table)

    @property
    def source(self) -> str:
        """The data set's name."""
        return self.data.name or f"{OWN} (WFDB)"

    @cached_property
    def synthetic(self) -> bool:
        """Whether a header says that no person was recorded."""
        marks = (comment.lower() for name in self.found for comment in self._header(name).comments)
        return self.data.synthetic or any("synthetic" in mark for mark in marks)

    def names(self) -> tuple[str, ...]:
        """Names of the records: paths in the folder."""
        return self.found

    def labels(self, name: str) -> tuple[str, ...]:
        """Symbols of the beats, or the table's labels."""
        if self.beats:
            return self._annotations(name).symbols
        return tuple(self.table[name].labels)

    def patient(self, name: str) -> str | None:
        """The table's person, or the one of a ``# patient:`` comment."""
        if name in self.table and self.table[name].patient:
            return self.table[name].patient
        return self._header(name).comment("patient")

    def part(self, name: str) -> str | None:
        """The table's part."""
        return self.table[name].part if name in self.table else None

    def signal_sha256(self, name: str) -> str:
        """Hash of the signal files."""
        header = self._header(name)
        files = dict.fromkeys(line.file for line in header.signals)
        hashes = []
        for file in files:
            path = header.path.parent / file
            if not path.is_file():
                raise DataError(f"record {name}: no signal file {file}", "copy it beside its header")
            hashes.append(sha256_file(path))
        return sha256_json(hashes)

    def pieces(self, name: str) -> Iterator[Record]:
        """The record, whole."""
        signals = read_signals(self._path(name), sums_absent=True, stale_initial=True)
        yield Record(
            name=name,
            signal=signals.millivolts,
            leads=signals.leads,
            rate=signals.header.rate,
            patient=self.patient(name) or name,
            source=self.source,
            licence="",
            annotations=self._annotations(name) if self.beats else None,
            statements=() if self.beats else self.labels(name),
            synthetic=self.synthetic,
        )

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.hea"

    def _header(self, name: str) -> Header:
        return read_header(self._path(name))

    def _annotations(self, name: str) -> Annotations:
        if self.data.labels is not None and self.data.labels.sample:
            entry = self.table.get(name, Labelled())
            return Annotations.at(entry.samples, entry.labels)
        path = self.folder / f"{name}.{self.data.annotations}"
        if not path.is_file():
            raise DataError(f"record {name}: no annotations {path.name}", "set data.annotations to the annotator")
        every = read_annotations(path)
        return every.select(np.array([is_beat(symbol) for symbol in every.symbols], bool))
