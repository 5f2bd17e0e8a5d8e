"""A model's generated engine beside TFLM's interpreter: the same bytes, or which outputs differ."""

import numpy as np

from ecgdeploy.codegen import generate
from ecgdeploy.codegen.host import QUICK, HostEngine
from ecgdeploy.graph import read_tflite
from ecgdeploy.measure.bench import run_on_board
from ecgdeploy.measure.bench.models import random_inputs
from ecgdeploy.reference import golden_reference

PIECES = (None, 1, 97)  # bytes fed at a time


def on_this_machine(model, seed, count=6, **how):
    """Check the portable engine with `count` random inputs; `how` goes to `generate`."""
    graph = read_tflite(model)
    engine = HostEngine(graph, generate(graph, **how), flags=QUICK)
    inputs = random_inputs(graph, count, seed)
    _check(model, graph, inputs, [engine.run(one, PIECES[number % 3]) for number, one in enumerate(inputs)], seed)


def on_the_board(model, seed, count=6, piece=61, **how):
    """Check the engine for the Cortex-M4 on its emulated board."""
    graph = read_tflite(model)
    inputs = random_inputs(graph, count, seed)
    run = run_on_board(graph, generate(graph, "cortex-m4", **how), inputs, piece=piece)
    _check(model, graph, inputs, run.outputs, seed)


def _check(model, graph, inputs, found, seed):
    kinds = {number: one.kind for one in graph.operators for number in one.outputs}
    reference, name = golden_reference(model, graph)
    assert name.startswith("TFLM")
    for one, outputs in zip(inputs, found, strict=True):
        with np.errstate(all="ignore"):
            expected = reference.run(one)
        differing = [
            (seed, kinds[number], place)
            for place, (number, ours, theirs) in enumerate(zip(graph.outputs, outputs, expected, strict=True))
            if not np.array_equal(ours, theirs, equal_nan=ours.dtype == np.float32)
        ]
        assert not differing, differing
