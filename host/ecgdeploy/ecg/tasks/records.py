"""Tasks that classify whole records: one preprocessed record is one example."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ecgdeploy.ecg import locate, person
from ecgdeploy.ecg.preprocessing import Pipeline, Standardize
from ecgdeploy.ecg.preprocessing.device import DevicePreprocessing
from ecgdeploy.ecg.record import Record
from ecgdeploy.ecg.shards import ShardedArray, write_arrays, write_shards
from ecgdeploy.ecg.splits import Split
from ecgdeploy.ecg.tasks.beats import Source
from ecgdeploy.ecg.views import CalibrationView, TestView, TrainView, ValidationView, View
from ecgdeploy.errors import DataError
from ecgdeploy.provenance import sha256_json

ViewT = TypeVar("ViewT", bound=View)
# a part larger than this is not held in memory but written to shards and memory-mapped
IN_MEMORY_BYTES = 128 << 20


@dataclass(frozen=True, eq=False)
class RecordTask:
    """Classification of whole records.

    Attributes
    ----------
    reader : Source
    split : Split
    targets_of : callable
        From a record's statements to its class numbers (one of them when `multilabel` is false).
    multilabel : bool
    pipeline : Pipeline
        Up to a fixed length and fixed leads; standardization by the training records is added here.
    groups : mapping of str to (int, int)
        Ranges of `classes` that belong together (the heads of a multi-task model).
    in_memory_bytes : int
        Parts beyond this size are streamed through shards in the cache folder.
    """

    name: str
    source: str
    reader: Source
    split: Split
    classes: tuple[str, ...]
    targets_of: Callable[[tuple[str, ...]], Iterable[int]]
    multilabel: bool
    pipeline: Pipeline
    rate: float
    input_shape: tuple[int, int]
    data_sha256: str
    synthetic: bool = False
    groups: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    in_memory_bytes: int = IN_MEMORY_BYTES

    @cached_property
    def standardize(self) -> Standardize:
        """Mean and standard deviation of each lead over the training records, and no others."""
        return self._fitted(self._signals(self.split.train))

    def device_preprocessing(self, input_scale: float, zero_point: int) -> DevicePreprocessing:
        """The last step on a device, into the int8 of a model's input tensor; `export_header` writes it as C."""
        return DevicePreprocessing.of(Pipeline((self.standardize,)), input_scale, zero_point)

    @staticmethod
    def _fitted(stored: Any) -> Standardize:
        return Standardize.from_signals(stored[i : i + 64] for i in range(0, len(stored), 64))

    @property
    def preprocessing(self) -> dict[str, Any]:
        """The steps from millivolts to model input, as data."""
        return {"steps": self.pipeline.then(self.standardize).to_dict()}

    def train(self) -> TrainView:
        """The training records."""
        return self._view(TrainView, self.split.train)

    def validation(self) -> ValidationView:
        """The validation records."""
        return self._view(ValidationView, self.split.validation)

    def calibration(self, n: int = 512, seed: int = 0) -> CalibrationView:
        """`n` records of the training part, drawn at random; all of them when there are fewer."""
        if n < 1:
            raise DataError(f"a calibration set of {n} examples", "ask for at least one")
        names = np.array(self.split.train)
        chosen = np.sort(np.random.default_rng(seed).permutation(len(names))[:n])
        return self._view(CalibrationView, tuple(names[chosen].tolist()), {"n": len(chosen), "seed": seed})

    def test(self, limit_per_record: int | None = None, every_beat: bool = False) -> TestView:  # noqa: ARG002
        """The test records. Both options are those of beat tasks: here a record is one example."""
        return self._view(TestView, self.split.test)

    def _view(self, kind: type[ViewT], names: tuple[str, ...], calibration: dict[str, int] | None = None) -> ViewT:
        stored = self._signals(names)
        if kind is TrainView and "standardize" not in vars(self):
            vars(self)["standardize"] = self._fitted(stored)  # saves reading the training records twice
        inputs: Any
        if isinstance(stored, ShardedArray):
            inputs = stored
            inputs.transform = self.standardize.array
        else:
            mean, scale = np.array(self.standardize.mean, np.float32), np.array(self.standardize.scale, np.float32)
            inputs = np.divide(np.subtract(stored, mean, out=stored), scale, out=stored)  # in place: no second copy
        provenance = {
            "task": self.name,
            "data": self.source,
            "data_sha256": self.data_sha256,
            "part": kind.part,
            "preprocessing": self.preprocessing,
            **({"calibration": calibration} if calibration else {}),
            **self.split.provenance(),
        }
        places = [self._place[name] for name in names]
        return kind(
            inputs,
            self._targets[places],
            self.classes,
            np.array(names),
            np.full(len(names), -1, np.int64),
            self.synthetic,
            self.source,
            provenance,
            self._persons[places],
        )

    @cached_property
    def _place(self) -> dict[str, int]:
        every = (*self.split.train, *self.split.validation, *self.split.test)
        return {name: i for i, name in enumerate(every)}

    @cached_property
    def _targets(self) -> np.ndarray:
        """Targets of every record, filled in as records are read."""
        if self.multilabel:
            return np.zeros((len(self._place), len(self.classes)), np.uint8)
        return np.full(len(self._place), -1, np.int64)

    @cached_property
    def _persons(self) -> np.ndarray:
        """Age and sex of every record, filled in as records are read."""
        return np.zeros((len(self._place), len(person.FEATURES)), np.float32)

    def _prepared(self, names: tuple[str, ...]) -> Iterator[np.ndarray]:
        """Each record after the pipeline, float32 [samples, leads]; notes its target, age and sex in passing."""
        for name in names:
            record = self.reader.record(name)
            self._note(name, record)
            signal = self.pipeline(record).signal
            if signal.shape != self.input_shape:
                got = f"{signal.shape} after preprocessing, not {self.input_shape}"
                raise DataError(f"record {name}: {got}", "end the steps with pad-crop")
            if not np.isfinite(signal).all():
                raise DataError(f"record {name} has samples without a value after preprocessing", "fill-missing first")
            yield signal

    def _note(self, name: str, record: Record) -> None:
        self._persons[self._place[name]] = person.of_record(record)
        statements = record.statements
        numbers = list(self.targets_of(statements))
        if self.multilabel:
            self._targets[self._place[name], numbers] = 1
        elif len(numbers) == 1:
            self._targets[self._place[name]] = numbers[0]
        else:
            raise DataError(f"record {name}: {len(numbers)} classes of {statements}", "leave it out of the split")

    def _signals(self, names: tuple[str, ...]) -> Any:
        """Prepared records, not yet standardized: an array, or shards where they are too many for memory."""
        size = 4 * len(names) * self.input_shape[0] * self.input_shape[1]
        if size <= self.in_memory_bytes:
            out = np.empty((len(names), *self.input_shape), np.float32)
            for i, signal in enumerate(self._prepared(names)):
                out[i] = signal
            return out
        folder = shard_cache() / self.name / sha256_json([names, self.pipeline.to_dict(), self.data_sha256])[:16]
        noted = folder.with_suffix(".noted.npz")
        places = [self._place[name] for name in names]
        if not (folder.is_dir() and noted.is_file()):
            write_shards(folder, self.input_shape, self._prepared(names))
            write_arrays(noted, targets=self._targets[places], persons=self._persons[places])
        kept = np.load(noted)
        self._targets[places], self._persons[places] = kept["targets"], kept["persons"]
        return ShardedArray(folder)


def shard_cache() -> Path:
    """Where shards lie: ``$ECGDEPLOY_SHARDS``, else beside the downloaded data. They may be deleted at any time."""
    given = os.environ.get("ECGDEPLOY_SHARDS")
    return Path(given) if given else locate.cache_folder().parent / "shards"
