"""Pruning, structured pruning and distillation: what stays zero, what computes the same, what is refused."""

import dataclasses
import functools
import json

import numpy as np
import pytest

from ecgdeploy import models
from ecgdeploy.errors import GateError, ModelError, UsageError
from ecgdeploy.training import config, run

from . import unseen

pytestmark = pytest.mark.train


@pytest.fixture
def small():
    return models.build("kota-cnn1d", samples=64, filters=(8, 16, 16))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    from .conftest import TINY, TinyTask

    return run.train(config.parse(TINY, "tiny"), tmp_path_factory.mktemp("dense"), task=TinyTask(), threads=1)


def test_l1_prunes_the_smallest_weights_of_the_whole_network(small):
    from ecgdeploy.compression import layers, pruning

    masks = pruning.prune(small, 0.5)
    assert masks.sparsity == pytest.approx(0.5, abs=1e-3)
    gone = np.concatenate([np.abs(w.values[~masks.kept[w.path]]) for w in layers.matrices(small)])
    stay = np.concatenate([np.abs(w.values[masks.kept[w.path]]) for w in layers.matrices(small)])
    assert gone.max() <= stay.min()


def test_energy_awareness_prunes_expensive_layers_more_and_the_printed_form_the_cheap_ones(small):
    from ecgdeploy.compression import layers, pruning

    matrices = layers.matrices(small)
    dearest = max(matrices, key=lambda w: w.macs).path
    cheapest = min(matrices, key=lambda w: w.macs).path
    plain, right = pruning.prune(small, 0.3).by_layer(), pruning.prune(small, 0.3, "energy").by_layer()
    assert right[dearest] > plain[dearest] and right[cheapest] < plain[cheapest]
    with pytest.raises(ModelError, match=r"leaves .* without any weight"):
        pruning.prune(small, 0.4, "energy-printed", alpha=0.1)


def test_the_dynamic_schedule_is_the_papers_and_spares_shallow_layers(small):
    from ecgdeploy.compression import pruning

    found = list(pruning.dynamic(small, 0.8, 1.5, beta=(0.5, 2.0)).values())
    assert found[0] == pytest.approx(0.8 * (1 - np.exp(-0.75))) and found[-1] == pytest.approx(0.8 * (1 - np.exp(-3)))
    assert found == sorted(found)


def test_a_mask_that_no_longer_fits_is_refused(small, tmp_path):
    from ecgdeploy.compression import pruning

    masks = pruning.prune(small, 0.5)
    masks.write(tmp_path / "m.npz")
    again = pruning.read_masks(tmp_path / "m.npz")
    assert all(np.array_equal(again.kept[path], mask) for path, mask in masks.kept.items())
    with pytest.raises(ModelError, match=r"mask of block3_conv/kernel is \[1, 7, 16, 16\], the weights are \[1"):
        again.apply(models.build("kota-cnn1d", samples=64, filters=(8, 16, 8)))
    with pytest.raises(ModelError, match="finds no such weights"):
        again.apply(models.build("kota-cnn1d", samples=64, filters=(8, 16)))
    with pytest.raises(ModelError, match="has no mask"):
        again.apply(models.build("kota-cnn1d", samples=64, filters=(8, 16, 16, 16)))


def test_pruned_weights_stay_zero_through_training_and_steps_only_add_zeros(trained, task, tmp_path):
    from ecgdeploy.compression import iterative, layers, pruning
    from ecgdeploy.quantization import qat

    plan = iterative.Plan("energy", 0.6, steps=2, epochs=1, learning_rate=0.01)
    steps = iterative.prune(trained, task, tmp_path, plan, threads=1)
    masks = [pruning.read_masks(step.run.folder / iterative.MASKS) for step in steps]
    assert [round(mask.sparsity, 2) for mask in masks] == [0.3, 0.6]
    model, dense = qat.load(steps[-1].run.model), qat.load(trained.model)
    moved = 0
    for weights, before in zip(layers.matrices(model), layers.matrices(dense), strict=True):
        kept = masks[1].kept[weights.path]
        assert not weights.values[~kept].any()
        assert not (kept & ~masks[0].kept[weights.path]).any()
        moved += int((weights.values[kept] != before.values[kept]).sum())
    assert moved > 60
    assert steps[-1].facts["parameters"] == layers.nonzero_parameters(model) < layers.nonzero_parameters(dense)


@pytest.mark.parametrize(("method", "target"), [("l1", 0.5), ("structured", 0.2)])
def test_pruning_again_gives_the_same_weights(trained, task, tmp_path, method, target):
    """Dropout begins where the seed says, not where a loaded network's happens to: else a killed run ends elsewhere."""
    from ecgdeploy.compression import iterative

    plan = iterative.Plan(method, target, steps=1, epochs=1)
    hashes = [
        iterative.prune(trained, task, tmp_path / folder, plan, threads=1)[0].run.manifest["weights_sha256"]
        for folder in ("once", "again")
    ]
    assert hashes[0] == hashes[1]


NETWORKS = {
    "kota-cnn1d": {"samples": 64, "filters": (8, 16, 16)},
    "kota-resnet1d-attn": {"samples": 32, "filters": (8, 8, 12, 16)},
    "kota-resnet1d-se-attn": {"samples": 32, "filters": (16, 16, 24, 32), "kernels": (3, 3, 3, 3)},
    "gaurhar-resnet1d": {"samples": 1024, "filters": (8, 16)},
    "kota-cnn-lstm-attn": {"samples": 32, "units": 8},
    "ahmed-resnet": {"experiment": "E17", "samples": 64, "classes": 4, "leads": 2},
    "kota-convtransformer": {"samples": 64, "width": 16, "heads": 2, "feed_forward": 32, "layers": 1},
}
UNSEEN = {"over height one": unseen.over_height_one, "over time": functools.partial(unseen.over_time, separable=False)}


@pytest.mark.parametrize("name", [*NETWORKS, *UNSEEN])
def test_the_rebuilt_network_computes_what_zeroed_channels_computed(name):
    """Residual and squeeze-and-excitation connections included: removing is zeroing, only smaller."""
    from ecgdeploy.compression import layers, structured
    from ecgdeploy.training.loop import joined

    model = UNSEEN[name](width=8) if name in UNSEEN else models.build(name, **NETWORKS[name])
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(0, 0.5, w.shape) if "variance" not in w.path else rng.uniform(0.5, 2, w.shape)
                       for w in model.weights])
    smaller, removal = structured.shrink(model, 0.6)
    for layer in model.layers:
        numbers = removal.map.outputs[layer.name]
        gone = np.setdiff1d(np.arange(len(numbers)), removal.kept(numbers))
        if len(gone) and layer.weights:
            values = layer.get_weights()
            for value in values if layer.name in removal.map.producers else values[:2]:
                taps = value.ndim > 2 and value.shape[-1] == 1 and layer.name not in removal.map.producers
                value[(..., gone, slice(None)) if taps else (..., gone)] = 0  # depthwise: its last axis is another
            layer.set_weights(values)
    x = [rng.normal(size=(3, *tensor.shape[1:])).astype(np.float32) for tensor in model.inputs]
    wanted, found = (np.asarray(joined(network(x, training=False))) for network in (model, smaller))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    assert removal.macs_after == layers.macs(smaller)
    assert smaller.count_params() < model.count_params() and removal.macs_after < removal.macs_before


def test_channels_go_in_fours_and_none_of_a_layer_is_emptied(small):
    from ecgdeploy.compression import structured

    smaller, _ = structured.shrink(small, 0.3)
    assert all(width % 4 == 0 for layer, width in structured.widths(smaller).items() if layer != "logits")
    with pytest.raises(ModelError, match="would empty a layer"):
        structured.shrink(small, 0.001)


def test_a_channel_that_only_a_rare_class_needs_is_kept_by_the_class_aware_importance():
    from ecgdeploy.compression import structured
    from ecgdeploy.compression.channels import channels

    model = models.build("kota-cnn1d", samples=32, filters=(4,), kernel=3)
    conv, norm, dense = model.get_layer("block1_conv"), model.get_layer("block1_bn"), model.get_layer("logits")
    kernel = np.zeros((1, 3, 1, 4), np.float32)
    kernel[0, 1, 0] = [1, 1, -1, 1]  # channel 2 sees negative waves only, which class 2 alone has
    conv.set_weights([kernel, np.zeros(4, np.float32)])
    dense.set_weights([np.array([[2, 0, 0], [0, 2, 0], [0, 0, 2], [1, 1, 0]], np.float32), np.zeros(3, np.float32)])
    norm.set_weights([np.ones(4), np.full(4, 0.01), np.zeros(4), np.ones(4)])
    rng = np.random.default_rng(0)
    targets = np.array([0] * 300 + [1] * 300 + [2] * 3)
    x = np.abs(rng.normal(1, 0.2, (603, 1, 32, 1))).astype(np.float32)
    x[targets == 2] *= -1
    found = channels(model)
    order = {}
    for kind in ("taylor", "class-aware"):
        values = structured.importances(model, found, kind, [(x, targets)], 3)
        order[kind] = sorted(values, key=lambda root: values[root])
    rare = int(found.producers["block1_conv"][2])
    assert order["taylor"].index(rare) < order["class-aware"].index(rare)


def test_structured_pruning_ends_in_a_smaller_run_that_quantizes(trained, task, tmp_path):
    from ecgdeploy.compression import iterative
    from ecgdeploy.quantization.precision import convert

    plan = iterative.Plan("structured", 0.3, steps=1, epochs=1, learning_rate=0.01, windows=96)
    step = iterative.prune(trained, task, tmp_path, plan, threads=1)[-1]
    assert step.run.manifest["parameters"] < trained.manifest["parameters"]
    assert json.loads((step.run.folder / iterative.RECORD).read_text())["macs"] <= 0.75 * step.facts["macs_dense"]
    pruned = run.open_run(step.run.folder)
    assert len(convert(pruned.model, "int8", task.calibration(16)).content) < len(
        convert(trained.model, "int8", task.calibration(16)).content
    )


@pytest.mark.parametrize(("method", "target"), [("structured", 0.999), ("l1", 0.9999)])
def test_a_target_that_would_empty_a_layer_is_refused_before_any_training(trained, task, tmp_path, method, target):
    from ecgdeploy.compression import iterative

    with pytest.raises(ModelError, match=r"would empty a layer|without any weight"):
        iterative.prune(trained, task, tmp_path / "steps", iterative.Plan(method, target, steps=3), threads=1)
    assert not (tmp_path / "steps").exists()


def test_pruning_ends_before_a_step_that_costs_a_rare_class_its_recall(trained, task, tmp_path, monkeypatch):
    from ecgdeploy.compression import iterative

    answers = iter([0.9, 0.85, 0.5])
    monkeypatch.setattr(iterative, "recalls", lambda *_: dict.fromkeys(task.classes, next(answers)))
    plan = iterative.Plan("l1", 0.5, steps=2, epochs=1, distil=None, protect=0.1)
    said = []
    assert len(iterative.prune(trained, task, tmp_path, plan, threads=1, said=said.append)) == 1
    assert "recall of N fell by 0.400" in said[-1]
    answers = iter([0.9, 0.5])
    with pytest.raises(GateError, match=r"fell by 0\.400"):
        iterative.prune(trained, task, tmp_path / "again", plan, threads=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "structurd"}, "did you mean 'structured'"),
        ({"target": 1.0}, "pruning target of 1.0"),
        ({"alpha": 3.0}, r"weight alpha of 3\.0"),
        ({"distil": (2.0, 0.0)}, r"alpha 2\.0 and temperature 0\.0"),
        ({"steps": 0}, "0 steps"),
        ({"schedule": "cubic"}, "unknown sparsity schedule"),
    ],
)
def test_an_impossible_plan_is_refused(change, message):
    from ecgdeploy.compression import iterative

    with pytest.raises(UsageError, match=message):
        iterative.Plan(**change)


def test_the_divergence_is_hintons():
    import tensorflow as tf

    from ecgdeploy.training import losses

    rng = np.random.default_rng(0)
    teacher, student = rng.normal(size=(2, 5, 3))
    t = 3.0

    def softmax(z):
        e = np.exp(z - z.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    p, q = softmax(teacher / t), softmax(student / t)
    wanted = t**2 * (p * np.log(p / q)).sum(-1)
    found = losses.divergence(tf.constant(softmax(teacher)), tf.constant(softmax(student)), t, False)
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    many = losses.divergence(tf.constant(softmax(teacher)), tf.constant(softmax(teacher)), t, True)
    np.testing.assert_allclose(many, np.zeros(5), atol=1e-6)


def test_the_cross_entropy_of_a_certain_answer_has_a_gradient():
    import tensorflow as tf

    from ecgdeploy.training import losses

    loss = losses.per_example("crossentropy", 0.0, np.ones(2), False)
    p = tf.constant([[1.0, 0.0], [0.5, 0.5]])
    with tf.GradientTape() as tape:
        tape.watch(p)
        value = tf.reduce_sum(loss(tf.constant([0, 1]), p))
    assert np.isfinite(np.asarray(tape.gradient(value, p))).all() and np.isclose(float(value), np.log(2))


def test_a_student_learns_from_an_ensemble_of_other_networks(trained, task, tiny, tmp_path):
    from ecgdeploy.compression import distillation

    second = run.train(config.override(tiny, {"seed": 2}), tmp_path / "second", task=task, threads=1)
    student = config.override(tiny, {"epochs": 1, "model.options.filters": [4], "model.options.kernels": [5]})
    done = distillation.distil(student, [trained, second], tmp_path / "student", task=task, alpha=0.9, threads=1)
    assert done.manifest["config"]["distillation"] == {"alpha": 0.9, "temperature": 4.0}
    assert done.manifest["parameters"] < trained.manifest["parameters"]
    alone = run.train(student, tmp_path / "alone", task=task, threads=1)
    assert alone.manifest["weights_sha256"] != done.manifest["weights_sha256"]


def test_a_teacher_with_other_classes_is_refused(trained, task, tiny, tmp_path):
    from ecgdeploy.compression import distillation

    manifest = trained.manifest | {"classes": ["AF", "N"]}
    other = dataclasses.replace(trained, manifest=manifest)
    with pytest.raises(ModelError, match="has the classes AF, N, the student's task has N, S, V"):
        distillation.distil(tiny, [other], tmp_path, task=task, threads=1)


def test_a_run_read_again_knows_the_order_of_its_outputs(tiny, tmp_path):
    """The manifest's tables are sorted by name; the classes of most data sets are not."""
    from ecgdeploy.compression import distillation

    from .conftest import TinyTask

    class Unsorted(TinyTask):
        classes = ("V", "S", "N")

    run.train(config.override(tiny, {"epochs": 1}), tmp_path / "run", task=Unsorted(), threads=1)
    again = run.open_run(tmp_path / "run")
    assert again.classes == Unsorted.classes
    distillation.teacher_of([again], Unsorted.classes)
    with pytest.raises(ModelError, match="has the classes V, S, N, the student's task has N, S, V"):
        distillation.teacher_of([again], ("N", "S", "V"))


def test_the_commands_prune_and_distill_end_in_runs(task, tiny, tmp_path, monkeypatch):
    from click.testing import CliRunner

    from ecgdeploy.cli.distill import distill
    from ecgdeploy.cli.prune import prune
    from ecgdeploy.ecg import tasks

    monkeypatch.setattr(tasks, "load_task", lambda *_: task)
    dense = tmp_path / "dense"
    run.train(config.override(tiny, {"epochs": 1}), dense, task=task, threads=1)
    arguments = [str(dense), "--method", "l1", "--target", "0.5", "--steps", "1", "--epochs", "1"]
    done = CliRunner().invoke(prune, arguments)
    assert done.exit_code == 0, done.output
    masks = ["--masks", str(dense / "l1/step1/masks.npz"), "--epochs", "1"]
    again = CliRunner().invoke(prune, [str(dense / "l1/step1"), *masks, "--output", str(tmp_path / "on")])
    assert again.exit_code == 0, again.output
    narrow = run.train(config.override(tiny, {"epochs": 1, "model.options.filters": [4, 4]}), tmp_path / "n", task=task)
    refused = CliRunner().invoke(prune, [str(narrow.folder), *masks])
    assert isinstance(refused.exception, ModelError) and "the mask of" in str(refused.exception)
    assert f"next: ecgdeploy quantize {dense}/l1/step1" in done.output
    student = tmp_path / "student.toml"
    student.write_text(
        'schema = 1\nname = "student"\ntask = "tiny"\nepochs = 1\nbatch = 16\n[model]\nname = "beat-cnn"\n'
        "[model.options]\nsamples = 64\nfilters = [4]\nkernels = [5]\ndense = 4\n"
    )
    out = ["--student", str(student), "--output", str(tmp_path / "taught")]
    done = CliRunner().invoke(distill, [str(dense), str(dense / "l1/step1"), *out])
    assert done.exit_code == 0, done.output
    assert run.open_run(tmp_path / "taught").manifest["config"]["distillation"]["alpha"] == 0.5
