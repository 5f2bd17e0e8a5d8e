"""Layers over two dimensions give TFLM's bytes: convolutions, depthwise ones and pools of images and spectrograms."""

import pytest
from random_planes import many_planes
from same_bytes import on_the_board, on_this_machine

from ecgdeploy.codegen import STORAGES

PER_MODEL = 18

pytestmark = pytest.mark.usefixtures("any_plan")


@pytest.mark.parametrize("seed", range(3))
def test_random_planes_on_this_machine(seed):
    on_this_machine(many_planes(seed, PER_MODEL), seed, 4, storage=STORAGES[seed % 2])


@pytest.mark.slow
def test_five_hundred_random_planes_on_this_machine():
    for seed in range(100, 128):
        on_this_machine(many_planes(seed, PER_MODEL), seed, 4, storage=STORAGES[seed % 2])


@pytest.mark.parametrize("seed", range(40, 42))
def test_random_planes_on_the_emulated_board(seed):
    on_the_board(many_planes(seed, PER_MODEL), seed, 4)
