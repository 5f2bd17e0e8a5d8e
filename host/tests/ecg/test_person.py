"""Age and sex travel with a record to a model's second input, and "not known" has a value."""

import numpy as np
import pytest

from ecgdeploy.ecg import person
from ecgdeploy.ecg.record import Record
from ecgdeploy.ecg.tasks import load_task
from ecgdeploy.errors import DataError


def record(age, sex):
    return Record("r", np.zeros((10, 1), np.float32), ("I",), 100.0, None, "made", "none", age=age, sex=sex)


@pytest.mark.parametrize(
    ("age", "sex", "numbers"),
    [
        (80.0, "male", (1, 1, 0)), (40.0, "female", (-1, 0, 1)), (None, None, (0, 0, 0)),
        (float("nan"), "male", (0, 1, 0)), (-1.0, None, (0, 0, 0)), (300.0, "female", (0, 0, 1)),
    ],
)  # fmt: skip
def test_age_and_sex_as_numbers(age, sex, numbers):
    assert person.of_record(record(age, sex)).tolist() == pytest.approx(numbers)


@pytest.mark.parametrize("in_memory", [1 << 30, 1])
def test_record_tasks_carry_age_and_sex_also_through_shards(in_memory, tmp_path, monkeypatch):
    import dataclasses

    monkeypatch.setenv("ECGDEPLOY_SHARDS", str(tmp_path))
    for _ in range(2):  # the second time the shards are there already
        task = dataclasses.replace(load_task("cinc2017-synthetic"), in_memory_bytes=in_memory)
        view = task.test()
        wanted = [person.of_record(task.reader.record(str(name))) for name in view.record_ids]
        np.testing.assert_array_equal(view.person, wanted)


def test_a_model_of_two_inputs_is_refused_where_the_data_have_one():
    view = load_task("mitbih-beats-synthetic").test(limit_per_record=1)
    assert view.arrays(1) == (view.inputs,)
    with pytest.raises(DataError, match="takes 2 inputs, the task gives the signal"):
        view.arrays(2)
