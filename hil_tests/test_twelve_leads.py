"""Models over twelve leads: a whole 10-s record is one inference, its input larger than any buffer of the link."""

import os
from pathlib import Path

import pytest

MODELS = [Path(__file__).parent / "models" / "twelve-lead.tflite"]
BENCH = Path(os.environ.get("ECGDEPLOY_DATA", "/nonexistent")).parent / "bench" / "models"
HAS_BENCH = pytest.mark.skipif(not BENCH.is_dir(), reason="set ECGDEPLOY_DATA to a folder beside bench/models")


@pytest.fixture(scope="module", params=[MODELS[0], pytest.param(BENCH / "ds_resnet.tflite", marks=HAS_BENCH)],
                ids=["twelve-lead", "ds_resnet"])  # fmt: skip
def ecg_model(request):
    return str(request.param)


@pytest.fixture(scope="module")
def ecg_task():
    return "ptbxl-superclasses"


def test_every_answer_is_that_of_the_golden_reference(device, dataset, golden):
    some = dataset.encoded[:8]
    assert [result.outputs for result in device.infer_many(some)] == golden(some)


def test_the_link_carries_little_but_ecg(device, dataset):
    assert len(dataset.encoded[0]) == 12_000
    list(device.infer_many(dataset.encoded[:8]))
    assert device.statistics.goodput >= 0.97
