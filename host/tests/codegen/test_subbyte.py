"""Weights kept in fewer than 8 bits give the bytes of the unpacked layer, and take the flash that they should."""

import numpy as np
import pytest
from random_models import many_layers

from ecgdeploy.codegen import generate, ir
from ecgdeploy.codegen.host import QUICK, HostEngine
from ecgdeploy.errors import UsageError
from ecgdeploy.graph import read_tflite
from ecgdeploy.graph.rewrite import pack, unpack
from ecgdeploy.measure.bench import run_on_board
from ecgdeploy.measure.bench.models import random_inputs
from ecgdeploy.reference import TflmReference

INT8 = 9  # TensorType


def _levels(draw, bits, kind):
    if kind == "consecutive":
        half = max((1 << bits - 1) - 1, 1)
        return np.arange(-half, half + 1)
    if kind == "rounded":  # k levels quantized to int8 afterwards
        half = max((1 << bits - 1) - 1, 1)
        return np.round(127 * np.arange(-half, half + 1) / half)
    return np.unique(np.concatenate([[0], draw.choice(np.arange(-128, 128), (1 << bits) - 1, replace=False)]))


def on_grids(model, seed, widths=range(1, 8)):
    """`model` with every int8 constant moved to a grid of 1 to 7 bits."""
    draw = np.random.default_rng(seed)
    found = unpack(model)
    for tensor in found.subgraphs[0].tensors:
        content = found.buffers[tensor.buffer]
        if tensor.type != INT8 or content.data is None or not len(content.data):
            continue
        bits, kind = int(draw.choice(list(widths))), str(draw.choice(["consecutive", "rounded", "any", "by row"]))
        shape = tuple(tensor.shape)
        rows = shape[0] if kind == "by row" and len(shape) > 1 else 1
        values = np.concatenate(
            [draw.choice(_levels(draw, bits, "any" if rows > 1 else kind), int(np.prod(shape)) // rows)
             for _ in range(rows)]
        )  # fmt: skip
        content.data = values.astype(np.int8).view(np.uint8)
    return pack(found)


def _packings(engine):
    work = [s.work for s in engine.network.stages if isinstance(s.work, (ir.Conv, ir.Depthwise))]
    return [w.packing for w in work if w.packing is not None]


@pytest.mark.parametrize("seed", range(3))
def test_packed_random_layers_give_tflms_bytes_on_this_machine(seed):
    model = on_grids(many_layers(seed, 40), seed)
    graph = read_tflite(model)
    made = generate(graph, "portable", "packed")
    assert {p.bits for p in _packings(made)} >= {2, 3, 4, 5}
    assert any(p.table is not None and len(p.table) > 1 for p in _packings(made))
    engine, reference = HostEngine(graph, made, flags=QUICK), TflmReference(model)
    for number, inputs in enumerate(random_inputs(graph, 4, seed)):
        for ours, theirs in zip(engine.run(inputs, (None, 97)[number % 2]), reference.run(inputs), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("seed", range(50, 52))
def test_packed_random_layers_give_tflms_bytes_on_the_emulated_board(seed):
    model = on_grids(many_layers(seed, 40), seed)
    graph = read_tflite(model)
    inputs = random_inputs(graph, 4, seed)
    run = run_on_board(graph, generate(graph, "cortex-m4", "packed"), inputs, piece=61)
    reference = TflmReference(model)
    for one, outputs in zip(inputs, run.outputs, strict=True):
        for ours, theirs in zip(outputs, reference.run(one), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_an_unknown_way_of_keeping_weights_is_refused():
    with pytest.raises(UsageError, match="int4"):
        generate(read_tflite(many_layers(1, 1)), "portable", "int4")
