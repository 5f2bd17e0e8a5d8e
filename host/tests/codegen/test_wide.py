"""Random layers of 16-bit activations (int16x8) give TFLM's bytes: 32- and 64-bit sums, one rounding, functions."""

import numpy as np
import pytest
from random_wide import LAYERS, many_wide_layers
from tflite_builder import Builder

from ecgdeploy.codegen import generate, plan
from ecgdeploy.codegen.host import QUICK, HostEngine
from ecgdeploy.graph import read_tflite
from ecgdeploy.measure.bench import run_on_board
from ecgdeploy.measure.bench.models import random_inputs
from ecgdeploy.reference import TflmReference

PER_MODEL = 51
INPUTS = 6


@pytest.fixture(autouse=True)
def first_plan(monkeypatch):
    """Take the first plan that works: choosing among many would take most of the time, and kernels are the subject."""
    monkeypatch.setattr(plan, "EVENTS_PLAYED", 0)


def _differing(seed, outputs, expected):
    return [
        (seed, k, LAYERS[(seed + k) % len(LAYERS)].__name__)
        for k, (ours, theirs) in enumerate(zip(outputs, expected, strict=True))
        if not np.array_equal(ours, theirs)
    ]


def _check_on_host(seed):
    model = many_wide_layers(seed, PER_MODEL)
    graph = read_tflite(model)
    engine = HostEngine(graph, generate(graph), flags=QUICK)
    reference = TflmReference(model)
    for number, inputs in enumerate(random_inputs(graph, INPUTS, seed)):
        assert not _differing(seed, engine.run(inputs, (None, 1, 97)[number % 3]), reference.run(inputs))


@pytest.mark.parametrize("seed", range(4))
def test_random_layers_on_this_machine(seed):
    _check_on_host(seed)


@pytest.mark.parametrize(
    ("kind", "out_scale", "options"),
    [
        ("LOGISTIC", 2.0**-15, None),
        ("TANH", 2.0**-15, None),
        ("SOFTMAX", 2.0**-15, ("SoftmaxOptions", {"beta": 1.0})),
        ("LEAKY_RELU", 3e-4, ("LeakyReluOptions", {"alpha": 0.3})),
    ],
)
def test_functions_are_tflms_for_every_input(kind, out_scale, options):
    every = np.arange(-32768, 32768).astype(np.int16)[None]
    if kind == "SOFTMAX":  # every difference from the largest
        every = np.stack([every, np.full_like(every, 32767)], -1)
    builder = Builder()
    outputs = []
    for scale in (2.0**-12, 2.0**-11, 3.1e-5, 4.4e-4, 2.7e-3):
        x, y = builder.input(every.shape, "int16", scale), builder.tensor(every.shape, "int16", out_scale)
        builder.operator(kind, [x], [y], options)
        outputs.append(y)
    model = builder.finish(outputs)
    graph = read_tflite(model)
    ours = HostEngine(graph, generate(graph), flags=QUICK).run([every] * len(outputs))
    for one, other in zip(ours, TflmReference(model).run([every] * len(outputs)), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.slow
def test_a_thousand_random_layers_on_this_machine():
    for seed in range(100, 120):
        _check_on_host(seed)


@pytest.mark.parametrize("seed", range(50, 53))
def test_random_layers_on_the_emulated_board(seed):
    model = many_wide_layers(seed, PER_MODEL)
    graph = read_tflite(model)
    inputs = random_inputs(graph, INPUTS, seed)
    run = run_on_board(graph, generate(graph, "cortex-m4"), inputs, piece=61)
    reference = TflmReference(model)
    for one, outputs in zip(inputs, run.outputs, strict=True):
        assert not _differing(seed, outputs, reference.run(one))
