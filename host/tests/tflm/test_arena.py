"""The arena estimated on this computer is the one measured on the emulated board with reference kernels."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecgdeploy.graph import read_tflite
from ecgdeploy.projects.tflm_estimate import estimate

# smallest arenas measured on mps2-an386 with TFLM's reference kernels, and with CMSIS-NN; tflite-micro 90b983c2
MEASURED = {
    "beat_cnn": (11_776, 11_904),
    "beat_cnn_2d": (8_896, 9_424),
    "ds_resnet": (40_096, 40_192),
    "mtcnn": (143_040, 143_264),
}


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
