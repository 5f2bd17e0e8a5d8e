"""The typed views of a split: what may be used for training, for calibration, for choosing, and for scoring.

Each is a class of its own, and each consumer asks for its class (`require`), so that test data cannot reach training,
calibration or the choice of a threshold by accident: it is an error at the border, not a habit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import numpy as np

from ecgdeploy.errors import DataError


@dataclass(frozen=True, eq=False)
class View:
    """Examples of one part of a split, ready for a model.

    Attributes
    ----------
    inputs : float32 [n, samples, leads]
        Preprocessed model input: an array, or (too large for memory) a `shards.ShardedArray`, which reads like one.
    targets : int64 [n] or uint8 [n, classes]
        Class index (-1: a beat that belongs to none of the classes), or 0/1 for each class.
    classes : tuple of str
    record_ids : str [n]
        The record each example comes from.
    positions : int64 [n]
        Sample of the beat in its record, or -1 when the example is the whole record.
    synthetic : bool
        True when no person was recorded; every line that reports a result must then say so.
    source : str
        The data set, as it is to be named in reports.
    provenance : dict
        The data set's hash, the split's name, the part.
    person : float32 [n, 3], optional
        Age and sex (`person.FEATURES`), for models that take them as a second input.
    """

    part: ClassVar[str] = ""

    inputs: np.ndarray
    targets: np.ndarray
    classes: tuple[str, ...]
    record_ids: np.ndarray
    positions: np.ndarray
    synthetic: bool
    source: str
    provenance: dict[str, Any] = field(default_factory=dict)
    person: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not self.part:
            raise TypeError("View is abstract: use TrainView, ValidationView, CalibrationView or TestView")
        count = len(self.inputs)
        if not count == len(self.targets) == len(self.record_ids) == len(self.positions):
            raise DataError("a view's inputs, targets, record ids and positions differ in length", "give one of each")
        if self.inputs.ndim != 3 or self.inputs.dtype != np.float32:
            raise DataError(
                f"a view's inputs are {self.inputs.dtype} {self.inputs.shape}", "they are float32 [n, samples, leads]"
            )
        if self.person is not None and (len(self.person) != count or self.person.dtype != np.float32):
            raise DataError("a view's persons do not match its inputs", "give one row of float32 an example")
        # a view that was made from another part's arrays and provenance is a leak, whatever its class says
        made_for = self.provenance.get("part", self.part)
        if made_for != self.part:
            raise DataError(f"a {type(self).__name__} cannot be made of {made_for} data", "ask the task for its view")
        for array in (self.inputs, self.targets, self.record_ids, self.positions, self.person):
            if isinstance(array, np.ndarray):  # shards are read-only by nature
                array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.inputs)

    def arrays(self, inputs: int) -> tuple[Any, ...]:
        """What a model of so many inputs takes: the signal, and age and sex for a second one.

        Raises
        ------
        DataError
            The model takes more than this data set has.
        """
        if inputs == 1:
            return (self.inputs,)
        if inputs == 2 and self.person is not None:
            return self.inputs, self.person
        has = "the signal, age and sex" if self.person is not None else "the signal"
        raise DataError(f"the model takes {inputs} inputs, the task gives {has}", "choose a --task made for this model")

    def batches(self, size: int, seed: int | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Inputs and targets in batches of `size`, in order or (with a seed) shuffled."""
        order = np.arange(len(self)) if seed is None else np.random.default_rng(seed).permutation(len(self))
        for start in range(0, len(self), size):
            rows = order[start : start + size]
            yield self.inputs[rows], self.targets[rows]


@dataclass(frozen=True, eq=False)
class TrainView(View):
    """For fitting weights, and nothing else."""

    part: ClassVar[str] = "train"


@dataclass(frozen=True, eq=False)
class ValidationView(View):
    """For stopping early, choosing a model and choosing thresholds. Its patients are in no other part."""

    part: ClassVar[str] = "validation"


@dataclass(frozen=True, eq=False)
class CalibrationView(View):
    """For the ranges of quantization; drawn from the training records only."""

    part: ClassVar[str] = "calibration"


@dataclass(frozen=True, eq=False)
class TestView(View):
    """For scoring, on the host or on a device. Nothing may be chosen by it."""

    __test__ = False  # pytest: the name is the field's, this is no test
    part: ClassVar[str] = "test"


V = TypeVar("V", bound=View)


def require(view: object, kind: type[V] | tuple[type[V], ...], purpose: str) -> V:
    """`view` when it is of the `kind` that `purpose` may see.

    Raises
    ------
    DataError
        Anything else: another view, a bare array.
    """
    if isinstance(view, kind):
        return view
    kinds = kind if isinstance(kind, tuple) else (kind,)
    wanted = " or ".join(k.__name__ for k in kinds)
    got = f"{view.part} data" if isinstance(view, View) else type(view).__name__
    raise DataError(f"{purpose} was given {got}", f"{purpose} accepts a {wanted} only: ask the task for it")


def for_training(view: object) -> TrainView:
    """The view, if weights may be fitted to it."""
    return require(view, TrainView, "training")


def for_choosing(view: object) -> ValidationView:
    """The view, if a threshold, an epoch or a model may be chosen by it."""
    return require(view, ValidationView, "choosing thresholds and models")


def for_calibration(view: object) -> CalibrationView:
    """The view, if quantization ranges may be taken from it."""
    return require(view, CalibrationView, "calibration")


def for_scoring(view: object) -> TestView:
    """The view, if final results may be reported on it."""
    return require(view, TestView, "scoring")
