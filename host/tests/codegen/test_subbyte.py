"""Weights kept in fewer than 8 bits give the bytes of the unpacked layer, and take the flash that they should."""

from dataclasses import replace

import numpy as np
import pytest
from random_models import many_layers
from same_bytes import on_the_board, on_this_machine
from tflite_builder import Builder

from ecgdeploy.codegen import generate, ir
from ecgdeploy.errors import UsageError
from ecgdeploy.graph import read_tflite
from ecgdeploy.graph.rewrite import pack, unpack

INT8 = 9  # TensorType


def _levels(draw, bits, kind):
    if kind == "consecutive":
        half = max((1 << bits - 1) - 1, 1)
        return np.arange(-half, half + 1)
    if kind == "rounded":  # k levels quantized to int8 afterwards
        half = max((1 << bits - 1) - 1, 1)
        return np.round(127 * np.arange(-half, half + 1) / half)
    return np.unique(np.concatenate([[0], draw.choice(np.arange(-128, 128), (1 << bits) - 1, replace=False)]))


def on_grids(model, seed, widths=(1, 2, 3, 4, 5, 6, 7)):
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


@pytest.mark.usefixtures("any_plan")
@pytest.mark.parametrize("seed", range(3))
def test_packed_random_layers_give_tflms_bytes_on_this_machine(seed):
    model = on_grids(many_layers(seed, 40), seed)
    graph = read_tflite(model)
    made = generate(graph, "portable", "packed")
    assert {p.bits for p in _packings(made)} >= {2, 3, 4, 5}
    assert any(p.table is not None and len(p.table) > 1 for p in _packings(made))
    on_this_machine(model, seed, 4, weights="packed")


@pytest.mark.usefixtures("any_plan")
@pytest.mark.parametrize("seed", range(50, 52))
def test_packed_random_layers_give_tflms_bytes_on_the_emulated_board(seed):
    on_the_board(on_grids(many_layers(seed, 40), seed), seed, 4, weights="packed")


def _dense(depth, units, half, seed=1):
    draw = np.random.default_rng(seed)
    b = Builder()
    x = b.input((1, depth), "int8", 0.05, -3)
    w = draw.integers(-half, half + 1, (units, depth)).astype(np.int8)
    y = b.tensor((1, units), "int8", 0.05 * half * np.sqrt(depth) * 0.01, 0)
    b.operator("FULLY_CONNECTED", [x, b.constant(w, scale=np.full(units, 0.01)), -1], [y],
               ("FullyConnectedOptions", {"fusedActivationFunction": 0}))  # fmt: skip
    return read_tflite(b.finish([y]))


def test_packing_is_chosen_where_it_saves_flash_and_only_there():
    four, eight, tiny = _dense(256, 64, 7), _dense(256, 64, 127), _dense(16, 8, 7)
    whole = 256 * 64
    assert [(w.bits, w.bytes) for w in generate(four).weights] == [(4, whole // 2)]
    assert [(w.bits, w.bytes) for w in generate(eight).weights] == [(8, whole)]
    assert [w.bits for w in generate(tiny).weights] == [8]  # the code would take more than it saves
    assert [w.bits for w in generate(tiny, weights="packed").weights] == [4]
    assert generate(four, weights="int8").plan.arena_bytes < generate(four).plan.arena_bytes


def test_a_dense_layer_on_a_whole_record_does_not_take_its_ram_unasked():
    wide = _dense(12000, 4, 7)
    assert [w.bits for w in generate(wide).weights] == [8]
    assert [w.bits for w in generate(wide, weights="packed").weights] == [4]
    assert generate(wide, weights="packed").plan.arena_bytes >= 24000 + 2 * 12000


@pytest.mark.parametrize("bits", range(1, 8))
def test_every_width_takes_its_bits_and_no_more(bits):
    half = (1 << bits - 1) - 1
    graph = _dense(512, 64, half) if bits > 1 else _signs(512, 64)
    (layer,) = generate(graph, weights="packed").weights
    assert (layer.bits, layer.bytes) == (bits, 512 * 64 * bits // 8)


def _signs(depth, units):
    graph = _dense(depth, units, 1)
    signs = np.where(np.random.default_rng(1).random((units, depth)) < 0.5, -1, 1).astype(np.int8)
    tensors = (t if t.data is None else replace(t, data=signs) for t in graph.tensors)
    return replace(graph, tensors=tuple(tensors))


def test_an_unknown_way_of_keeping_weights_is_refused():
    with pytest.raises(UsageError, match="int4"):
        generate(read_tflite(many_layers(1, 1)), "portable", "int4")
