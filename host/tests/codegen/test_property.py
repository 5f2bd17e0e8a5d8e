"""Random layers give TFLM's bytes: shapes, strides, paddings, dilations, zero points, scales, saturation."""

import pytest
from random_models import many_layers
from same_bytes import on_the_board, on_this_machine

from ecgdeploy.codegen import STORAGES

PER_MODEL = 40

pytestmark = pytest.mark.usefixtures("any_plan")


def _storage(seed):
    return STORAGES[seed % 2]  # every second one keeps bytes wherever it can


@pytest.mark.parametrize("seed", range(4))
def test_random_layers_on_this_machine(seed):
    on_this_machine(many_layers(seed, PER_MODEL), seed, storage=_storage(seed))


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(8))
def test_two_thousand_random_layers_on_this_machine(batch):
    for seed in range(100 + 6 * batch, 106 + 6 * batch):
        on_this_machine(many_layers(seed, PER_MODEL), seed, storage=_storage(seed))


@pytest.mark.parametrize("seed", range(50, 53))
def test_random_layers_on_the_emulated_board(seed):
    on_the_board(many_layers(seed, PER_MODEL), seed, storage=_storage(seed))
