"""Record tasks: published splits, shares kept by class, statistics of the training records, bounded memory."""

from __future__ import annotations

import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgdeploy.ecg import stratify
from ecgdeploy.ecg.shards import ShardedArray, write_shards
from ecgdeploy.ecg.tasks import TASKS, load_task
from ecgdeploy.ecg.tasks.synthetic import SHOWN
from ecgdeploy.errors import DataError

from .conftest import real


@pytest.fixture(scope="module")
def small():
    return load_task("ptbxl-superclasses-synthetic")


def test_every_task_has_a_synthetic_stand_in_that_says_so():
    for name in TASKS:
        if name.endswith("-synthetic"):
            task = load_task(name)
            assert task.name == name
            assert task.synthetic
            assert "synthetic" in task.source
    assert set(SHOWN) <= {name.partition("-heldout")[0] for name in TASKS}


def test_views_are_standardized_by_the_training_records_alone(small):
    train, test = small.train(), small.test()
    np.testing.assert_allclose(train.inputs.mean(axis=(0, 1)), 0, atol=1e-3)
    np.testing.assert_allclose(train.inputs.std(axis=(0, 1)), 1, atol=1e-3)
    assert abs(test.inputs.std() - 1) > 1e-4  # its own statistics would give one
    steps = train.provenance["preprocessing"]["steps"]
    assert steps[-1]["kind"] == "standardize"
    assert train.provenance["data_sha256"] == test.provenance["data_sha256"]


def test_no_person_is_in_two_parts(small):
    parts = [set(view.record_ids) for view in (small.train(), small.validation(), small.test())]
    assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]
    assert set(small.calibration(10, 3).record_ids) <= parts[0]
    assert small.calibration(10**6).inputs.shape[0] == len(parts[0])


def test_shards_give_the_same_view_as_memory(small, tmp_path, monkeypatch):
    monkeypatch.setenv("ECGDEPLOY_SHARDS", str(tmp_path))
    streamed = replace(small, in_memory_bytes=0)
    for _ in range(2):  # written, then found again
        view, plain = streamed.train(), small.train()
        assert isinstance(view.inputs, ShardedArray)
        assert np.array_equal(view.targets, plain.targets)
        np.testing.assert_array_equal(view.inputs[5:17], plain.inputs[5:17])
        rows = np.array([3, 90, 1, -1])
        np.testing.assert_array_equal(view.inputs[rows], plain.inputs[rows])
        batches = list(view.batches(50, seed=1))
        assert [len(inputs) for inputs, _ in batches] == [50, 50, 20]
        streamed = replace(streamed)


def test_a_shard_has_a_bounded_size_and_all_examples(tmp_path):
    blocks = [np.full((7, 3), i, np.float32) for i in range(23)]
    write_shards(tmp_path / "s", (7, 3), iter(blocks), shard_bytes=4 * 7 * 3 * 5)
    stored = ShardedArray(tmp_path / "s")
    assert len(list((tmp_path / "s").glob("part-*.npy"))) == 5
    assert stored.shape == (23, 7, 3)
    assert stored[:][:, 0, 0].tolist() == list(range(23))
    with pytest.raises(IndexError):
        stored[23]
    (tmp_path / "s" / "part-00002.npy").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"part-00002\.npy is damaged"):
        stored[10:12]


def test_a_writer_that_fails_leaves_nothing_behind(tmp_path):
    with pytest.raises(DataError, match="an example of shape"):
        write_shards(tmp_path / "s", (7, 3), iter([np.zeros((7, 3), np.float32), np.zeros((7, 2), np.float32)]))
    assert list(tmp_path.iterdir()) == []


def test_of_two_writers_at_once_the_faster_ones_shards_stay(tmp_path, monkeypatch):
    """The other one is done just before this one's last step."""
    rename, blocks = Path.rename, [np.full((7, 3), i, np.float32) for i in range(5)]

    def other_first(self, target):
        monkeypatch.setattr(Path, "rename", rename)
        write_shards(tmp_path / "s", (7, 3), iter(blocks))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", other_first)
    write_shards(tmp_path / "s", (7, 3), iter(blocks))
    assert ShardedArray(tmp_path / "s")[:][:, 0, 0].tolist() == list(range(5))
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


PEAK = """
import resource, sys
from pathlib import Path
import numpy as np
from ecgdeploy.ecg.shards import ShardedArray, write_shards
count, folder = int(sys.argv[1]), Path(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
write_shards(folder, (1000, 12), (np.full((1000, 12), i, np.float32) for i in range(count)))
stored = ShardedArray(folder)
total = sum(float(stored[i : i + 64].sum(dtype=np.float64)) for i in range(0, count, 64))
assert total == 12000.0 * sum(range(count)), total
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_number_of_records(tmp_path):
    growth = []
    for count in (400, 4000):
        command = [sys.executable, "-c", PEAK, str(count), str(tmp_path / str(count))]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        growth.append(int(done.stdout))
    assert resource.getpagesize()  # ru_maxrss is in KiB on Linux
    # ten times the records (192 MB instead of 19 MB): one shard more or less, never the set
    assert growth[1] < growth[0] + 20_000
    assert growth[1] < 90_000


# stratification


def test_one_label_a_record_keeps_its_shares():
    labels = np.repeat([0, 1, 2, 3], [758, 5050, 2456, 279])
    part = stratify.stratify(stratify.one_hot(labels, 4), [str(i) for i in range(len(labels))], (0.75, 0.05, 0.20), 1)
    for c, total in enumerate(np.bincount(labels)):
        assert np.abs(np.bincount(part[labels == c], minlength=3) - total * np.array([0.75, 0.05, 0.20])).max() <= 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(40, 300), st.integers(1, 8), st.floats(0.02, 0.6))
def test_many_labels_a_record_stay_near_their_shares_and_people_stay_together(seed, count, classes, density):
    rng = np.random.default_rng(seed)
    labels = (rng.random((count, classes)) < density).astype(np.uint8)
    patients = [str(p) for p in rng.integers(0, count // 2, count)]
    shares = np.array([0.7, 0.1, 0.2])
    part = stratify.stratify(labels, patients, shares.tolist(), seed)
    assert set(part) <= {0, 1, 2}
    homes: dict[str, int] = {}
    for person, home in zip(patients, part, strict=True):
        assert homes.setdefault(person, home) == home
    largest = max(np.bincount(np.unique(patients, return_inverse=True)[1]))
    sizes = np.bincount(part, minlength=3)
    assert np.abs(sizes - shares * count).max() <= 3 * largest + 0.06 * count
    again = stratify.stratify(labels, patients, shares.tolist(), seed)
    assert np.array_equal(part, again)


def test_rare_labels_reach_the_small_parts():
    rng = np.random.default_rng(0)
    labels = (rng.random((2000, 6)) < [0.5, 0.3, 0.1, 0.02, 0.01, 0.01]).astype(np.uint8)
    part = stratify.stratify(labels, [str(i) for i in range(2000)], (0.8, 0.1, 0.1), 3)
    for c in range(6):
        got = np.bincount(part[labels[:, c] == 1], minlength=3)
        assert np.abs(got - labels[:, c].sum() * np.array([0.8, 0.1, 0.1])).max() <= 2


@pytest.mark.parametrize(("shares", "patients"), [((0.5, 0.6), 3), ((1.2, -0.2), 3), ((0.5, 0.5), 2)])
def test_shares_and_shapes_are_checked(shares, patients):
    with pytest.raises(DataError):
        stratify.stratify(np.zeros((3, 2)), ["p"] * patients, shares, 0)


# the real data sets


def test_ptbxl_statements_have_75_outputs_of_71_statements_in_the_published_folds(real_data):
    real(real_data, "ptb-xl")
    task = load_task("ptbxl-statements", real_data)
    assert len(task.classes) == 75
    assert len({name.partition(":")[2] for name in task.classes}) == 71
    assert task.groups == {"diagnostic": (0, 44), "form": (44, 63), "rhythm": (63, 75)}
    test = task.test()
    assert test.inputs.shape == (255, 1000, 12)
    assert [len(part) for part in (task.split.train, task.split.validation, task.split.test)] == [1490, 242, 255]
    # a statement that is both diagnostic and form is set in both heads
    both = [test.targets[:, task.classes.index(f"{group}:NDT")] for group in ("diagnostic", "form")]
    assert np.array_equal(both[0], both[1])
    assert both[0].sum() > 0


def test_cinc2017_keeps_75_5_20_percent_of_each_class(real_data):
    real(real_data, "cinc2017")
    task = load_task("cinc2017", real_data)
    assert [len(part) for part in (task.split.train, task.split.validation, task.split.test)] == [1124, 76, 300]
    labels = np.array([task.reader.labels[name] for name in task.split.test])
    assert {name: int((labels == name).sum()) for name in task.classes} == {"N": 46, "A": 152, "O": 46, "~": 56}


def test_a_held_out_source_is_in_the_test_part_only(real_data):
    real(real_data, "cinc2021")
    task = load_task("cinc2021-heldout-georgia", real_data)
    assert {task.reader.subset(name) for name in task.split.test} == {"georgia"}
    assert "georgia" not in {task.reader.subset(name) for name in (*task.split.train, *task.split.validation)}
    assert len(task.split.test) == 30
    paired = load_task("cinc2021-heldout-cpsc_2018", real_data)
    assert {paired.reader.subset(name) for name in paired.split.test} == {"cpsc_2018", "cpsc_2018_extra"}
    assert task.test().inputs.shape == (30, 2500, 12)
    earlier = load_task("cinc2020-heldout-georgia", real_data)
    trained = {earlier.reader.subset(name) for name in earlier.split.train}
    assert trained == {"cpsc_2018", "cpsc_2018_extra", "ptb", "ptb-xl"}
    assert len(earlier.classes) == 24


def test_cinc2020_and_sph_are_merged_in_common_classes_with_cpsc_held_out(real_data, tmp_path):
    """One SPH record of the documented layout beside the real CinC records."""
    h5py = pytest.importorskip("h5py")
    cinc = real(real_data, "cinc2021")
    (tmp_path / "cinc2021").symlink_to(cinc)
    records = tmp_path / "sph" / "records"
    records.mkdir(parents=True)
    with h5py.File(records / "A00001.h5", "w") as file:
        file["ecg"] = np.random.default_rng(0).normal(0, 0.1, (12, 5000)).astype(np.float16)
    header = "ECG_ID,AHA_Code,Patient_ID,Age,Sex,N,Date\n"
    (tmp_path / "sph" / "metadata.csv").write_text(header + "A00001,60+310;22;148,S1,55,M,5000,2020-01-01\n")
    task = load_task("cinc2020-sph", tmp_path)
    assert len(task.classes) == 18
    assert {task.reader.cinc.subset(name) for name in task.split.test} == {"cpsc_2018", "cpsc_2018_extra"}
    assert "A00001" in (*task.split.train, *task.split.validation)
    assert task.reader.statements("A00001") == ("SB", "PVC|VPB", "LQT")
    alone = load_task("cinc2020-sph", real_data)
    assert "SPH is not here" in alone.source
    test = alone.test()
    assert test.inputs.shape[1:] == (2500, 12) and test.person.any()


def test_ptbxl_at_500_hz_needs_its_own_files(real_data):
    task = load_task("ptbxl-statements-500hz-synthetic")
    assert (task.rate, task.input_shape) == (500.0, (5000, 12))
    folder = real(real_data, "ptb-xl")
    if not (folder / "records500").is_dir():
        with pytest.raises(DataError, match="records500: missing"):
            load_task("ptbxl-statements-500hz", real_data)
