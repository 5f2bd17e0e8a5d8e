"""Pre-training: labels of frames, bounded memory, a damaged record is named and skipped, a killed run resumes."""

import dataclasses

import numpy as np
import pytest

from ecgdeploy.ecg import upstream as collections
from ecgdeploy.ecg.record import Annotations, Record
from ecgdeploy.errors import DataError, ModelError, UsageError
from ecgdeploy.training import config, frames, pretrain

from .conftest import TinyTask, kill_after

RATE = 100.0


def record(name):
    """Twenty seconds of spikes: every third is ventricular; fibrillation in the second half."""
    if name == "damaged":
        raise DataError("damaged.dat: 3 of 9000 bytes", "copy it again")
    rng = np.random.default_rng(int(name[1:]))
    places = np.arange(40, 1950, 70 + 20 * int(name[1:]))
    x = rng.normal(0, 0.05, 2000)
    for i, place in enumerate(places):
        x[place - 3 : place + 4] += np.hanning(7) * (2.0 if i % 3 else -3.0)
    symbols = ["V" if i % 3 == 0 else "N" for i in range(len(places))]
    beats = [(int(place), symbol, "") for place, symbol in zip(places, symbols, strict=True)]
    rows = sorted([(0, "+", "(N"), (1000, "+", "(AFIB"), *beats])
    notes = Annotations.at([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])
    return Record(name, x[:, None].astype(np.float32), ("II",), RATE, name, "toy", "none", annotations=notes)


TOY = collections.Upstream("toy", ("r0", "r1", "damaged", "r2", "r3"), record, lambda name: name)
CONFIG = {
    "schema": 1, "name": "toy", "task": "upstream", "epochs": 2, "batch": 8, "monitor": "loss", "checkpoint_steps": 3,
    "model": {"name": "weimann-resnet", "options": {"width": 0.0625, "blocks": [1, 1]}},
    "loss": {"kind": "crossentropy"},
    "pretrain": {"task": "beat", "samples": 128, "rate": RATE, "frames_per_record": 16, "held_out": 0.25},
}  # fmt: skip


def settings(**changes):
    return config.override(config.parse(CONFIG, "toy"), changes)


def lead():
    return TOY.lead("r0", RATE)


def test_a_beat_frame_has_the_most_frequent_abnormal_beat_or_is_normal():
    found = lead()
    assert frames.CLASSES["beat"][frames.beat_label(found, 30, 60)] == "V"
    assert frames.CLASSES["beat"][frames.beat_label(found, 100, 120)] == "normal"
    assert frames.beat_label(found, 41, 60) == frames.NO_LABEL
    several = dataclasses.replace(found, beats=np.array([1, 2, 3, 4]), symbols=("V", "A", "A", "N"))
    assert frames.CLASSES["beat"][frames.beat_label(several, 0, 10)] == "S"


@pytest.mark.parametrize(("start", "expected"), [(0, "normal"), (900, "AFIB"), (1500, "AFIB")])
def test_fibrillation_comes_before_a_longer_normal_rhythm(start, expected):
    assert frames.CLASSES["rhythm"][frames.rhythm_label(lead(), start, start + 128)] == expected


@pytest.mark.parametrize(("every", "expected"), [(320, "bradycardia"), (200, "normal"), (120, "tachycardia")])
def test_the_heart_rate_comes_from_a_detector(every, expected):
    x = np.random.default_rng(0).normal(0, 0.01, 5000).astype(np.float32)
    for place in range(100, 4900, every):
        x[place - 6 : place + 7] += np.hanning(13) * 3
    made = collections.Lead(x, np.zeros(0, np.int64), (), ())
    assert frames.CLASSES["heart-rate"][frames.heart_rate_label(made, 1000, 3000, 250.0)] == expected


def test_a_flat_frame_is_noise():
    made = collections.Lead(np.zeros(2000, np.float32), np.zeros(0, np.int64), (), ())
    assert frames.CLASSES["heart-rate"][frames.heart_rate_label(made, 500, 1500, 250.0)] == "noise"


def test_frames_do_not_depend_on_which_other_records_are_here():
    part = settings().pretrain
    few, many = (frames.index(TOY, part, names, 1) for names in (("r1",), ("r0", "r1")))
    assert np.array_equal(few.start, many.start[many.record == 1])


def test_only_a_block_of_records_is_in_memory_and_every_frame_comes_once():
    part = settings(**{"pretrain.records_in_memory": 1}).pretrain
    lazy = frames.Frames(TOY, part, frames.index(TOY, part, ("r0", "r1", "r2", "r3"), 1))
    order = lazy.epoch_order(7, 0)
    assert sorted(order.tolist()) == list(range(len(lazy)))
    for start in range(0, len(order), 8):
        lazy[order[start : start + 8]]
        assert len(lazy._open) <= 2
    switches = np.flatnonzero(np.diff(lazy.index.record[order]))
    assert len(switches) == 3  # one record after the other


@pytest.mark.train
def test_a_damaged_record_is_skipped_named_and_counted(tmp_path):
    done = pretrain.pretrain(settings(epochs=1), tmp_path, upstream=TOY, threads=1)
    assert done.manifest["skipped"] == {"damaged": "damaged.dat: 3 of 9000 bytes"}
    assert done.manifest["records"] == 4 and done.manifest["positives"].keys() == {"normal", "V"}


def test_where_the_damaged_record_was_to_validate_the_next_person_does(tmp_path):
    part = settings().pretrain
    seed = next(n for n in range(99) if pretrain.divided(TOY, 0.25, n)[1] == ("damaged",))
    train, held = pretrain._indices(TOY, part, seed, tmp_path, lambda *_: None)
    assert held.skipped.keys() == {"damaged"} and len(held.names) == 2 and len(train.names) == 3
    assert len(held.target) and len(train.target) and not set(held.names) & set(train.names)
    # a resumed run reads the same back
    again = pretrain._indices(TOY, part, seed, tmp_path, lambda *_: None)
    assert [i.names for i in again] == [train.names, held.names]
    assert all(np.array_equal(a.start, b.start) for a, b in zip(again, (train, held), strict=True))


def test_recordings_that_are_all_damaged_end_in_one_line(tmp_path):
    bad = dataclasses.replace(TOY, names=("damaged", "damaged2"), record=lambda _: record("damaged"))
    with pytest.raises(DataError, match=r"no training frame for task beat; damaged.*: damaged.dat: 3 of 9000") as error:
        pretrain._indices(bad, settings().pretrain, 1, tmp_path, lambda *_: None)
    assert "\n" not in error.value.message


@pytest.mark.train
def test_a_pre_training_killed_again_and_again_resumes_to_the_same_weights(tmp_path):
    undisturbed = pretrain.pretrain(settings(), tmp_path / "a", upstream=TOY, threads=1)
    for steps in (2, 5):
        with pytest.raises(KeyboardInterrupt):
            report = kill_after(steps, KeyboardInterrupt)
            pretrain.pretrain(settings(), tmp_path / "b", upstream=TOY, threads=1, report=report)
    resumed = pretrain.pretrain(settings(), tmp_path / "b", upstream=TOY, threads=1)
    assert resumed.manifest["weights_sha256"] == undisturbed.manifest["weights_sha256"]


@pytest.mark.train
def test_the_future_is_told_from_other_examples_futures(tmp_path):
    future = {"pretrain.task": "future", "pretrain.context": 3, "pretrain.offset": 1, "pretrain.negatives": 2}
    done = pretrain.pretrain(settings(epochs=1, **future), tmp_path, upstream=TOY, threads=1)
    assert 0 <= done.manifest["validation"]["accuracy"] <= 1
    inner = pretrain.encoder_of(done)
    assert inner.output_shape == (None, 8)
    with pytest.raises(UsageError, match="a batch of 2 has no 2 other examples"):
        pretrain.pretrain(settings(batch=2, **future), tmp_path / "b", upstream=TOY)


@pytest.mark.train
def test_fine_tuning_starts_from_the_encoder(tmp_path):
    start = pretrain.pretrain(settings(epochs=1), tmp_path / "up", upstream=TOY, threads=1)
    options = {"width": 0.0625, "blocks": [1, 1], "samples": 64, "classes": 3}
    network = {"name": "weimann-resnet", "options": options}
    down = config.parse(CONFIG | {"pretrain": None, "task": "tiny", "epochs": 1, "model": network}, "down")
    done = pretrain.finetune(down, tmp_path / "down", start=start, task=TinyTask(), threads=1)
    assert done.manifest["config"]["starts_from"] == start.manifest["weights_sha256"]
    wider = config.override(down, {"model.options.width": 0.125})
    with pytest.raises(ModelError, match="is not that of the pre-trained"):
        pretrain.finetune(wider, tmp_path / "wider", start=start, task=TinyTask(), threads=1)


@pytest.mark.train
def test_twelve_equal_leads_give_what_one_lead_gave():
    from ecgdeploy import models
    from ecgdeploy.models.weimann import encoder, transfer
    from ecgdeploy.training.loop import predict

    small = {"width": 0.0625, "blocks": [1, 1], "samples": 64, "classes": 2}
    one, twelve = (models.build("weimann-resnet", leads=leads, **small) for leads in (1, 12))
    assert transfer(one, twelve) > 0
    x = np.random.default_rng(0).normal(size=(3, 64, 1)).astype(np.float32)
    assert np.allclose(predict(encoder(one), x), predict(encoder(twelve), np.repeat(x, 12, axis=2)), atol=1e-5)


@pytest.mark.train
@pytest.mark.parametrize(
    ("order", "depth", "count"),
    [("post", 18, 4_482_880), ("post", 50, 16_920_896), ("pre", 18, 4_481_088), ("pre", 34, 9_067_840)],
)
def test_the_networks_have_the_published_codes_parameter_counts(order, depth, count):
    from ecgdeploy import models
    from ecgdeploy.models.weimann import encoder

    made = encoder(models.build("weimann-resnet", depth=depth, order=order, samples=256))
    assert sum(int(np.prod(weight.shape)) for weight in made.trainable_weights) == count


def test_a_folder_of_wfdb_records_is_an_upstream_and_a_cut_file_is_refused(tmp_path):
    wfdb = pytest.importorskip("wfdb")
    for name in ("one", "two"):
        x = np.sin(np.arange(3000) / 9.0)[:, None]
        wfdb.wrsamp(name, fs=250, units=["mV"], sig_name=["II"], p_signal=x, fmt=["16"], write_dir=str(tmp_path))
    (tmp_path / "two.dat").write_bytes((tmp_path / "two.dat").read_bytes()[:100])
    found = collections.find(tmp_path)
    assert found.names == ("one", "two")
    assert found.lead("one", 125.0).signal.shape == (1500,)
    part = settings(**{"pretrain.task": "future", "pretrain.samples": 64, "pretrain.context": 2}).pretrain
    index = frames.index(found, part, found.names, 1)
    assert set(index.skipped) == {"two"} and (index.record == 0).all()


def test_a_study_pool_keeps_the_test_records_and_redraws_the_others():
    from ecgdeploy.studies.downstream import Pool

    task = TinyTask()
    pool = Pool("tiny", False, task.train(), task.validation(), task.test())
    first, again, other = pool.drawn(1), pool.drawn(1), pool.drawn(2)
    assert np.array_equal(first.train_rows, again.train_rows)
    assert not np.array_equal(first.train_rows, other.train_rows)
    assert not set(first.train_rows) & set(first.validation_rows)
    quarter = pool.drawn(1, 0.25)
    assert len(quarter.train_rows) == pytest.approx(len(first.train_rows) / 3, abs=3)
    assert np.array_equal(quarter.validation_rows, first.validation_rows)
    view = other.train()
    both = np.concatenate([task.train().inputs, task.validation().inputs])
    assert np.array_equal(view.inputs[5:9], both[other.train_rows[5:9]])
    assert other.test() is pool.held
