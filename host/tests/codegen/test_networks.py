"""Random whole networks give TFLM's bytes: residuals, gates, dilation, pools, concatenation, several heads."""

import numpy as np
import pytest
from random_networks import random_network

from ecgdeploy.codegen import STORAGES, generate
from ecgdeploy.codegen.host import QUICK, HostEngine
from ecgdeploy.graph import read_tflite
from ecgdeploy.measure.bench import run_on_board
from ecgdeploy.measure.bench.models import random_inputs
from ecgdeploy.reference import TflmReference


def _check_on_host(seed):
    model = random_network(seed)
    graph = read_tflite(model)
    storage = STORAGES[seed % 2]  # every second one keeps bytes wherever it can
    engine = HostEngine(graph, generate(graph, storage=storage), flags=QUICK)
    reference = TflmReference(model)
    for number, inputs in enumerate(random_inputs(graph, 6, seed)):
        for ours, theirs in zip(engine.run(inputs, (None, 1, 97)[number % 3]), reference.run(inputs), strict=True):
            assert np.array_equal(ours, theirs), f"seed {seed}"


def test_random_networks_on_this_machine():
    for seed in range(12):
        _check_on_host(seed)


@pytest.mark.slow
def test_sixty_random_networks_on_this_machine():
    for seed in range(100, 160):
        _check_on_host(seed)


@pytest.mark.parametrize("seed", range(200, 206))
def test_random_networks_on_the_emulated_board(seed):
    model = random_network(seed)
    graph = read_tflite(model)
    inputs = random_inputs(graph, 6, seed)
    run = run_on_board(graph, generate(graph, "cortex-m4", storage=STORAGES[seed % 2]), inputs, piece=61)
    reference = TflmReference(model)
    for one, outputs in zip(inputs, run.outputs, strict=True):
        for ours, theirs in zip(outputs, reference.run(one), strict=True):
            assert np.array_equal(ours, theirs)
