"""A reader whose operand runs in another layout than its shape says (behind a RESHAPE) gives TFLM's bytes."""

import pytest
import random_functions
import random_models
import random_networks
import random_planes
import random_wide
from other_layouts import behind_reshapes
from same_bytes import on_the_board, on_this_machine

from ecgdeploy.codegen import STORAGES

LAYERS = 6
"""Layers of a kind in a model: few, as every activation of theirs gets three operators."""

MODELS = {
    "functions": lambda seed: random_functions.many_functions(seed, LAYERS),
    "planes": lambda seed: random_planes.many_planes(seed, LAYERS),
    "wide": lambda seed: random_wide.many_wide_layers(seed, LAYERS),
    "layers": lambda seed: random_models.many_layers(seed, LAYERS),
}


@pytest.mark.parametrize("kind", list(MODELS))
@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.usefixtures("any_plan")
def test_layers_behind_reshapes_give_tflms_bytes(kind, seed):
    how = {"storage": STORAGES[seed % 2]} if kind in ("planes", "layers") else {}
    on_this_machine(behind_reshapes(MODELS[kind](seed), seed), seed, 3, **how)


@pytest.mark.parametrize("seed", range(1, 5))
def test_networks_with_reshapes_inside_give_tflms_bytes(seed):
    on_this_machine(behind_reshapes(random_networks.random_network(seed), seed, share=0.4), seed, 3)


@pytest.mark.parametrize("kind", ["functions", "layers"])
@pytest.mark.usefixtures("any_plan")
def test_layers_behind_reshapes_give_tflms_bytes_on_the_board(kind):
    on_the_board(behind_reshapes(MODELS[kind](5), 5), 5, 2)
