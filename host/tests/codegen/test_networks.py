"""Random whole networks give TFLM's bytes: residuals, gates, dilation, pools, concatenation, several heads."""

import pytest
from random_images import random_images
from random_networks import random_network
from same_bytes import on_the_board, on_this_machine

from ecgdeploy.codegen import STORAGES


def test_random_networks_on_this_machine():
    for seed in range(12):
        on_this_machine(random_network(seed), seed, storage=STORAGES[seed % 2])


@pytest.mark.slow
def test_sixty_random_networks_on_this_machine():
    for seed in range(100, 160):
        on_this_machine(random_network(seed), seed, storage=STORAGES[seed % 2])


@pytest.mark.parametrize("seed", range(200, 206))
def test_random_networks_on_the_emulated_board(seed):
    on_the_board(random_network(seed), seed, storage=STORAGES[seed % 2])


def test_random_networks_of_every_type_over_images_on_this_machine():
    for seed in range(6):
        on_this_machine(random_images(seed), seed, 4, storage=STORAGES[seed // 3])


@pytest.mark.slow
def test_forty_random_networks_of_every_type_over_images_on_this_machine():
    for seed in range(100, 140):
        on_this_machine(random_images(seed), seed, 4, storage=STORAGES[seed % 2])


@pytest.mark.parametrize("seed", range(200, 203))
def test_random_networks_of_every_type_over_images_on_the_emulated_board(seed):
    on_the_board(random_images(seed), seed, 3)
