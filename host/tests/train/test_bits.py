"""Fewer bits: grids as promised, the device's bytes, bits chosen on held-out records, ratios that are flash."""

import numpy as np
import pytest

from ecgdeploy.errors import DataError, UsageError
from ecgdeploy.training import config, run

from .conftest import TINY, TinyTask

pytestmark = pytest.mark.train

WIDER = {"epochs": 5, "model.options.filters": [16, 32], "model.options.dense": 24}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    from ecgdeploy.quantization.precision import convert_all

    settings = config.override(config.parse(TINY, "tiny.toml"), WIDER)
    trained = run.train(settings, tmp_path_factory.mktemp("run"), task=TinyTask(), threads=1)
    return convert_all(trained.model, ("float32", "int8"), TinyTask().calibration())


def _mixed(files, bits, **options):
    from ecgdeploy.compression.mixed_bits import mixed_bits

    return mixed_bits(
        files["int8"].content, TinyTask().calibration(), bits, float32=files["float32"].content, windows=32, **options
    )


def _answers(content):
    from ecgdeploy.quantization.runner import TfliteRunner

    return TfliteRunner(content).run(TinyTask().test().inputs)


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 8])
def test_every_weight_lies_on_the_grid_and_the_file_names_its_scales(files, bits):
    from ecgdeploy.compression.bits import half_range, weight_layers

    made = _mixed(files, bits)
    before = weight_layers(files["int8"].content)
    after = weight_layers(made.content)
    assert [la.kind for la in after] == [la.kind for la in before]
    for layer in after:
        values = np.round(layer.weights / layer.scales.reshape(-1, 1))
        assert np.abs(values).max() <= half_range(bits)
        assert bits > 1 or set(np.unique(values)) == {-1.0, 1.0}
    assert {entry["bits"] for entry in made.notes["layers"]} == {bits}


def test_four_bits_answer_nearly_as_eight(files):
    eight, four = _answers(files["int8"].content), _answers(_mixed(files, 4).content)
    assert (eight.argmax(1) == four.argmax(1)).mean() >= 0.95
    assert np.abs(eight - four).max() < 0.3


def test_rounding_that_knows_the_inputs_changes_the_outputs_less(files):
    from ecgdeploy.compression.bits import energy_ratio, round_layer, weight_layers
    from ecgdeploy.compression.rounding import observe

    layers = weight_layers(files["int8"].content, files["float32"].content)
    inputs = observe(files["int8"].content, layers, TinyTask().calibration(), windows=32)
    for layer in layers:
        alone = round_layer(layer, 3)
        wrong = layer.weights - alone.values * alone.scales.reshape(-1, 1)
        seen = inputs[layer.operator]
        assert round_layer(layer, 3, seen).error <= energy_ratio(wrong, layer.weights, seen)


@pytest.mark.parametrize("bits", [2, 3, 5])
def test_the_engine_packs_the_file_and_computes_tflms_bytes(files, bits):
    from ecgdeploy.codegen import generate
    from ecgdeploy.codegen.host import QUICK, HostEngine
    from ecgdeploy.graph import read_tflite
    from ecgdeploy.measure.bench.models import random_inputs
    from ecgdeploy.reference import TflmReference

    made = _mixed(files, bits)
    graph = read_tflite(made.content)
    engine = generate(graph, "portable", "packed")
    assert {layer.bits for layer in engine.weights} <= {bits, bits + 1}  # fillings may need a level of their own
    host, reference = HostEngine(graph, engine, QUICK), TflmReference(made.content)
    for inputs in random_inputs(graph, 8):
        for ours, theirs in zip(host.run(inputs), reference.run(inputs), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_the_ratio_on_paper_is_not_taken_for_flash(files):
    sizes = _mixed(files, 4).notes["storage"]
    assert sizes["paper"]["times_smaller"] == 8.0
    assert sizes["tflm"]["times_smaller"] == sizes["litert"]["times_smaller"] == 4.0
    assert 4.0 < sizes["static"]["times_smaller"] <= 8.0
    assert sizes["int4"]["times_smaller"] == pytest.approx(8.0, rel=0.01)


def test_int4_tensors_are_read_as_their_int8_values_and_answer_as_tflm(files):
    from ecgdeploy.codegen import generate
    from ecgdeploy.codegen.host import QUICK, HostEngine
    from ecgdeploy.compression.int4 import with_int4_tensors
    from ecgdeploy.graph import read_tflite
    from ecgdeploy.measure.bench.models import random_inputs
    from ecgdeploy.reference import TflmReference

    plain = _mixed(files, 4).content
    assert len(with_int4_tensors(plain)) < len(plain)
    content = with_int4_tensors(plain, ("CONV_2D",))  # TFLM's dense layers refuse int4
    graph, same = read_tflite(content), read_tflite(plain)
    for ours, theirs in zip(graph.tensors, same.tensors, strict=True):
        if theirs.data is not None:
            np.testing.assert_array_equal(ours.data, theirs.data)
    host, reference = HostEngine(graph, generate(graph), QUICK), TflmReference(content)
    for inputs in random_inputs(graph, 8):
        for ours, theirs in zip(host.run(inputs), reference.run(inputs), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_laq_keeps_the_accuracy_of_the_held_out_records(files):
    from ecgdeploy.compression.mixed_bits import figures_of

    made = _mixed(files, "auto", choosing=TinyTask().validation())
    names, figures = figures_of(TinyTask().validation())
    assert (names, made.notes["method"]) == (("accuracy", "macro_f1"), "LAQ")
    worst = max(choice["importance"] for choice in made.notes["choices"])
    # each layer may cost gamma times its importance, on top of those before it
    for now, before in zip(figures(made.content), made.notes["baseline"], strict=True):
        assert now >= before - made.notes["gamma"] * worst
    assert made.notes["bits_per_weight"] < 8
    order = [choice["importance"] for choice in made.notes["choices"]]
    assert order == sorted(order)


def test_a_budget_is_met_with_the_bits_that_harm_least(files):
    whole = sum(entry["weights"] for entry in _mixed(files, 8).notes["layers"])
    made = _mixed(files, "auto", max_bytes=whole // 2)
    assert made.notes["storage"]["static"]["bytes"] <= whole // 2
    assert len({entry["bits"] for entry in made.notes["layers"]}) > 1


def test_training_on_at_two_bits_gives_a_file_on_that_grid(tmp_path):
    from ecgdeploy.compression.bits import weight_layers
    from ecgdeploy.compression.mixed_bits import mixed_bits
    from ecgdeploy.quantization import qat
    from ecgdeploy.quantization.precision import convert
    from ecgdeploy.quantization.runner import TfliteRunner
    from ecgdeploy.training.loop import predict

    task = TinyTask()
    settings = config.override(config.parse(TINY, "tiny.toml"), WIDER)
    trained = run.train(settings, tmp_path / "run", task=task, threads=1)
    tuned = qat.finetune(trained, task, tmp_path / "qat", epochs=2, learning_rate=3e-3, calibration=64, weight_bits=2)
    file = convert(tuned.model, "int8-qat").content
    for layer in weight_layers(file):
        assert all(len(np.unique(row)) <= 3 for row in layer.weights)
    made = mixed_bits(file, task.calibration(), 2, windows=32)
    assert max(entry["error"] for entry in made.notes["layers"]) < 1e-4
    wanted = predict(qat.load(tuned.model), task.test().inputs)
    found = TfliteRunner(made.content).run(task.test().inputs)
    assert (found.argmax(1) == wanted.argmax(1)).mean() >= 0.97


def test_importance_is_share_and_spread():
    from ecgdeploy.compression.bits import WeightLayer
    from ecgdeploy.compression.laq import importance

    def layer(rows, spread):
        weights = np.tile([-spread, spread], (rows, 8)).astype(np.float32)
        return WeightLayer(rows, "CONV_2D", "l", 0, -1, weights, np.ones(rows, np.float32), np.zeros(rows), 1.0)

    small, large = importance([layer(1, 1.0), layer(3, 0.1)])
    assert small == pytest.approx(0.5 * 0.25 + 0.5)
    assert large == pytest.approx(0.5 * 0.75 + 0.5 * np.log1p(0.01) / np.log1p(1.0))


def test_lap_prunes_important_layers_less(files):
    from ecgdeploy.compression import lap
    from ecgdeploy.compression.bits import weight_layers

    layers = weight_layers(files["int8"].content)
    worst = max(layers, key=lambda la: la.count).operator
    # a figure that falls with the zeros of the largest layer alone
    figure = lambda chosen: (1.0 - (chosen[worst].values == 0).mean() if worst in chosen else 1.0,)  # noqa: E731
    _, pruned, parts = lap.search(layers, figure)
    assert parts[worst] < 0.2
    assert all(part == 0.9 for operator, part in parts.items() if operator != worst)
    assert 0.1 < lap.sparsity(layers, pruned) < 0.9


@pytest.mark.parametrize(
    ("bits", "options", "message"),
    [
        (9, {}, "9 bits"),
        (0, {}, "0 bits"),
        ("four", {}, "neither a number nor auto"),
        (4, {"max_bytes": 100}, "nothing to choose"),
        ("auto", {}, "something to choose by"),
        ("auto", {"max_bytes": 10}, "at the fewest bits"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(files, bits, options, message):
    with pytest.raises(UsageError, match=message) as caught:
        _mixed(files, bits, **options)
    assert "\n" not in str(caught.value)


def test_bits_are_not_chosen_on_test_data(files):
    with pytest.raises(DataError):
        _mixed(files, "auto", choosing=TinyTask().test())
    with pytest.raises(DataError):
        from ecgdeploy.compression.mixed_bits import mixed_bits

        mixed_bits(files["int8"].content, TinyTask().test(), 4)


def test_pruning_a_layer_to_nothing_is_refused(files):
    from ecgdeploy.compression import lap
    from ecgdeploy.compression.bits import weight_layers

    with pytest.raises(UsageError, match="between 0 and 1"):
        lap.pruned(weight_layers(files["int8"].content)[0], 1.0)
