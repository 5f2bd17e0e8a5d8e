"""Views keep test data out of training, calibration and the choice of thresholds."""

from __future__ import annotations

import numpy as np
import pytest

from ecgdeploy.ecg import views
from ecgdeploy.ecg.views import CalibrationView, TestView, TrainView, ValidationView, View
from ecgdeploy.errors import DataError


def make(kind: type[View], n: int = 3, **provenance: str) -> View:
    return kind(
        inputs=np.zeros((n, 8, 1), np.float32),
        targets=np.zeros(n, np.int64),
        classes=("N", "S", "V"),
        record_ids=np.full(n, "100"),
        positions=np.arange(n),
        synthetic=False,
        source="a source",
        provenance=provenance,
    )


KINDS = (TrainView, ValidationView, CalibrationView, TestView)
CONSUMERS = {
    views.for_training: TrainView,
    views.for_choosing: ValidationView,
    views.for_calibration: CalibrationView,
    views.for_scoring: TestView,
}


@pytest.mark.parametrize("consumer", CONSUMERS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_each_consumer_accepts_its_own_view_and_refuses_every_other(consumer, kind):
    view = make(kind)
    if CONSUMERS[consumer] is kind:
        assert consumer(view) is view
    else:
        with pytest.raises(DataError) as refusal:
            consumer(view)
        assert f"{kind.part} data" in refusal.value.message
        assert CONSUMERS[consumer].__name__ in refusal.value.hint


@pytest.mark.parametrize("consumer", CONSUMERS, ids=lambda f: f.__name__)
def test_a_bare_array_is_refused(consumer):
    with pytest.raises(DataError, match="ndarray"):
        consumer(np.zeros((3, 8, 1), np.float32))


def test_a_calibration_view_cannot_be_made_of_test_data():
    with pytest.raises(DataError, match="cannot be made of test data"):
        make(CalibrationView, part="test")


def test_the_arrays_of_a_view_cannot_be_changed():
    view = make(TrainView)
    with pytest.raises(ValueError, match="read-only"):
        view.inputs[0, 0, 0] = 1.0


def test_a_view_needs_one_target_an_input():
    with pytest.raises(DataError, match="differ in length"):
        TestView(np.zeros((2, 8, 1), np.float32), np.zeros(3, int), ("N",), np.full(2, "a"), np.arange(2), False, "s")
