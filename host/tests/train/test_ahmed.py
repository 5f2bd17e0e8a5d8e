"""The eighteen networks of Ahmed have the sizes of the thesis, and two inputs reach the device."""

import dataclasses

import numpy as np
import pytest

from ecgdeploy import models
from ecgdeploy.errors import UsageError

pytestmark = pytest.mark.train

#: experiment -> trainable parameters that give Table 4.1, and the table's MB (MiB of a saved PyTorch state dict)
TABLE = {
    "E1": (8_833_379, 33.78), "E2": (8_746_339, 33.40), "E3": (8_829_539, 33.70), "E4": (8_829_539, 33.70),
    "E5": (3_959_139, 15.10), "E6": (3_955_299, 15.10), "E7": (3_868_259, 14.80), "E8": (8_543_331, 32.60),
    "E9": (3_911_779, 14.90), "E10": (13_464_931, 51.40), "E11": (8_827_235, 33.70), "E12": (1_533_475, 5.93),
    "E13": (2_231_075, 8.57), "E14": (8_833_274, 33.70), "E15": (732_835, 2.84), "E16": (201_635, 0.83),
    "E17": (573_059, 2.24), "E18": (63_715, 0.28),
}  # fmt: skip


@pytest.mark.parametrize("experiment", TABLE)
def test_each_experiment_has_the_size_of_the_table(experiment):
    from ecgdeploy.models.ahmed import state_dict_mib

    model = models.build("ahmed-resnet", experiment=experiment, samples=500)
    parameters, mib = TABLE[experiment]
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == parameters
    # names and headers of the saved file are not counted: up to 0.05 MB
    assert state_dict_mib(model) == pytest.approx(mib, abs=0.051)


def test_an_unknown_experiment_names_the_nearest():
    with pytest.raises(UsageError, match="E19"):
        models.build("ahmed-resnet", experiment="E19")


@pytest.fixture(scope="module")
def two_inputs(tmp_path_factory):
    """A small untrained network of the family as int8, and a test view of synthetic records."""
    from ecgdeploy.ecg.tasks import load_task
    from ecgdeploy.quantization.precision import convert_all

    folder = tmp_path_factory.mktemp("two-inputs")
    task = load_task("ptbxl-superclasses-synthetic")
    model = models.build("ahmed-resnet", experiment="E18", classes=5, samples=1000)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if hasattr(layer, "moving_mean"):  # untrained statistics would let the ranges explode
            layer.beta.assign(rng.normal(0, 0.2, layer.beta.shape))
    model.save(folder / "model.keras")
    calibration = task.calibration(16)  # of persons that nobody is: their ages are made up too
    people = np.stack([rng.uniform(-2, 2, 16), np.arange(16) % 2, 1 - np.arange(16) % 2], axis=1).astype(np.float32)
    calibration = dataclasses.replace(calibration, person=people)
    made = convert_all(folder / "model.keras", ("float32", "int8"), calibration)
    for name, file in made.items():
        (folder / f"{name}.tflite").write_bytes(file.content)
    return folder, task


def test_age_and_sex_change_the_answer(two_inputs):
    from ecgdeploy.quantization.runner import TfliteRunner

    folder, task = two_inputs
    view = task.test()
    runner = TfliteRunner((folder / "int8.tflite").read_bytes())
    signal, person = view.inputs[:2], np.array([[2, 1, 0], [-2, 0, 1]], np.float32)
    given, swapped = runner.run((signal, person)), runner.run((signal, person[::-1]))
    assert (given != swapped).any()


def test_two_inputs_are_measured_on_the_emulated_board(two_inputs, tmp_path):
    from ecgdeploy.studies.on_device import measured

    folder, task = two_inputs
    view, few = task.test(), slice(None, None, 10)
    people = np.random.default_rng(1).normal(0, 1, (len(view), 3)).astype(np.float32)
    few = dataclasses.replace(
        view, inputs=view.inputs[few].copy(), targets=view.targets[few].copy(), record_ids=view.record_ids[few],
        positions=view.positions[few], person=people[few].copy(),
    )
    result = measured(folder / "int8.tflite", few, tmp_path, board="nano33ble", name="two inputs", groups={})
    assert result["bit_exact"] == {"compared": len(few), "identical": len(few)}
    assert result["memory"]["ram_static"] < 64_000
