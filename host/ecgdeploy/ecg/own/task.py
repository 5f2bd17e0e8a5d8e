"""A task of one's own recordings: windows with labels, split by record or person, under the types of views."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from ecgdeploy.ecg import windows
from ecgdeploy.ecg.own.adapters import Adapter
from ecgdeploy.ecg.own.schema import Described, FixedPart, PreprocessingPart, TaskPart
from ecgdeploy.ecg.own.split import make_split
from ecgdeploy.ecg.preprocessing import Centre, PadCrop, Pipeline, Resample, SelectLeads, Standardize
from ecgdeploy.ecg.preprocessing.device import DevicePreprocessing
from ecgdeploy.ecg.record import Record
from ecgdeploy.ecg.shards import ShardedArray, write_arrays, write_shards
from ecgdeploy.ecg.splits import Split
from ecgdeploy.ecg.tasks.records import IN_MEMORY_BYTES, shard_cache
from ecgdeploy.ecg.views import CalibrationView, TestView, TrainView, ValidationView, View
from ecgdeploy.errors import DataError, unknown
from ecgdeploy.provenance import sha256_json

ViewT = TypeVar("ViewT", bound=View)
SYNTHETIC_MARK = " (SYNTHETIC)"


def make_task(described: Described, adapter: Adapter) -> OwnTask:
    """The task of a project file and its opened source.

    Raises
    ------
    DataError, UsageError
        A label of no class, a class without a record, a split that cannot be.
    """
    task = described.task
    of = class_of(task)
    classes: dict[str, tuple[int, ...]] = {}
    for name in adapter.names():
        try:
            numbers = tuple(dict.fromkeys(n for label in adapter.labels(name) if (n := of(label)) is not None))
        except DataError as error:
            named = error.message if error.message.startswith(f"record {name}:") else f"record {name}: {error.message}"
            raise DataError(named, error.hint) from None
        if numbers or task.multilabel:
            classes[name] = numbers
    present = {number for numbers in classes.values() for number in numbers}
    absent = [label for number, label in enumerate(task.classes) if number not in present]
    if absent:
        raise DataError(
            f"no record has class {absent[0]}", f"task.labels says what the data calls it: {absent[0]} = [\"...\"]"
        )
    return OwnTask(described, adapter, make_split(described.split, adapter, classes, len(task.classes)), of)


def class_of(task: TaskPart) -> Callable[[str], int | None]:
    """From a label of the data to a class number; None for one that is ignored; DataError for one of no class."""
    places: dict[str, int | None] = dict.fromkeys(task.ignore)
    for number, name in enumerate(task.classes):
        for label in task.labels.get(name, (name,)):
            if places.get(label, number) != number:
                raise DataError(f"task.labels: '{label}' is of two classes", "one class a label")
            places[label] = number
    if not task.labels and not any(name.isdigit() for name in task.classes):
        # labels that are plain numbers count the classes from 0
        for number in range(len(task.classes)):
            places.setdefault(str(number), number)

    def find(label: str) -> int | None:
        if label not in places:
            near = unknown("label", label, places).hint
            hint = f"{near.rstrip('?')}; else add it to task.labels or task.ignore"
            raise DataError(f"label '{label}' is of no class", hint)
        return places[label]

    return find


def steps_before(task: TaskPart, part: PreprocessingPart) -> Pipeline:
    """What is done to a whole piece before windows are cut: the leads, the file's steps, the rate."""
    own = Pipeline.from_dict(list(part.steps)).steps
    return Pipeline((SelectLeads(task.leads), *own, Resample(task.rate)))


@dataclass(frozen=True, eq=False)
class OwnTask:
    """A task that a project file describes; see `ecgdeploy.ecg.tasks.Task` for what each method gives."""

    described: Described
    adapter: Adapter
    split: Split
    class_of: Callable[[str], int | None]
    in_memory_bytes: int = IN_MEMORY_BYTES

    @property
    def name(self) -> str:
        """The project's name; ends in ``-synthetic`` when no person was recorded."""
        return self.described.name + ("-synthetic" if self.synthetic else "")

    @property
    def source(self) -> str:
        """The data set, as reports name it."""
        return self.adapter.source + (SYNTHETIC_MARK if self.synthetic else "")

    @property
    def synthetic(self) -> bool:
        """No person was recorded."""
        return self.adapter.synthetic

    @property
    def classes(self) -> tuple[str, ...]:
        """In the order of the model's outputs."""
        return self.described.task.classes

    @property
    def rate(self) -> float:
        """Samples a second of the model's input."""
        return self.described.task.rate

    @property
    def input_shape(self) -> tuple[int, int]:
        """(samples, leads)."""
        return self.described.task.samples, len(self.described.task.leads)

    @cached_property
    def data_sha256(self) -> str:
        """Hash of all samples and labels."""
        names = (*self.split.train, *self.split.validation, *self.split.test)
        return sha256_json({n: [self.adapter.signal_sha256(n), list(self.adapter.labels(n))] for n in sorted(names)})

    @cached_property
    def sha256(self) -> str:
        """Hash of all that decides the views: data, classes, windows, preprocessing, split."""
        described = self.described.model_dump(mode="json", include={"task", "preprocessing"})
        return sha256_json([self.data_sha256, described, self.split.provenance()])

    @cached_property
    def standardize(self) -> Standardize:
        """Fixed in the project file, or mean and standard deviation of the training windows and no others."""
        chosen = self.described.preprocessing.standardize
        if isinstance(chosen, FixedPart):
            return Standardize(chosen.mean, chosen.scale)
        if chosen == "none":
            return Standardize((0.0,), (1.0,))
        stored = self._stored(self.split.train)[0]
        return Standardize.from_signals(np.asarray(stored[i : i + 256]) for i in range(0, len(stored), 256))

    @property
    def window_steps(self) -> Pipeline:
        """What is done to a window: the part that a device can do too."""
        centre = (Centre(),) if self.described.preprocessing.centre else ()
        return Pipeline((*centre, self.standardize))

    def device_preprocessing(self, input_scale: float, zero_point: int) -> DevicePreprocessing:
        """The same on a device, into the int8 of a model's input tensor; `export_header` writes it as C."""
        return DevicePreprocessing.of(self.window_steps, input_scale, zero_point)

    @property
    def preprocessing(self) -> dict[str, Any]:
        """The steps from millivolts to model input, as data."""
        task = self.described.task
        return {
            "before": self._before.to_dict(),
            "window": task.model_dump(mode="json", include={"kind", "samples", "anchor", "every", "most_per_record"}),
            "steps": self.window_steps.to_dict(),
        }

    def train(self) -> TrainView:
        """The training windows."""
        return self._view(TrainView, self.split.train)

    def validation(self) -> ValidationView:
        """The validation windows."""
        return self._view(ValidationView, self.split.validation)

    def test(self, limit_per_record: int | None = None, every_beat: bool = False) -> TestView:  # noqa: ARG002
        """The test windows, at most `limit_per_record` of each record."""
        return self._view(TestView, self.split.test, limit_per_record)

    def calibration(self, n: int = 512, seed: int = 0) -> CalibrationView:
        """`n` windows of the training records: as many of each class where there are enough, the rest at random."""
        if n < 1:
            raise DataError(f"a calibration set of {n} examples", "ask for at least one")
        view = self._view(CalibrationView, self.split.train)
        order = np.random.default_rng(seed).permutation(len(view))
        many = self.described.task.multilabel
        has = view.targets > 0 if many else np.eye(len(self.classes), dtype=bool)[view.targets]
        share = n // len(self.classes)
        first = np.unique(np.concatenate([order[has[order, c]][:share] for c in range(len(self.classes))]))
        rest = order[~np.isin(order, first)]
        index = np.sort(np.concatenate((first, rest[: max(0, n - len(first))])))
        return replace(
            view,
            inputs=np.ascontiguousarray(view.inputs[index]),
            targets=view.targets[index],
            record_ids=view.record_ids[index],
            positions=view.positions[index],
            provenance=view.provenance | {"calibration": {"n": len(index), "seed": seed}},
        )

    @property
    def _before(self) -> Pipeline:
        return steps_before(self.described.task, self.described.preprocessing)

    def _view(self, kind: type[ViewT], names: tuple[str, ...], limit: int | None = None) -> ViewT:
        stored, targets, ids, positions = self._stored(names, limit)
        if kind is TrainView and self.described.preprocessing.standardize == "train":
            # saves reading the training records twice
            blocks = (np.asarray(stored[i : i + 256]) for i in range(0, len(stored), 256))
            vars(self).setdefault("standardize", Standardize.from_signals(blocks))
        inputs: Any
        if isinstance(stored, ShardedArray):
            inputs = stored
            inputs.transform = self.standardize.array
        else:
            inputs = self.standardize.array(stored)
        provenance = {
            "task": self.name,
            "data": self.source,
            "data_sha256": self.data_sha256,
            "task_sha256": self.sha256,
            "part": kind.part,
            "preprocessing": self.preprocessing,
            **self.split.provenance(),
        }
        return kind(inputs, targets, self.classes, ids, positions, self.synthetic, self.source, provenance)

    def _stored(
        self, names: tuple[str, ...], limit: int | None = None
    ) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
        """Windows of the records, centred but not standardized, and what each is."""
        task = self.described.task
        targets: list[Any] = []
        ids: list[str] = []
        positions: list[int] = []

        def blocks() -> Iterator[np.ndarray]:
            for name in names:
                cut, what, where = self._windows(name)
                keep = windows.spaced(len(cut), _smaller(task.most_per_record, limit))
                targets.extend(what[i] for i in keep)
                positions.extend(where[i] for i in keep)
                ids.extend([name] * len(keep))
                yield cut[keep]

        size = 4 * int(np.prod(self.input_shape)) * sum(self._estimate(name) for name in names)
        stored: Any
        if size <= self.in_memory_bytes:
            stored = np.concatenate([*blocks(), np.zeros((0, *self.input_shape), np.float32)])
        else:
            key = sha256_json([names, limit, self.data_sha256, self._before.to_dict(), task.model_dump(mode="json")])
            folder = shard_cache() / "own" / key[:24]
            noted = folder.with_suffix(".noted.npz")
            if not (folder.is_dir() and noted.is_file()):
                write_shards(folder, self.input_shape, blocks())
                write_arrays(noted, targets=self._targets(targets), ids=np.array(ids), positions=np.array(positions))
            kept = np.load(noted)
            return ShardedArray(folder), kept["targets"], kept["ids"], kept["positions"]
        return stored, self._targets(targets), np.array(ids, dtype=str), np.array(positions, np.int64)

    def _estimate(self, name: str) -> int:
        """How many windows a record has, roughly: only decides where they are kept."""
        count = 1 if self.described.task.kind == "records" else len(self.adapter.labels(name))
        return min(count, self.described.task.most_per_record or count)

    def _targets(self, found: list[Any]) -> np.ndarray:
        if not self.described.task.multilabel:
            return np.array(found, np.int64)
        targets = np.zeros((len(found), len(self.classes)), np.uint8)
        for row, numbers in enumerate(found):
            targets[row, list(numbers)] = 1
        return targets

    def _windows(self, name: str) -> tuple[np.ndarray, list[Any], list[int]]:
        """All windows of a record [n, samples, leads], the target of each, and its place in the record."""
        cut, what, where = [], [], []
        for piece in self.adapter.pieces(name):
            record = self._before(piece)
            if not np.isfinite(record.signal).all():
                sample, lead = (int(i) for i in np.argwhere(~np.isfinite(record.signal))[0])
                raise DataError(
                    f"record {name}: sample {sample} of lead {record.leads[lead]} has no value",
                    "mend it, or preprocessing.steps = [{kind = \"fill-missing\"}]",
                )
            made, targets, places = self._cut(record)
            cut.append(made)
            what += targets
            where += places
        empty = np.zeros((0, *self.input_shape), np.float32)
        return np.concatenate([empty, *cut]), what, where

    def _cut(self, record: Record) -> tuple[np.ndarray, list[Any], list[int]]:
        task = self.described.task
        if task.kind == "beats":
            beats = record.annotations
            assert beats is not None  # the adapters see to it
            numbers = [self.class_of(symbol) for symbol in beats.symbols]
            chosen = [i for i, number in enumerate(numbers) if number is not None]
            at = beats.samples[chosen]
            if len(at) and (at.min() < 0 or at.max() >= record.samples):
                raise DataError(f"record {record.name}: a beat beyond its {record.samples} samples", "check its labels")
            made = [windows.beat_windows(lead, at, task.samples) for lead in record.signal.T]
            targets: list[Any] = [(numbers[i],) if task.multilabel else numbers[i] for i in chosen]
            return self._centred(np.stack(made, axis=2)), targets, at.tolist()
        numbers = [self.class_of(label) for label in record.statements]
        classes = tuple(dict.fromkeys(number for number in numbers if number is not None))
        if not classes and not task.multilabel:
            return np.zeros((0, *self.input_shape), np.float32), [], []
        if not task.multilabel and len(classes) != 1:
            named = ", ".join(task.classes[number] for number in classes)
            raise DataError(f"record {record.name} is of {len(classes)} classes ({named})", "set multilabel = true")
        target = classes if task.multilabel else classes[0]
        if task.kind == "records":
            made = [PadCrop(task.samples, task.anchor)(record).signal]
            places = [-1]
        else:
            step = task.every or task.samples
            places = list(range(0, record.samples - task.samples + 1, step))
            if not places:
                raise DataError(
                    f"record {record.name}: {record.samples} samples, a window has {task.samples}",
                    "set task.samples to the windows' length, or kind = \"records\" to fill up",
                )
            made = [record.signal[start : start + task.samples] for start in places]
        return self._centred(np.stack(made).astype(np.float32)), [target] * len(made), places

    def _centred(self, made: np.ndarray) -> np.ndarray:
        if not self.described.preprocessing.centre or not len(made):
            return made
        count, samples, leads = made.shape
        flat = windows.centre(made.transpose(0, 2, 1).reshape(count * leads, samples))
        return np.ascontiguousarray(flat.reshape(count, leads, samples).transpose(0, 2, 1))


def _smaller(first: int | None, second: int | None) -> int | None:
    given = [value for value in (first, second) if value is not None]
    return min(given) if given else None
