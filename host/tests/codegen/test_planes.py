"""Layers over two dimensions give TFLM's bytes: convolutions, depthwise ones and pools of images and spectrograms."""

import numpy as np
import pytest
from random_planes import many_planes

from ecgdeploy.codegen import STORAGES, generate
from ecgdeploy.codegen.host import QUICK, HostEngine
from ecgdeploy.graph import read_tflite
from ecgdeploy.measure.bench import run_on_board
from ecgdeploy.measure.bench.models import random_inputs
from ecgdeploy.reference import TflmReference


def _same(outputs, expected, seed):
    for k, (ours, theirs) in enumerate(zip(outputs, expected, strict=True)):
        assert np.array_equal(ours, theirs), (seed, k)


def _check_on_host(seed):
    model = many_planes(seed, 18)
    graph = read_tflite(model)
    engine = HostEngine(graph, generate(graph, storage=STORAGES[seed % 2]), flags=QUICK)
    reference = TflmReference(model)
    for number, inputs in enumerate(random_inputs(graph, 4, seed)):
        _same(engine.run(inputs, (None, 1, 97)[number % 3]), reference.run(inputs), seed)


@pytest.mark.parametrize("seed", range(3))
def test_random_planes_on_this_machine(seed):
    _check_on_host(seed)


@pytest.mark.slow
def test_five_hundred_random_planes_on_this_machine():
    for seed in range(100, 128):
        _check_on_host(seed)


@pytest.mark.parametrize("seed", range(40, 42))
def test_random_planes_on_the_emulated_board(seed):
    model = many_planes(seed, 18)
    graph = read_tflite(model)
    inputs = random_inputs(graph, 4, seed)
    run = run_on_board(graph, generate(graph, "cortex-m4"), inputs, piece=61)
    reference = TflmReference(model)
    for one, outputs in zip(inputs, run.outputs, strict=True):
        _same(outputs, reference.run(one), seed)
