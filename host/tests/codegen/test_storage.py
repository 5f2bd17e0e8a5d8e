"""Values kept as bytes: the same results, less memory, and a rule that says when."""

from functools import cache

import numpy as np
import pytest
from random_networks import Network, random_network
from same_bytes import on_this_machine
from tflite_builder import SAME, VALID

from ecgdeploy.codegen import STORAGES, generate
from ecgdeploy.codegen.host import QUICK, HostEngine
from ecgdeploy.codegen.storage import SMALL_ARENA
from ecgdeploy.errors import EcgDeployError
from ecgdeploy.graph import read_tflite
from ecgdeploy.measure.bench import run_on_board
from ecgdeploy.measure.bench.models import random_inputs
from ecgdeploy.reference import TflmReference


def residual_network(seed, time=41, width=12):
    """Pooled first layer, separable blocks with residuals (a strided shortcut too), mean: all kernels for bytes."""
    net = Network(seed)
    taps = 3 + seed % 5
    x = net.b.input((1, 1, time, 3), "int8", 0.02, 7 * seed - 30)
    net.info[x] = (time, 3, 0.02, 7 * seed - 30)
    x = net.conv(x, width, taps, relu=seed % 2 == 0)
    x = net.pool(x, 3, 2, padding=(SAME, VALID)[seed % 2])
    last = (2 if seed % 3 else 1, width + 2 * (seed % 4))
    for stride, channels in ((1, width), (2, 2 * width), (1, 2 * width), last):
        short = x if stride == 1 and net.info[x][1] == channels else net.conv(x, channels, 1, stride, relu=False)
        y = net.conv(x, 0, taps, stride, 1 + seed % 2 * (stride == 1), depthwise=True)
        y = net.conv(y, channels, 1)
        y = net.conv(y, 0, taps, depthwise=True, relu=seed % 4 != 1)
        y = net.conv(y, channels, 1, relu=False)
        x = net.binary("ADD", y, short, relu=seed % 5 != 2)
    x = net.conv(x, 8, 3, relu=False)  # reads bytes through an int16 copy of its window
    return net.b.finish([net.mean(x)])


@cache
def _case(seed):
    model = residual_network(seed)
    graph = read_tflite(model)
    inputs = random_inputs(graph, 6, seed)
    reference = TflmReference(model)
    return graph, inputs, [reference.run(one) for one in inputs]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("storage", STORAGES)
def test_every_storage_gives_tflms_bytes_on_this_machine(seed, storage):
    graph, inputs, expected = _case(seed)
    engine = HostEngine(graph, generate(graph, storage=storage), flags=QUICK)
    for number, (one, outputs) in enumerate(zip(inputs, expected, strict=True)):
        assert np.array_equal(engine.run(one, (None, 1, 97)[number % 3])[0], outputs[0])


@pytest.mark.parametrize("seed", range(8))
def test_bytes_give_tflms_bytes_on_the_emulated_board(seed):
    graph, inputs, expected = _case(seed)
    run = run_on_board(graph, generate(graph, "cortex-m4", storage="bytes"), inputs, piece=61)
    for outputs, wanted in zip(run.outputs, expected, strict=True):
        assert np.array_equal(outputs[0], wanted[0])


def test_bytes_take_less_memory_and_are_kept_wherever_kernels_can():
    graph, _, _ = _case(0)
    narrow, wide = (generate(graph, storage=storage) for storage in ("bytes", "int16"))
    assert narrow.plan.arena_bytes < 0.75 * wide.plan.arena_bytes
    kinds = {s.kind for s in narrow.network.stages if s.writes >= 0 and narrow.network.values[s.writes].narrow}
    assert {"INPUT", "CONV_2D", "MAX_POOL_2D", "ADD"} <= kinds
    assert not any(v.narrow for v in wide.network.values)


def test_the_planner_saves_memory_only_where_there_is_some_to_save():
    small, large = (read_tflite(residual_network(0, time, width)) for time, width in ((24, 4), (200, 32)))
    before = generate(small, storage="int16").plan
    assert before.arena_bytes <= SMALL_ARENA  # and is then left to be fast
    assert generate(large).plan.arena_bytes < 0.75 * generate(large, storage="int16").plan.arena_bytes


def test_an_unknown_storage_is_refused():
    with pytest.raises(EcgDeployError):
        generate(_case(0)[0], storage="nibbles")


def test_random_networks_in_bytes():
    for seed in range(300, 306):
        on_this_machine(random_network(seed), seed, 3, storage="bytes")
