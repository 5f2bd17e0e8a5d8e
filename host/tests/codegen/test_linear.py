"""An addition that the code generator calls linear equals TFLite's for every pair of bytes."""

import numpy as np
import pytest

from ecgdeploy.codegen import arithmetic as ar
from ecgdeploy.codegen import ir
from ecgdeploy.codegen.linear import FRACTION, exact_sums, linear_addition


def addition(scales, offsets):
    twice = 2.0 * max(scales[:2])
    reals = (scales[0] / twice, scales[1] / twice, twice / ((1 << 20) * scales[2]))
    pairs = [ar.quantize_multiplier(real) for real in reals]
    multipliers, shifts = tuple(m for m, _ in pairs), tuple(s for _, s in pairs)
    low = -offsets[2]
    return ir.Elementwise("add", ("full", "full"), (None, None), multipliers, shifts, 20, low, low + 255)


def test_the_linear_function_is_tflites_for_all_pairs_of_bytes():
    rng = np.random.default_rng(5)
    x = np.arange(256, dtype=np.int64)
    found = 0
    for _ in range(60):
        scales = tuple(float(np.float32(s)) for s in rng.uniform(0.01, 0.05, 3))
        offsets = tuple(int(v) for v in rng.integers(0, 256, 3))
        work = addition(scales, offsets)
        linear = linear_addition(work, offsets)
        if linear is None:
            continue
        found += 1
        parts = [np.array([(f * 256 * (int(v) - 128)) >> 16 for v in x]) for f in linear.factors]
        sums = (parts[0][:, None] + parts[1][None, :] + linear.constant) >> FRACTION
        assert np.array_equal(np.clip(sums, 0, 255), exact_sums(work, offsets)), (scales, offsets)
    assert found >= 50


@pytest.mark.parametrize("scales", [(0.02, 0.02, 0.04), (0.5, 0.25, 1.0)])
def test_exact_halves_keep_tflites_way_of_rounding_them(scales):
    assert linear_addition(addition(scales, (128, 128, 128)), (128, 128, 128)) is None


def test_what_32_bits_do_not_hold_is_not_linear():
    assert linear_addition(addition((0.9, 0.31, 0.01), (128, 128, 128)), (128, 128, 128)) is None


def test_a_clamp_to_less_than_a_byte_is_not_linear():
    work = addition((0.021, 0.033, 0.041), (128, 128, 128))
    assert linear_addition(work, (128, 128, 128)) is not None
    clamped = ir.Elementwise(**{**work.__dict__, "low": 0})
    assert linear_addition(clamped, (128, 128, 128)) is None
