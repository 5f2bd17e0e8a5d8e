"""Classifying single beats: windows of 256 samples around each, classes N, S and V of AAMI EC57.

Preprocessing of a window, all of it: subtract its mean (`windows.centre`), divide by `SCALE_MV`. The scale is a
constant of the task and not a statistic of the data at hand, so that a model means the same on every machine; 0.5 mV
is the power of two nearest to the standard deviation of the centred DS1 training windows (0.38 mV), which makes the
division exact.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from ecgdeploy.ecg import locate, windows
from ecgdeploy.ecg.aami import CLASS_OF
from ecgdeploy.ecg.preprocessing import Centre, Pipeline, Standardize
from ecgdeploy.ecg.preprocessing.device import DevicePreprocessing
from ecgdeploy.ecg.record import Record
from ecgdeploy.ecg.sources import mitbih
from ecgdeploy.ecg.sources.synthetic import NAME as SYNTHETIC_NAME
from ecgdeploy.ecg.sources.synthetic import Synthetic
from ecgdeploy.ecg.splits import Split
from ecgdeploy.ecg.views import CalibrationView, TestView, TrainView, ValidationView, View
from ecgdeploy.errors import DataError
from ecgdeploy.provenance import sha256_bytes, sha256_file, sha256_json

_LOG = logging.getLogger(__name__)
CLASSES = ("N", "S", "V")
LENGTH = 256
SCALE_MV = 0.5
LEAD = "MLII"
# of DS1, chosen by name so that each class occurs: together 1.6 % S and 6.2 % V beats
VALIDATION = ("118", "124", "205", "215", "223")

ViewT = TypeVar("ViewT", bound=View)


class Source(Protocol):
    """What the task needs of a data set."""

    def names(self) -> tuple[str, ...]: ...

    def record(self, name: str) -> Record: ...


def model_input(beats: np.ndarray) -> np.ndarray:
    """Windows in mV, float32 [n, 256], as the model's input, float32 [n, 256, 1]."""
    return (windows.centre(beats) / np.float32(SCALE_MV))[:, :, None]


@dataclass(frozen=True)
class BeatTask:
    """Beat classification on a source with annotated beats."""

    name: str
    source: str
    reader: Source
    split: Split
    synthetic: bool
    data_sha256: str
    rate: float = mitbih.RATE
    classes: tuple[str, ...] = CLASSES
    input_shape: tuple[int, int] = (LENGTH, 1)

    @property
    def window_steps(self) -> Pipeline:
        """What is done to a window: the part that a device can do too."""
        return Pipeline((Centre(), Standardize((0.0,), (SCALE_MV,))))

    def device_preprocessing(self, input_scale: float, zero_point: int) -> DevicePreprocessing:
        """The same on a device, into the int8 of a model's input tensor; `export_header` writes it as C."""
        return DevicePreprocessing.of(self.window_steps, input_scale, zero_point)

    @property
    def preprocessing(self) -> dict[str, Any]:
        """The steps from millivolts to model input, as data."""
        return {
            "lead": LEAD,
            "window": {"samples": LENGTH, "beat_at": LENGTH // 2, "beyond_the_record": "repeat the edge"},
            "steps": self.window_steps.to_dict(),
        }

    def train(self) -> TrainView:
        """Every N, S and V beat of the training records."""
        return self._view(TrainView, self.split.train)

    def validation(self) -> ValidationView:
        """Every N, S and V beat of the validation records (of DS1 for MIT-BIH)."""
        return self._view(ValidationView, self.split.validation)

    def calibration(self, n: int = 512, seed: int = 0) -> CalibrationView:
        """`n` beats of the training records: as many of each class where there are enough, the rest at random."""
        if n < 1:
            raise DataError(f"a calibration set of {n} examples", "ask for at least one")
        view = self._view(CalibrationView, self.split.train)
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(view))
        share = n // len(self.classes)
        chosen = [order[view.targets[order] == c][:share] for c in range(len(self.classes))]
        first = np.concatenate(chosen)
        rest = order[~np.isin(order, first)]
        index = np.sort(np.concatenate((first, rest[: max(0, n - len(first))])))
        return CalibrationView(
            view.inputs[index],
            view.targets[index],
            view.classes,
            view.record_ids[index],
            view.positions[index],
            view.synthetic,
            view.source,
            view.provenance | {"calibration": {"n": len(index), "seed": seed}},
        )

    def test(self, limit_per_record: int | None = None, every_beat: bool = False) -> TestView:
        """The test beats.

        Parameters
        ----------
        limit_per_record : int, optional
            At most so many beats of each record, evenly spaced.
        every_beat : bool
            Also the beats that are neither N, S nor V (fusion and unclassifiable ones), with target -1: a device that
            annotates a whole record for EC57 has to answer for them too.
        """
        return self._view(TestView, self.split.test, limit_per_record, every_beat)

    def _view(
        self, kind: type[ViewT], records: Iterable[str], limit: int | None = None, every_beat: bool = False
    ) -> ViewT:
        inputs, targets, ids, positions = [], [], [], []
        left_out = 0
        for name in records:
            record = self.reader.record(name)
            annotations = record.annotations
            if annotations is None:
                raise DataError(f"record {name} has no annotations", "beats are cut where a reference marks them")
            classes = np.array([_target(symbol) for symbol in annotations.symbols], np.int64)
            left_out += int((classes == -1).sum())
            index = np.flatnonzero(classes >= (-1 if every_beat else 0))
            index = index[windows.spaced(len(index), limit)]
            lead = record.lead(LEAD)
            if not np.isfinite(lead).all():
                raise DataError(f"record {name}: lead {LEAD} has samples without a value", "fill the gap first")
            if lead.min() == lead.max():
                raise DataError(f"record {name}: lead {LEAD} is flat", "leave the record out, or mend its file")
            places = annotations.samples[index]
            inputs.append(model_input(windows.beat_windows(lead, places, LENGTH)))
            targets.append(classes[index])
            ids.append(np.full(len(index), name))
            positions.append(places)
        provenance = {
            "task": self.name,
            "data": self.source,
            "data_sha256": self.data_sha256,
            "part": kind.part,
            "preprocessing": self.preprocessing,
            "beats_of_no_class": {"symbols": "AAMI F and Q", "count": left_out, "kept": every_beat},
            **self.split.provenance(),
        }
        return kind(
            np.concatenate(inputs) if inputs else np.zeros((0, LENGTH, 1), np.float32),
            np.concatenate(targets) if targets else np.zeros(0, np.int64),
            self.classes,
            np.concatenate(ids) if ids else np.zeros(0, "<U1"),
            np.concatenate(positions) if positions else np.zeros(0, np.int64),
            self.synthetic,
            self.source,
            provenance,
        )


def _target(symbol: str) -> int:
    """Class index of an annotation; -1 a beat of no class, -2 no beat."""
    beat = CLASS_OF.get(symbol)
    return -2 if beat is None else CLASSES.index(beat) if beat in CLASSES else -1


def mitbih_split() -> Split:
    """DS1 and DS2 of de Chazal et al.; five records of DS1 validate."""
    return Split(
        name="MIT-BIH DS1/DS2 (de Chazal 2004)",
        train=tuple(name for name in mitbih.DS1 if name not in VALIDATION),
        validation=VALIDATION,
        test=mitbih.DS2,
        patients={name: mitbih.patient(name) for name in mitbih.RECORDS},
        accepted={"mitdb-201": "records 201 (DS1) and 202 (DS2) are one person; the published division has both"},
    )


def load_mitbih(data: Path | str | None = None) -> BeatTask:
    """``mitbih-beats``: the real database, or the synthetic task when it can be had from nowhere."""
    folder = locate.find(mitbih.FOLDER, "[12][0-3][0-9].hea", data)
    split = mitbih_split()
    needed = (*split.train, *split.validation, *split.test)
    cached = locate.cache_folder() / mitbih.FOLDER
    begun = folder == cached and not all((cached / f"{name}.dat").is_file() for name in needed)
    if data is None and (folder is None or begun):
        folder = _downloaded() or (cached if begun else None)
    if folder is None:
        return load_synthetic()
    absent = [name for name in needed if not (folder / f"{name}.hea").is_file()]
    if absent:
        raise DataError(
            f"{folder}: {len(absent)} of {len(needed)} MIT-BIH records are missing, first {absent[0]}",
            "`ecgdeploy data fetch mitdb` completes it",
        )
    return BeatTask(
        name="mitbih-beats",
        source=mitbih.NAME,
        reader=mitbih.MitBih(folder),
        split=split,
        synthetic=False,
        data_sha256=_headers_hash(folder, needed),
    )


def _downloaded() -> Path | None:
    """The database in the cache, fetched now (94 MB); None where PhysioNet cannot be reached."""
    from ecgdeploy.ecg import fetch
    from ecgdeploy.ecg.datasets import dataset

    folder = locate.cache_folder() / mitbih.FOLDER
    try:
        _LOG.warning("%s is not here: downloading it to %s", mitbih.NAME, folder)
        fetch.fetch(dataset("mitdb"), folder, timeout_s=10.0)
    except fetch.Unreachable as error:
        _LOG.warning("%s; the synthetic source stands in", error.message)
        return None
    return folder


@cache
def _headers_hash(folder: Path, names: tuple[str, ...]) -> str:
    """Hash of headers and annotations; the headers' checksums, verified on reading, stand for the samples."""
    files = [f"{name}{suffix}" for name in sorted(names) for suffix in (".hea", ".atr")]
    return sha256_json({file: sha256_file(folder / file) if (folder / file).is_file() else "" for file in files})


def load_synthetic(data: Path | str | None = None) -> BeatTask:  # noqa: ARG001 - every loader takes it
    """``mitbih-beats-synthetic``: 12 persons train, 4 validate, 12 test."""
    source = Synthetic()
    names = source.names()
    split = Split(
        name="synthetic persons 12/4/12",
        train=names[:12],
        validation=names[12:16],
        test=names[16:],
        patients={name: f"{name}-person" for name in names},
    )
    return BeatTask(
        name="mitbih-beats-synthetic",
        source=SYNTHETIC_NAME,
        reader=source,
        split=split,
        synthetic=True,
        data_sha256=sha256_bytes(repr(source).encode()),
    )
