"""The networks have the papers' exact parameter counts, and convert to files of the papers' sizes."""

import pytest

from ecgdeploy import models
from ecgdeploy.errors import UsageError

pytestmark = pytest.mark.train


@pytest.mark.parametrize(
    ("leads", "outputs", "parameters"),
    [
        (12, "75", 1_728_971), (12, "56", 1_727_996), (12, "41", 1_727_021),
        (5, "75", 1_715_531), (5, "56", 1_714_556), (5, "41", 1_713_581),
        (3, "75", 1_711_691), (3, "56", 1_710_716), (3, "41", 1_709_741),
    ],
)  # fmt: skip
def test_mtcnn_has_the_papers_parameter_count(leads, outputs, parameters):
    assert models.mtcnn(leads=leads, outputs=outputs).count_params() == parameters


def test_mtcnn_outputs_are_the_three_tasks_in_order():
    assert [(o.shape[-1]) for o in models.mtcnn(leads=3, outputs="56").outputs] == [36, 15, 9]


def test_beat_cnn_is_small():
    assert models.beat_cnn().count_params() == 21_811


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.build("mtcn"), "did you mean 'mtcnn'"),
        (lambda: models.build("mtcnn", lead=3), "did you mean 'leads'"),
        (lambda: models.mtcnn(leads=4), "no 4-lead form"),
        (lambda: models.mtcnn(outputs="71"), "unknown output set '71'"),
    ],
)
def test_what_no_network_has_is_refused(call, message):
    with pytest.raises(UsageError, match=message):
        call()


PAPER_MIB = {"float32": 6.549, "float16": 3.283, "dynamic": 1.667, "int8": 1.681}


@pytest.mark.slow
def test_mtcnn_files_are_within_3_percent_of_the_papers_sizes(tmp_path):
    import numpy as np

    from ecgdeploy.ecg.views import CalibrationView
    from ecgdeploy.quantization.precision import convert_all

    rng = np.random.default_rng(0)
    # sizes are linear in leads and outputs, so that the middle of the paper's grid stands for its mean
    model = models.mtcnn(leads=5, outputs="56")
    for layer in model.layers:
        if getattr(layer, "bias", None) is not None:
            layer.bias.assign(rng.normal(0, 0.1, layer.bias.shape))
    model.save(tmp_path / "mtcnn.keras")
    noise = rng.normal(0, 1, (2, 1000, 5)).astype(np.float32)
    records = np.array(["r", "r"])
    calibration = CalibrationView(noise, np.zeros(2, np.int64), ("a",), records, np.full(2, -1), True, "noise")
    made = convert_all(tmp_path / "mtcnn.keras", tuple(PAPER_MIB), calibration)
    for precision, paper in PAPER_MIB.items():
        assert len(made[precision].content) / 2**20 == pytest.approx(paper, rel=0.03), precision
