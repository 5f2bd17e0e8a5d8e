"""Layers over two dimensions give TFLM's bytes: convolutions, depthwise ones and pools of images and spectrograms."""

import pytest
from random_planes import many_planes
from same_bytes import on_the_board, on_this_machine
from tflite_builder import VALID, Builder

from ecgdeploy.codegen import STORAGES, generate
from ecgdeploy.errors import ModelError
from ecgdeploy.graph import read_tflite

PER_MODEL = 21

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


def test_a_batch_of_images_is_refused_in_one_line():
    b = Builder()
    x, y = b.input((2, 6, 6, 3), "int8", 0.1, 5), b.tensor((2, 3, 3, 3), "int8", 0.1, 5)
    b.operator("MAX_POOL_2D", [x], [y], ("Pool2DOptions", {"padding": VALID, "strideH": 2, "strideW": 2,
                                                            "filterHeight": 2, "filterWidth": 2}))  # fmt: skip
    with pytest.raises(ModelError, match="batch 2"):
        generate(read_tflite(b.finish([y])))
