"""Seldom operators give TFLM's bytes: slopes, extremes, choices, transposed convolutions, float functions, uint8."""

import numpy as np
import pytest
from random_functions import KINDS, many_functions

from ecgdeploy.codegen import generate
from ecgdeploy.codegen.host import QUICK, HostEngine
from ecgdeploy.graph import read_tflite
from ecgdeploy.measure.bench import run_on_board
from ecgdeploy.measure.bench.models import random_inputs
from ecgdeploy.reference import TflmReference


def _differing(outputs, expected, seed):
    return [
        (seed, k, KINDS[(seed + k) % len(KINDS)].__name__)
        for k, (ours, theirs) in enumerate(zip(outputs, expected, strict=True))
        if not np.array_equal(ours, theirs, equal_nan=ours.dtype == np.float32)
    ]


def _check_on_host(seed):
    model = many_functions(seed, 32)
    graph = read_tflite(model)
    engine = HostEngine(graph, generate(graph), flags=QUICK)
    reference = TflmReference(model)
    for number, inputs in enumerate(random_inputs(graph, 4, seed)):
        with np.errstate(all="ignore"):
            found = _differing(engine.run(inputs, (None, 1, 97)[number % 3]), reference.run(inputs), seed)
        assert not found


@pytest.mark.parametrize("seed", range(3))
def test_random_functions_on_this_machine(seed):
    _check_on_host(seed)


@pytest.mark.slow
def test_six_hundred_random_functions_on_this_machine():
    for seed in range(100, 120):
        _check_on_host(seed)


def test_random_functions_on_the_emulated_board():
    model = many_functions(40, 32)
    graph = read_tflite(model)
    inputs = random_inputs(graph, 4, 40)
    run = run_on_board(graph, generate(graph, "cortex-m4"), inputs, piece=61)
    reference = TflmReference(model)
    for one, outputs in zip(inputs, run.outputs, strict=True):
        assert not _differing(outputs, reference.run(one), 40)
