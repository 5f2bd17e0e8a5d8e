"""What every task offers: four views of one split."""

from __future__ import annotations

from typing import Any, Protocol

from ecgdeploy.ecg.preprocessing.device import DevicePreprocessing
from ecgdeploy.ecg.splits import Split
from ecgdeploy.ecg.views import CalibrationView, TestView, TrainView, ValidationView


class Task(Protocol):
    """A data set made into examples for a model.

    Attributes
    ----------
    name : str
        Ends in ``-synthetic`` when no person was recorded.
    source : str
        The data set, as reports name it.
    classes : tuple of str
    rate : float
        Samples a second of the model's input.
    input_shape : (samples, leads)
    synthetic : bool
    split : Split
    """

    @property
    def name(self) -> str: ...

    @property
    def source(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def rate(self) -> float: ...

    @property
    def input_shape(self) -> tuple[int, int]: ...

    @property
    def synthetic(self) -> bool: ...

    @property
    def split(self) -> Split: ...

    @property
    def preprocessing(self) -> dict[str, Any]:
        """The steps from millivolts to model input, as data."""
        ...

    def device_preprocessing(self, input_scale: float, zero_point: int) -> DevicePreprocessing:
        """The part of the preprocessing that a device can do, into the int8 of a model's input tensor."""
        ...

    def train(self) -> TrainView: ...

    def validation(self) -> ValidationView: ...

    def calibration(self, n: int = 512, seed: int = 0) -> CalibrationView:
        """`n` examples drawn from the training records (all of them when there are fewer)."""
        ...

    def test(self, limit_per_record: int | None = None, every_beat: bool = False) -> TestView:
        """The test examples; at most `limit_per_record` of each record, evenly spaced.

        With `every_beat`, a beat task adds the beats of no class, with target -1.
        """
        ...
