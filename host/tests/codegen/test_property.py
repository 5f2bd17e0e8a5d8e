"""Random layers give TFLM's bytes: shapes, strides, paddings, dilations, zero points, scales, saturation."""

import numpy as np
import pytest
from random_models import LAYERS, many_layers

from ecgdeploy.codegen import STORAGES, generate
from ecgdeploy.codegen.host import QUICK, HostEngine
from ecgdeploy.graph import read_tflite
from ecgdeploy.measure.bench import run_on_board
from ecgdeploy.measure.bench.models import random_inputs
from ecgdeploy.reference import TflmReference

PER_MODEL = 40
INPUTS = 6


def _differing(seed, outputs, expected):
    return [
        (seed, k, LAYERS[(seed + k) % len(LAYERS)].__name__)
        for k, (ours, theirs) in enumerate(zip(outputs, expected, strict=True))
        if not np.array_equal(ours, theirs)
    ]


def _check_on_host(seed):
    model = many_layers(seed, PER_MODEL)
    graph = read_tflite(model)
    storage = STORAGES[seed % 2]  # every second one keeps bytes wherever it can
    engine = HostEngine(graph, generate(graph, storage=storage), flags=QUICK)
    reference = TflmReference(model)
    for number, inputs in enumerate(random_inputs(graph, INPUTS, seed)):
        assert not _differing(seed, engine.run(inputs, (None, 1, 97)[number % 3]), reference.run(inputs))


@pytest.mark.parametrize("seed", range(4))
def test_random_layers_on_this_machine(seed):
    _check_on_host(seed)


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(8))
def test_two_thousand_random_layers_on_this_machine(batch):
    for seed in range(100 + 6 * batch, 106 + 6 * batch):
        _check_on_host(seed)


@pytest.mark.parametrize("seed", range(50, 53))
def test_random_layers_on_the_emulated_board(seed):
    model = many_layers(seed, PER_MODEL)
    graph = read_tflite(model)
    inputs = random_inputs(graph, INPUTS, seed)
    run = run_on_board(graph, generate(graph, "cortex-m4", storage=STORAGES[seed % 2]), inputs, piece=61)
    reference = TflmReference(model)
    for one, outputs in zip(inputs, run.outputs, strict=True):
        assert not _differing(seed, outputs, reference.run(one))
