"""Training: exact resume, what is kept in the run folder, and two workers for one."""

import json
import os
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest

from ecgdeploy.errors import DataError, UsageError
from ecgdeploy.training import config, run, shards, state

from .conftest import TINY, TinyTask, kill_after

pytestmark = pytest.mark.train

WORKER = """
import sys, json, pathlib
sys.path.insert(0, sys.argv[1])
from conftest import TINY, TinyTask
from ecgdeploy.training import config, run, runtime
settings = config.override(config.parse(TINY, "tiny.toml"), json.loads(sys.argv[3]))
folder = pathlib.Path(sys.argv[2])
done = run.train(settings, folder, task=TinyTask(), threads=1, report=lambda *s: print(s, flush=True))
print(json.dumps(done.manifest["validation"]))
"""


def in_process(folder, overrides=None, environment=None):
    """Start a training process on the tiny task."""
    here = os.path.dirname(__file__)  # noqa: PTH120
    command = [sys.executable, "-c", WORKER, here, str(folder), json.dumps(overrides or {})]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | (environment or {})
    )


class Killed(BaseException):
    """Stands for the kill signal: nothing in the library may catch it."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The tiny run, undisturbed."""
    return run.train(config.parse(TINY, "tiny.toml"), tmp_path_factory.mktemp("whole"), task=TinyTask(), threads=1)


def test_a_run_killed_again_and_again_resumes_to_the_same_weights_and_figures(tiny, task, tmp_path, whole):
    for steps in (5, 7, 12):  # within an epoch, at a checkpoint or not
        with pytest.raises(Killed):
            run.train(tiny, tmp_path / "killed", task=task, threads=1, report=kill_after(steps, Killed))
    resumed = run.train(tiny, tmp_path / "killed", task=task, threads=1)
    assert resumed.manifest["weights_sha256"] == whole.manifest["weights_sha256"]
    assert resumed.manifest["validation"] == whole.manifest["validation"]
    assert (tmp_path / "killed/history.csv").read_text() == (whole.folder / "history.csv").read_text()


@pytest.mark.slow
def test_a_process_killed_by_the_system_resumes_to_the_same_figures(tmp_path, whole):
    first = in_process(tmp_path / "killed")
    # so many steps were heard of; where exactly the process is when the signal lands is the system's choice
    for _ in range(17):
        assert first.stdout.readline()
    first.kill()
    first.wait()
    second = in_process(tmp_path / "killed")
    assert json.loads(second.communicate()[0].splitlines()[-1]) == whole.manifest["validation"]
    assert whole.manifest["validation"]["loss"] > 0


def test_the_run_folder_states_what_made_it(tiny, whole):
    facts = whole.manifest
    assert facts["config_sha256"] == tiny.sha256
    assert facts["replicas"] == 1
    assert facts["positives"] == {"N": 64, "S": 64, "V": 64}
    assert set(facts["sha256"]) == {"model.keras", "config.json", "history.csv"}
    assert facts["validation"]["macro_f1"] > 0.5
    assert facts["peak_host_ram_bytes"] > 0
    assert list((whole.folder / "logs").glob("events.*"))
    assert run.open_run(whole.folder).model.is_file()


def test_another_configuration_does_not_continue_a_run(tiny, task, tmp_path):
    run.train(config.override(tiny, {"epochs": 1}), tmp_path, task=task, threads=1)
    with pytest.raises(UsageError, match="another configuration"):
        run.train(tiny, tmp_path, task=task, threads=1)


def test_a_damaged_checkpoint_is_named(tiny, task, tmp_path):
    tmp_path.joinpath(state.STATE).write_bytes(b"half a file")
    with pytest.raises(DataError, match=r"state\.npz is damaged"):
        run.train(tiny, tmp_path, task=task, threads=1)


def test_early_stopping_ends_a_run_that_does_not_improve(tiny, task, tmp_path):
    settings = config.override(tiny, {"epochs": 30, "patience": 1, "optimizer.learning_rate": 1e-12})
    done = run.train(settings, tmp_path, task=task, threads=1)
    assert done.manifest["stopped_early"] and done.manifest["epochs_run"] < 30


def test_shards_read_like_one_array(task, tmp_path):
    view = task.train()
    stored = shards.write(view, tmp_path, shard_bytes=64 * 4 * 50)
    assert [len(np.load(p)) for p in sorted(tmp_path.glob("inputs/*.npy"))] == [50, 50, 50, 42]
    rows = np.array([191, 0, 49, 50, 149, 7])
    assert np.array_equal(stored.inputs[rows], view.inputs[rows])
    assert np.array_equal(stored.inputs[45:103], view.inputs[45:103])
    assert stored.sha256 == shards.read(tmp_path).sha256


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["folder", "index", "shard", "cut", "link"])
def test_lost_or_damaged_shards_are_made_again(task, tmp_path, harm):
    view, folder = task.train(), tmp_path / "shards"
    before = run.stored_windows(view, folder)
    part = next((folder / "inputs").glob("*.npy"))
    if harm in ("folder", "link"):
        shutil.rmtree(folder)
    if harm == "link":  # a pruning step's folder reads its dense run's
        folder.symlink_to(tmp_path / "a run that was deleted" / "shards")
    elif harm == "index":
        (folder / "index.json").unlink()
    elif harm == "shard":
        part.unlink()
    elif harm == "cut":
        part.write_bytes(part.read_bytes()[:-1000])
    again = run.stored_windows(view, folder)
    assert again.sha256 == before.sha256 and np.array_equal(again.inputs, view.inputs)


def test_two_workers_train_what_one_trains(tiny, task, tmp_path):
    # two ports kept until the end: bound, not listening, and shared with the workers only
    held = [socket.socket() for _ in range(2)]
    for port in held:
        port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        port.bind(("localhost", 0))
    cluster = {"worker": [f"localhost:{port.getsockname()[1]}" for port in held]}
    # no dropout: the workers' random streams are their own
    overrides = {"epochs": 1, "checkpoint_steps": 0, "model.options.dropout": 0.0}
    workers = [
        in_process(
            tmp_path / f"worker{index}",
            overrides | {"distribution.strategy": "multi-worker"},
            {
                "TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}),
                "TF_GRPC_REUSE_PORT": "1",
            },
        )
        for index in range(2)
    ]
    try:
        alone = run.train(config.override(tiny, overrides), tmp_path / "alone", task=task, threads=1)
        outputs = [process.communicate(timeout=600) for process in workers]  # a worker waits for a lost one for ever
    finally:
        for process in workers:
            process.kill()
        for port in held:
            port.close()
    assert [process.returncode for process in workers] == [0, 0], outputs[0][1][-2000:]
    figures = [json.loads(out.splitlines()[-1]) for out, _ in outputs]
    assert figures[0] == figures[1]
    manifest = json.loads((tmp_path / "worker0/manifest.json").read_text())
    assert manifest["replicas"] == 2
    assert not (tmp_path / "worker1/model.keras").exists()
    # gradients and batch-norm statistics are over the global batch: only the order of additions differs
    assert figures[0]["loss"] == pytest.approx(alone.manifest["validation"]["loss"], rel=1e-3)


def test_mixed_precision_trains_and_answers_in_float32(tiny, task, tmp_path):
    settings = config.override(tiny, {"epochs": 1, "mixed_precision": True})
    done = run.train(settings, tmp_path, task=task, threads=1)
    assert np.isfinite(done.manifest["validation"]["loss"])


def test_several_local_replicas_come_from_the_configuration(tiny, task, tmp_path):
    done = run.train(config.override(tiny, {"epochs": 1, "distribution.strategy": "mirrored"}), tmp_path, task=task)
    assert done.manifest["config"]["distribution"] == {"strategy": "mirrored"}


def test_multi_worker_without_its_environment_is_refused(tiny, task, tmp_path, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(UsageError, match="TF_CONFIG is not set"):
        run.train(config.override(tiny, {"distribution.strategy": "multi-worker"}), tmp_path, task=task)
