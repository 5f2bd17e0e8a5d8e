"""What is refused before any training, each in one line; none of this needs TensorFlow."""

import dataclasses

import numpy as np
import pytest

from ecgdeploy.errors import DataError, EcgDeployError, ModelError, UsageError
from ecgdeploy.models.paper import UNITS
from ecgdeploy.quantization import deployability, precision
from ecgdeploy.training import checks, config, losses, run

from .conftest import TINY


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epohcs": 3}, "did you mean 'epochs'"),
        ({"loss": {"gama": 1}}, r"did you mean 'loss\.gamma'"),
        ({"epochs": 0}, "epochs: Input should be greater than or equal to 1"),
        ({"monitor": "luck"}, "monitor"),
        ({"name": "Not A Name"}, "name"),
    ],
)
def test_a_wrong_key_or_value_is_named(change, message):
    with pytest.raises(UsageError, match=message) as caught:
        config.parse(TINY | change, "run.toml")
    assert "\n" not in caught.value.message


def test_a_file_that_is_not_toml_is_named(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text("epochs = = 3")
    with pytest.raises(UsageError, match="is not TOML"):
        config.read(path)
    with pytest.raises(UsageError, match="no configuration"):
        config.read(tmp_path / "absent.toml")


def test_an_override_changes_the_hash_and_is_checked(tiny):
    changed = config.override(tiny, {"loss.gamma": 1.5})
    assert changed.loss.gamma == 1.5 and changed.sha256 != tiny.sha256
    with pytest.raises(UsageError, match=r"did you mean 'loss\.gamma'"):
        config.override(tiny, {"loss.gamm": 1.5})


def altered(view, **changes):
    return dataclasses.replace(view, **changes)


def test_nan_in_the_signal_is_refused_with_its_place(tiny, task):
    inputs = task.train().inputs.copy()
    inputs[5, 17, 0] = np.nan
    with pytest.raises(DataError, match="record r1, window 5: sample 17 of lead 0"):
        run.preflight(tiny, altered(task.train(), inputs=inputs), task.validation())


def test_an_output_without_a_positive_training_record_is_refused(tiny, task):
    view = task.train()
    with pytest.raises(DataError, match="no positive training record for output V"):
        run.preflight(tiny, altered(view, targets=np.minimum(view.targets, 1)), task.validation())


def test_a_record_in_two_roles_is_refused(tiny, task):
    validation = altered(task.validation(), record_ids=task.train().record_ids[:96].copy())
    with pytest.raises(DataError, match="record r0 is in both the training and the validation set"):
        run.preflight(tiny, task.train(), validation)


def test_a_lead_that_the_data_set_lacks_is_refused():
    assert checks.lead_indices(("I", "II", "V1"), ("v1", "I"), "here") == [2, 0]
    with pytest.raises(UsageError, match=r"unknown lead \(in here\) 'V11'.*did you mean 'V1'"):
        checks.lead_indices(("I", "II", "V1"), ("V11",), "here")


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_only_a_calibration_view_calibrates(task, tmp_path, part):
    with pytest.raises(DataError, match=f"calibration was given {part} data"):
        precision.convert(tmp_path / "absent.keras", "int8", getattr(task, part)())


def test_a_calibration_set_with_nan_is_refused(task, tmp_path):
    inputs = task.calibration().inputs.copy()
    inputs[0, 0, 0] = np.inf
    with pytest.raises(DataError, match="calibration set"):
        precision.convert(tmp_path / "absent.keras", "int8", altered(task.calibration(), inputs=inputs))


@pytest.mark.parametrize("name", deployability.PRECISIONS)
@pytest.mark.parametrize("engine", ["static", "tflm", "litert"])
def test_every_pair_runs_or_is_refused_with_a_reason_and_a_way_out(name, engine):
    table = deployability.matrix()
    if name in table.runs[engine]:
        deployability.require(name, "nano33ble", engine)
        return
    with pytest.raises(ModelError) as caught:
        deployability.require(name, "nano33ble", engine)
    assert f"precision {name} does not run on nano33ble with engine {engine}" in caught.value.message
    nearest = caught.value.hint.rsplit(" ", 1)[1]
    deployability.require(nearest, "nano33ble", engine)


def test_a_board_without_the_engine_is_refused():
    with pytest.raises(ModelError, match="board pico has no engine litert"):
        deployability.require("int8", "pico", "litert", engines=("static", "tflm"))


def test_unknown_names_suggest_the_nearest():
    for call in (
        lambda: deployability.require("int9", "pico", "static"),
        lambda: deployability.require("int8", "pico", "statik"),
    ):
        with pytest.raises(EcgDeployError, match="did you mean"):
            call()


def test_class_weights_have_mean_one_over_the_examples():
    counts = np.array([900, 90, 10])
    for kind in ("none", "sqrt-inverse", "inverse"):
        weights = losses.class_weights(counts, kind)
        assert (weights * counts).sum() == pytest.approx(1000, rel=1e-5)
        assert (np.diff(weights) >= 0).all()


def test_the_output_sets_count_units_and_statements():
    assert [sum(units) for units in UNITS.values()] == [75, 60, 45]
