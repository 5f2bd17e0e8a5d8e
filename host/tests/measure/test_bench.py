"""Cost of the static engine on the bench models: no figure may grow by more than 1 %, and every output is TFLM's.

A figure that falls is written down with
    ecgdeploy bench --models DIR --write-baseline host/tests/measure/bench_baseline.json
"""

import json
import os
from pathlib import Path

import pytest

from ecgdeploy.errors import UsageError
from ecgdeploy.measure.bench import bench_folder, bench_model, compare_with_baseline

BENCH = Path(os.environ.get("ECGDEPLOY_DATA", "/nonexistent")).parent / "bench" / "models"
BASELINE = Path(__file__).with_name("bench_baseline.json")
needs_bench = pytest.mark.skipif(not BENCH.is_dir(), reason="set ECGDEPLOY_DATA to a folder beside bench/models")


@needs_bench
@pytest.mark.parametrize("name", ["beat_cnn", "beat_cnn_2d", "ds_resnet", "kws_like_f32", "mtcnn"])
def test_no_figure_grows_and_outputs_stay_exact(name):
    result = bench_model(BENCH / f"{name}.tflite", limit=2 if name == "mtcnn" else 8)
    assert result.identical == result.compared > 0
    assert not [str(r) for r in compare_with_baseline([result], BASELINE)]


@needs_bench
def test_baseline_covers_every_bench_model():
    assert {p.stem for p in BENCH.glob("*.tflite")} == set(json.loads(BASELINE.read_text()))


def test_a_folder_without_models_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError):
        bench_folder(tmp_path)
