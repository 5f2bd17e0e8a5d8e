"""The downstream data sets of Weimann and Conrad: a pool that is divided anew for every run, and a test set.

The paper draws new training and validation records from the pool of 80 % for each run; the test records never change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.ecg.preprocessing import FillMissing, PadCrop, Pipeline, Resample, SelectLeads
from ecgdeploy.ecg.record import STANDARD_LEADS
from ecgdeploy.ecg.views import CalibrationView, TestView, TrainView, ValidationView
from ecgdeploy.errors import DataError

#: share of all records that validates
VALIDATION = 0.05
#: fewest training records of which a network can be said to have learned anything
FEWEST = 40


@dataclass(frozen=True)
class Downstream:
    """One downstream data set.

    Attributes
    ----------
    task : str
        Of `ecg.tasks`.
    leads : int
    folds : bool
        True where the published folds are kept for every run.
    """

    task: str
    leads: int
    folds: bool = False
    full_task: str = ""


DATA = {
    "cinc2017": Downstream("cinc2017", 1),
    "ptbxl-rhythm": Downstream("ptbxl-statements", 12, folds=True, full_task="ptbxl-statements-500hz"),
    "icbeb2018": Downstream("cpsc2018", 12),
}


def load(name: str, rate: float, seconds: float, quick: bool, data: Path | None) -> Pool:
    """The data set at `rate`, cropped or zero-padded to `seconds`.

    Raises
    ------
    DataError
        The data set is not here, or too little of it.
    """
    return _load(name, float(rate), float(seconds), quick, data)


@cache
def _load(name: str, rate: float, seconds: float, quick: bool, data: Path | None) -> Pool:
    from ecgdeploy.ecg.tasks import load_task

    facts = DATA[name]
    task: Any = load_task(facts.task if quick or not facts.full_task else facts.full_task, data)
    if task.synthetic:
        raise DataError(f"{facts.task} is not here", "put it in $ECGDEPLOY_DATA")
    samples = round(seconds * rate)
    leads = (SelectLeads(STANDARD_LEADS),) if facts.leads == 12 else ()
    steps = Pipeline((FillMissing(), *leads, Resample(rate), PadCrop(samples)))
    task = replace(
        task, name=f"{task.name}-{rate:g}hz-{seconds:g}s", pipeline=steps, rate=rate,
        input_shape=(samples, facts.leads),
    )
    if len(task.split.train) < FEWEST:
        raise DataError(
            f"{name}: {len(task.split.train)} training records are here, fewer than {FEWEST}", "copy the whole data set"
        )
    train, validation, test = task.train(), task.validation(), task.test()
    if name == "ptbxl-rhythm":
        train, validation, test = (_rhythm(view) for view in (train, validation, test))
    return Pool(name, facts.folds, train, validation, test)


def _rhythm(view: Any) -> Any:
    """The rhythm outputs of records that have one."""
    places = [i for i, name in enumerate(view.classes) if name.startswith("rhythm:")]
    rows = np.flatnonzero(view.targets[:, places].any(axis=1))
    return replace(
        view, inputs=np.ascontiguousarray(view.inputs[rows]), targets=view.targets[rows][:, places],
        classes=tuple(view.classes[i] for i in places), record_ids=view.record_ids[rows],
        positions=view.positions[rows], person=None,
    )


class Joined:
    """Rows of two arrays [n, samples, leads] as one, read when asked for."""

    ndim = 3
    dtype = np.dtype(np.float32)

    def __init__(self, parts: tuple[Any, Any], rows: np.ndarray) -> None:
        self.parts, self.rows = parts, rows
        self.shape = (len(rows), *parts[0].shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, wanted: Any) -> np.ndarray:
        if isinstance(wanted, slice):
            wanted = np.arange(*wanted.indices(len(self)))
        rows = self.rows[np.asarray(wanted)]
        if rows.ndim == 0:
            return self[np.asarray(wanted)[None]][0]
        first = len(self.parts[0])
        out = np.empty((len(rows), *self.shape[1:]), np.float32)
        for part, here, offset in ((self.parts[0], rows < first, 0), (self.parts[1], rows >= first, first)):
            if here.any():
                out[here] = part[rows[here] - offset]
        return out


@dataclass(frozen=True, eq=False)
class Pool:
    """Records that are divided for a run, and those that test."""

    name: str
    folds: bool
    first: TrainView
    second: ValidationView
    held: TestView

    @property
    def multilabel(self) -> bool:
        """Several labels a record."""
        return self.first.targets.ndim == 2

    def drawn(self, seed: int, share: float = 0.75) -> Drawn:
        """The division of run `seed`, with `share` of all records for training."""
        targets = np.concatenate([self.first.targets, self.second.targets])
        count, everything = len(targets), len(targets) + len(self.held)
        if self.folds:
            rows = np.arange(count)
            return Drawn(self, rows[: len(self.first)], rows[len(self.first) :], seed)
        rng = np.random.default_rng([seed, 2021])
        # within each class, so that its share stays; with several labels a record, the first of them is its class
        kinds = targets if targets.ndim == 1 else targets.argmax(axis=1)
        train, validation = [], []
        for kind in np.unique(kinds):
            rows = rng.permutation(np.flatnonzero(kinds == kind))
            held = max(1, round(len(rows) * VALIDATION * everything / count))
            validation.append(rows[:held])
            rest = rows[held:]
            train.append(rest[: max(1, round(len(rest) * share / 0.75))])
        return Drawn(self, np.sort(np.concatenate(train)), np.sort(np.concatenate(validation)), seed)


@dataclass(frozen=True, eq=False)
class Drawn:
    """One run's views."""

    pool: Pool
    train_rows: np.ndarray
    validation_rows: np.ndarray
    seed: int

    @property
    def classes(self) -> tuple[str, ...]:
        """The test set's classes."""
        return self.pool.held.classes

    @property
    def input_shape(self) -> tuple[int, int]:
        """Samples and leads."""
        return int(self.pool.first.inputs.shape[1]), int(self.pool.first.inputs.shape[2])

    def _view(self, kind: Any, rows: np.ndarray) -> Any:
        one, two = self.pool.first, self.pool.second
        return kind(
            Joined((one.inputs, two.inputs), rows), np.concatenate([one.targets, two.targets])[rows], one.classes,
            np.concatenate([one.record_ids, two.record_ids])[rows],
            np.concatenate([one.positions, two.positions])[rows], one.synthetic, one.source,
            one.provenance | {"part": kind.part, "drawn": self.seed, "records": len(rows)},
        )

    def train(self) -> TrainView:
        """This run's training records."""
        return self._view(TrainView, self.train_rows)  # type: ignore[no-any-return]

    def validation(self) -> ValidationView:
        """This run's validation records."""
        return self._view(ValidationView, self.validation_rows)  # type: ignore[no-any-return]

    def calibration(self, n: int = 512, seed: int = 0) -> CalibrationView:
        """Records of this run's training part."""
        chosen = np.sort(np.random.default_rng(seed).permutation(self.train_rows)[:n])
        return self._view(CalibrationView, chosen)  # type: ignore[no-any-return]

    def test(self, limit_per_record: int | None = None) -> TestView:  # noqa: ARG002 - as every task's
        """The records that no run trains on."""
        return self.pool.held
