"""The arena estimated on this computer is the one measured on the emulated board with reference kernels."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecgdeploy.graph import read_tflite
from ecgdeploy.graph.fold import fold_conv1d
from ecgdeploy.projects.tflm_estimate import estimate

# smallest arenas measured on mps2-an386 with TFLM's reference kernels, and with CMSIS-NN; tflite-micro 90b983c2
MEASURED = {
    "beat_cnn": (11_776, 11_904),
    "beat_cnn_2d": (8_896, 9_424),
    "ds_resnet": (40_096, 40_192),
    "mtcnn": (143_040, 143_264),
}
# measured with CMSIS-NN only; where Conv1D is folded the peak falls on a convolution, and its scratch buffer counts
FOLDED = {"beat_cnn": 9_600, "ds_resnet": 37_904, "mtcnn": 114_224}


@pytest.mark.parametrize("name", MEASURED)
def test_the_estimate_is_the_measured_arena_and_its_margin_covers_cmsis_nn(bench: Path, name: str) -> None:
    path = bench / f"{name}.tflite"
    arena = estimate(path.read_bytes(), read_tflite(path))
    reference, cmsis_nn = MEASURED[name]
    assert arena.exact
    assert arena.bytes == reference
    assert cmsis_nn <= arena.with_margin <= 1.08 * cmsis_nn


def test_a_model_with_structures_that_are_not_in_the_table_gets_an_upper_bound(
    bench: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ecgdeploy.projects import tflm_estimate as module

    path = bench / "beat_cnn.tflite"
    monkeypatch.delitem(module.OPERATORS, "MEAN")
    bound = estimate(path.read_bytes(), read_tflite(path))
    assert not bound.exact
    assert bound.bytes >= MEASURED["beat_cnn"][0]


@pytest.mark.parametrize("name", FOLDED)
def test_the_margin_covers_cmsis_nn_where_its_scratch_falls_on_the_peak(bench: Path, name: str) -> None:
    folded = fold_conv1d((bench / f"{name}.tflite").read_bytes()).model
    arena = estimate(folded, read_tflite(folded))
    assert FOLDED[name] <= arena.with_margin <= 1.08 * FOLDED[name]
