"""The first operator that differs is the one that was tampered with, wherever it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from ecgdeploy.errors import UsageError
from ecgdeploy.graph import read_tflite
from ecgdeploy.graph.rewrite import pack, unpack
from ecgdeploy.measure import layers
from ecgdeploy.zoo import preset

MODEL = preset("beat-cnn").int8.read_bytes()
GRAPH = read_tflite(MODEL)
WEIGHTED = [item for item in GRAPH.operators if item.kind in ("CONV_2D", "FULLY_CONNECTED")]
INPUTS = layers.random_inputs(MODEL, 3, seed=5)


def damaged(tensor_name: str) -> layers.Runner:
    """A device whose copy of one constant has flipped bits."""

    def prepare(file: bytes) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
        model = unpack(file)
        for tensor in model.subgraphs[0].tensors:
            if tensor.name.decode() == tensor_name:
                buffer = model.buffers[tensor.buffer]
                buffer.data = np.bitwise_xor(np.asarray(buffer.data, dtype=np.uint8), 0x55)
        return layers.golden_runner(pack(model))

    return prepare


@pytest.mark.parametrize("operator", WEIGHTED, ids=lambda item: f"{item.index}-{item.kind}")
def test_the_operator_with_the_damaged_weights_is_named(operator) -> None:
    weights = GRAPH.tensors[operator.inputs[1]]
    report = layers.diff_layers(MODEL, INPUTS, damaged(weights.name), layers.golden_runner)
    assert report.operator == operator.index
    assert operator.kind in report.place
    assert report.at_operator is not None
    assert 0 < report.at_operator.different <= report.at_operator.total
    assert sum(count for _, count in report.at_operator.histogram) <= report.at_operator.different
    assert max(abs(value) for value, _ in report.at_operator.histogram) <= report.at_operator.largest
    # what bisection promises: cut just before they agree, cut behind they do not
    assert (operator.index, False) in report.cuts
    assert all(same for index, same in report.cuts if index < operator.index)


def test_few_cuts_are_tried() -> None:
    weights = GRAPH.tensors[WEIGHTED[0].inputs[1]]
    report = layers.diff_layers(MODEL, INPUTS, damaged(weights.name), layers.golden_runner)
    assert len(report.cuts) <= len(GRAPH.operators).bit_length() + 2


def test_equal_devices_need_no_cut() -> None:
    report = layers.diff_layers(MODEL, INPUTS, layers.golden_runner, layers.golden_runner)
    assert report.whole.different == 0 and report.operator is None and report.cuts == ()


def test_the_static_engine_on_this_computer_agrees() -> None:
    report = layers.diff_layers(MODEL, INPUTS, layers.host_runner, layers.golden_runner)
    assert report.whole.different == 0


def test_a_fault_that_only_the_whole_model_shows_is_said_to_be_one() -> None:
    def whole_only(file: bytes) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
        run = layers.golden_runner(file)
        return run if file != MODEL else lambda window: [output + np.int8(1) for output in run(window)]

    report = layers.diff_layers(MODEL, INPUTS, whole_only, layers.golden_runner)
    assert report.operator is None and "only the whole model" in report.place
    assert report.whole.largest >= 1


def test_differences_do_not_wrap_in_int8() -> None:
    found = layers.compare([[np.array([127, -128, 3], np.int8)]], [[np.array([-128, 127, 3], np.int8)]])
    assert found.histogram == ((-255.0, 1), (255.0, 1)) and found.largest == 255 and found.different == 2


def test_floats_are_compared_by_their_bits() -> None:
    same = np.array([np.nan, 1.0], np.float32)
    assert layers.compare([[same]], [[same.copy()]]).different == 0
    assert (
        layers.compare([[np.array([1.0], np.float32)]], [[np.nextafter(np.float32(1), np.float32(2))[None]]]).different
        == 1
    )


def test_inputs_of_another_dtype_or_size_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "float.npy", np.zeros((2, 256), np.float32))
    np.save(tmp_path / "short.npy", np.zeros((2, 255), np.int8))
    for name in ("float.npy", "short.npy", "absent.npy"):
        with pytest.raises(UsageError):
            layers.read_inputs(MODEL, tmp_path / name)
    np.savez(tmp_path / "good.npz", inputs=np.zeros((2, 256), np.int8))
    assert len(layers.read_inputs(MODEL, tmp_path / "good.npz")) == 2
