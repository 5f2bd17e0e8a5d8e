"""Small seeded views, so that training tests take seconds."""

import numpy as np
import pytest

from ecgdeploy.ecg import views


class TinyTask:
    """Three shapes of bump in noise; records r0.. train, v0.. validate, t0.. test."""

    name, source, synthetic = "tiny", "tiny seeded bumps", True
    classes = ("N", "S", "V")
    input_shape = (64, 1)

    def __init__(self, count=192):
        self.count = count

    def view(self, kind, prefix, seed, count=None):
        count = count or self.count
        rng = np.random.default_rng(seed)
        targets = np.arange(count) % 3
        time = np.arange(64)[None]
        width = np.array([2.0, 5.0, 11.0])[targets][:, None]
        x = np.exp(-(((time - 32) / width) ** 2)) + rng.normal(0, 0.15, (count, 64))
        records = np.array([f"{prefix}{i % 4}" for i in range(count)])
        provenance = {"part": kind.part, "data_sha256": "0", "split": "tiny"}
        inputs = x[:, :, None].astype(np.float32)
        return kind(inputs, targets, self.classes, records, np.full(count, -1), True, self.source, provenance)

    def train(self):
        return self.view(views.TrainView, "r", 1)

    def validation(self):
        return self.view(views.ValidationView, "v", 2, 96)

    def calibration(self, n=64, seed=0):
        return self.view(views.CalibrationView, "r", 3 + seed, n)

    def test(self, limit_per_record=None):
        return self.view(views.TestView, "t", 4, limit_per_record or 96)


TINY = {
    "schema": 1,
    "name": "tiny",
    "task": "tiny",
    "epochs": 3,
    "batch": 16,
    "checkpoint_steps": 3,
    "model": {
        "name": "beat-cnn",
        "options": {"samples": 64, "filters": [4, 8], "kernels": [5, 3], "dense": 8, "dropout": 0.2, "momentum": 0.8},
    },
    "optimizer": {"learning_rate": 0.01},
    "augmentation": {"gain": 0.2, "shift": 2},
}


def kill_after(steps, error):
    """What hears of every step, and raises `error` at the given one."""
    left = iter(range(steps - 1))

    def hear(*_):
        if next(left, None) is None:
            raise error

    return hear


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """TensorFlow as the library sets it up, and the same networks whatever ran before, for a test and its fixtures."""
    if item.get_closest_marker("train"):
        from ecgdeploy.training import runtime

        runtime.tensorflow(1).keras.utils.set_random_seed(1)


@pytest.fixture(scope="package", autouse=True)
def converts_here():
    """Convert in this process, which has TensorFlow already; what fails here is told by the real child process."""
    from ecgdeploy.quantization import child, precision

    def converted(folder, model, timeout):
        try:
            child.main(folder)
        except Exception:
            real(folder, model, timeout)

    real, precision._run_child = precision._run_child, converted
    yield
    precision._run_child = real


@pytest.fixture
def task():
    return TinyTask()


@pytest.fixture
def tiny():
    from ecgdeploy.training import config

    return config.parse(TINY, "tiny.toml")
