"""Convolutions that read bytes: TFLM's results on the emulated Cortex-M4F, from assembly and from portable C."""

from dataclasses import dataclass

import cases
import cortex_m4
import numpy as np
import pytest

from ecgdeploy.codegen.arithmetic import multiply_by_quantized_multiplier
from ecgdeploy.codegen.packing import BYTES_TURN, pack_conv_bytes


@dataclass(frozen=True)
class Shape:
    """`level` is what weights are made of: "random", or "large" (positive sums that outgrow 24 bits, halves do not)."""

    outputs: int
    taps: int
    inputs: int
    stride: int = 1
    positions: int = 3
    ending: str = "relu"
    narrow: bool = True
    level: str = "random"


TURN = 4 * BYTES_TURN
SHAPES = (
    Shape(8, 3, TURN, positions=7),  # whole turns
    Shape(6, 5, TURN, 2, ending="int8"),
    Shape(4, 3, TURN, ending="clamp", narrow=False, positions=2),
    Shape(4, 1, TURN, positions=5),
    Shape(4, 2, TURN // 2, positions=1),  # one turn is all
    Shape(8, 3, 40, 3, positions=4, narrow=False),
    Shape(8, 5, 8, ending="int8", positions=8),
    Shape(2, 1, 8, positions=3),
    Shape(6, 7, 12, 2, positions=4),  # an odd number of fours, one turn
    Shape(4, 1, 4, positions=3),
    Shape(4, 9, 20, 2, ending="int8", positions=4),
    Shape(10, 1, 24, 2, positions=10, ending="int8"),
    Shape(6, 3, TURN, level="large", positions=4),
    Shape(6, 5, 104, level="large", ending="int8"),  # the first turn is a partial one
    Shape(6, 5, 104, 2, level="large", ending="clamp", narrow=False),
    Shape(4, 5, TURN, level="large", narrow=False, positions=1),
    Shape(4, 5, 2 * TURN, level="large"),  # neither half fits: weights stay bytes
    Shape(4, 1, 400, level="large"),
)


def draw(rng, s):
    """(packed, bytes of the window, expected results, elements a result row)."""
    offset = int(rng.integers(0, 256))
    w = rng.integers(-127, 128, (s.outputs, s.taps, s.inputs))
    if s.level == "large":
        w = rng.integers(100, 128, w.shape)
        offset = 0
    bias = rng.integers(-20000, 20000, s.outputs)
    multipliers, shifts = rng.integers(1 << 30, (1 << 31) - 1, s.outputs), -rng.integers(5, 16, s.outputs)
    zero = -128 if s.ending == "relu" else int(rng.integers(-100, 100))
    low, high = {"relu": (0, 255), "int8": (-128 - zero, 127 - zero), "clamp": (-30, 41)}[s.ending]
    rows = (s.positions - 1) * s.stride + s.taps
    x = rng.integers(200 if s.level == "large" else 0, 256, (rows, s.inputs))
    limits = (-offset, 255 - offset)
    packed = pack_conv_bytes(w, bias, multipliers, shifts, low, high, zero, *limits, s.stride, s.narrow, offset)
    results = []
    for p in range(s.positions):
        taps = x[p * s.stride : p * s.stride + s.taps] - offset
        sums = np.tensordot(w, taps, ((1, 2), (0, 1))) + bias
        scaled = [
            int(multiply_by_quantized_multiplier(int(a), int(m), int(r)))
            for a, m, r in zip(sums, multipliers, shifts, strict=True)
        ]
        results.append(np.clip(scaled, low, high) + (zero + 128 if s.narrow else 0))
    expected = np.array(results)
    if s.narrow:
        expected = expected.astype(np.uint8).reshape(-1).view(np.int16)
    slack = np.full(6 * s.stride * s.inputs + 8, 77)
    return packed, np.concatenate([x.reshape(-1), slack]), expected


@pytest.mark.parametrize(
    "flags",
    [(), ("-DECGD_OWN_ACLE",), ("-DECGD_FORCE_PORTABLE",)],
    ids=["assembly", "before GCC 10", "portable"],
)
def test_convolutions_of_bytes_are_tflms(tmp_path, flags):
    rng = np.random.default_rng(11)
    body, definitions, calls, kernels = "static int16_t scratch[3 * 2048];\n", [], [], []
    for i, shape in enumerate(SHAPES):
        packed, window, expected = draw(rng, shape)
        definitions.append(packed.definition)
        kernels.append(packed.kernel)
        pairs = ",".join(f"{{{int(b)},{int(m)}}}" for b, m in packed.scale)
        body += (
            cases.c_array("int8_t", f"w{i}", packed.weights)
            + f"static const ecgd_scale_t s{i}[] = {{{pairs}}};\n"
            + cases.c_array("int8_t", f"r{i}", packed.right)
            + cases.c_array("uint8_t", f"x{i}", window)
            + cases.c_array("int16_t", f"y{i}", expected)
            + f"static const ecgd_conv_t c{i} = {packed.initialiser(f'w{i}', f's{i}', f'r{i}')};\n"
        )
        call = f"{packed.kernel}(&c{i}, x{i}, {shape.positions}, scratch, got)"
        calls.append(f"CHECK({i}, {call}, got, y{i}, {expected.size});")
    program = cases.c_program(definitions, body, calls)
    sources = ["ecgd_conv.c", "ecgd_elementwise.c"]
    printed = cortex_m4.run(cortex_m4.build(tmp_path, program, sources, flags))
    wrong = [f"{SHAPES[int(line.split()[0])]}" for line in printed.splitlines() if line.split()[1] != "0"]
    assert len(printed.splitlines()) == len(SHAPES)
    assert not wrong, "\n".join(wrong)
    for sort in ("whole", "once", "halves", "halves_whole", "bytes"):
        assert any(k.endswith(sort) for k in kernels), f"no layer for {sort}: {kernels}"
