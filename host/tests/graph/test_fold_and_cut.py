"""Folding Conv1D's ballast keeps every bit; cutting a model gives a model of its own; constants stay aligned."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from ecgdeploy.errors import ModelError, UsageError
from ecgdeploy.graph import read_tflite
from ecgdeploy.graph.fold import fold_conv1d
from ecgdeploy.graph.rewrite import ALIGNMENT, cut, pack, unpack
from ecgdeploy.reference import TflmReference
from ecgdeploy.zoo import preset


@pytest.fixture(scope="session")
def models() -> dict[str, bytes]:
    """The preset, and the bench models where they are."""
    found = {"beat-cnn": preset("beat-cnn").int8.read_bytes()}
    data = os.environ.get("ECGDEPLOY_DATA")
    folder = Path(data).parent / "bench" / "models" if data else None
    if folder is not None and folder.is_dir():
        found |= {path.stem: path.read_bytes() for path in sorted(folder.glob("*.tflite"))}
    return found


def windows(model: bytes, count: int = 3) -> list[np.ndarray]:
    """Random inputs in the model's dtype."""
    graph = read_tflite(model, supported=False)
    tensor = graph.tensors[graph.inputs[0]]
    generator = np.random.default_rng(1)
    if tensor.dtype == "float32":
        return [generator.standard_normal(tensor.shape).astype(np.float32) for _ in range(count)]
    return [generator.integers(-128, 127, tensor.shape, np.int8, endpoint=True) for _ in range(count)]


# kinds and counts of the bench models: Conv1D exports, and the same networks written as 1xk Conv2D
@pytest.mark.parametrize(
    ("name", "operators"),
    [("beat_cnn", (22, 12)), ("ds_resnet", (67, 30)), ("mtcnn", (28, 18)), ("kws_like_f32", (22, 12))],
)
def test_the_ballast_of_the_bench_models_is_gone(
    models: dict[str, bytes], name: str, operators: tuple[int, int]
) -> None:
    if name not in models:
        pytest.skip("needs the bench models: set ECGDEPLOY_DATA to the data folder beside bench/")
    folded = fold_conv1d(models[name])
    assert (folded.operators_before, folded.operators_after) == operators
    assert folded.kinds_dropped == ("EXPAND_DIMS",)
    assert folded.bytes_after < folded.bytes_before
    assert len(folded.model) == folded.bytes_after


def test_metadata_whose_buffer_is_not_there_does_not_end_a_rewrite(models: dict[str, bytes]) -> None:
    found = unpack(models["beat-cnn"])
    found.metadata[0].buffer = len(found.buffers) + 100
    damaged = pack(found)
    assert np.array_equal(
        TflmReference(fold_conv1d(damaged).model).run(windows(damaged, 1))[0],
        TflmReference(models["beat-cnn"]).run(windows(damaged, 1))[0],
    )


def test_a_folded_model_has_identical_outputs_and_interface(models: dict[str, bytes]) -> None:
    for model in models.values():
        folded = fold_conv1d(model).model
        before, after = TflmReference(model), TflmReference(folded)
        for ends in ("inputs", "outputs"):
            for one, other in zip(getattr(before, ends), getattr(after, ends), strict=True):
                assert tuple(one["shape"]) == tuple(other["shape"]) and one["dtype"] == other["dtype"]
        for window in windows(model):
            for one, other in zip(before.run([window]), after.run([window]), strict=True):
                assert one.tobytes() == other.tobytes()


def test_folding_twice_changes_nothing_more(models: dict[str, bytes]) -> None:
    for model in models.values():
        once = fold_conv1d(model).model
        assert fold_conv1d(once).model == once


def test_a_model_without_ballast_is_returned_as_it_is(models: dict[str, bytes]) -> None:
    if "beat_cnn_2d" not in models:
        pytest.skip("needs the bench models: set ECGDEPLOY_DATA to the data folder beside bench/")
    folded = fold_conv1d(models["beat_cnn_2d"])
    assert folded.model == models["beat_cnn_2d"] and folded.kinds_dropped == ()


def test_a_cut_model_computes_the_tensor_it_was_cut_at(models: dict[str, bytes]) -> None:
    model = models["beat-cnn"]
    graph = read_tflite(model)
    whole = TflmReference(model, keep_tensors=True)
    window = windows(model, 1)[0]
    whole.run([window])
    for operator in graph.operators:
        (output,) = operator.outputs
        if graph.tensors[output].dtype == "int8":
            part = TflmReference(cut(model, operator.index)).run([window])
            assert part[0].tobytes() == whole.tensor(output).tobytes(), operator


def test_a_cut_model_holds_no_constants_of_what_was_cut_off(models: dict[str, bytes]) -> None:
    model = models["beat-cnn"]
    assert len(cut(model, 1)) < len(model) / 2


def test_constants_are_aligned_as_tflms_kernels_need(models: dict[str, bytes]) -> None:
    for model in models.values():
        packed = pack(unpack(model))
        for tensor in read_tflite(packed, supported=False).tensors:
            if tensor.data is not None and tensor.bytes > ALIGNMENT:
                assert packed.find(tensor.data.tobytes()) % ALIGNMENT == 0, tensor


def test_equal_models_give_equal_bytes(models: dict[str, bytes]) -> None:
    model = models["beat-cnn"]
    assert pack(unpack(model)) == pack(unpack(model))


def test_an_operator_that_is_not_there_is_refused(models: dict[str, bytes]) -> None:
    with pytest.raises(UsageError, match="no operator 999"):
        cut(models["beat-cnn"], 999)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ModelError, match="TFL3"):
        fold_conv1d(b"not a model at all")


@pytest.mark.parametrize("kept", [0, 7, 8, 100, 5_000])
def test_a_truncated_model_is_refused(models: dict[str, bytes], kept: int) -> None:
    with pytest.raises(ModelError):
        fold_conv1d(models["beat-cnn"][:kept])
