"""Random layers for the kernels: their packed constants as C, an input, and what TFLM's arithmetic makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecgdeploy.codegen.arithmetic import multiply_by_quantized_multiplier
from ecgdeploy.codegen.packing import PackedConv, pack_conv, pack_depthwise


@dataclass(frozen=True)
class Shape:
    """A layer to draw numbers for; `kind` is "conv" or "depthwise", `ending` "relu", "int8" or "clamp"."""

    kind: str
    outputs: int
    taps: int
    inputs: int
    stride: int = 1
    dilation: int = 1
    positions: int = 3
    ending: str = "relu"
    pool: int = 1
    extreme: bool = False  # inputs and weights at their limits, so that the sums are as large as they get
    left: bool = False  # shifts that the DSP kernels leave to general code

    def __str__(self) -> str:
        return " ".join(f"{k}={v}" for k, v in vars(self).items())


@dataclass(frozen=True, eq=False)
class Case:
    """A layer with its numbers."""

    shape: Shape
    packed: PackedConv
    window: np.ndarray  # int16, zero-point-free, with readable slack after it
    expected: np.ndarray  # int16 [positions, outputs]
    macs: int


def draw(rng: np.random.Generator, shape: Shape) -> Case:
    """Numbers for a shape."""
    s, outputs = shape, shape.inputs if shape.kind == "depthwise" else shape.outputs
    conv = s.kind == "conv"
    size = (outputs, s.taps, s.inputs) if conv else (s.taps, s.inputs)
    weights = rng.integers(-128 if s.ending == "clamp" else -127, 128, size)
    bias = rng.integers(-20000, 20000, outputs)
    multipliers = rng.integers(1 << 30, (1 << 31) - 1, outputs)
    shifts = rng.integers(-3, 2, outputs) if s.left else -rng.integers(1, 12, outputs)
    zero, zero_in = int(rng.integers(-128, 128)), int(rng.integers(-128, 128))
    low, high = sorted(int(v) for v in rng.integers(-128, 128, 2) - zero)
    if s.ending == "relu":
        zero, low, high = -128, 0, 255
    if s.ending == "int8":
        low, high = -128 - zero, 127 - zero
    rows = (s.positions * s.pool - 1) * s.stride + (s.taps - 1) * s.dilation + 1
    x = rng.integers(-128, 128, (rows, s.inputs)) - zero_in
    if s.extreme:
        weights, zero_in = np.where(rng.random(size) < 0.98, 127, -127), 0
        row = np.where(rng.random((rows, 1)) < 0.5, 127, -128)  # neighbours far apart, of either sign
        x = np.where(rng.random(x.shape) < 0.98, row, -1 - row) - zero_in
    numbers = (weights, bias, multipliers, shifts, low, high, zero, -128 - zero_in, 127 - zero_in)
    if conv:
        packed = pack_conv(*numbers, s.stride, s.dilation, positions=s.positions, pool=s.pool)
    else:
        packed = pack_depthwise(*numbers, s.stride, s.dilation)
    results = []
    for p in range(s.positions * s.pool):
        taps = np.stack([x[p * s.stride + k * s.dilation] for k in range(s.taps)])
        sums = (np.tensordot(weights, taps, ((1, 2), (0, 1))) if conv else (weights * taps).sum(0)) + bias
        scaled = [int(multiply_by_quantized_multiplier(int(a), int(m), int(r)))
                  for a, m, r in zip(sums, multipliers, shifts, strict=True)]  # fmt: skip
        results.append(np.clip(scaled, low, high))
    expected = np.array(results).reshape(s.positions, s.pool, outputs).max(1)
    slack = np.full(6 * s.stride * s.inputs + 8, 77)  # never part of a result
    window = np.concatenate([x.reshape(-1), slack])
    return Case(shape, packed, window, expected, s.positions * s.pool * int(np.prod(size)))


def random_shapes(rng: np.random.Generator, count: int) -> list[Shape]:
    """Small layers of every sort."""
    shapes = []
    for i in range(count):
        common = {
            "taps": int(rng.integers(1, 9)), "stride": int(rng.integers(1, 4)), "dilation": int(rng.integers(1, 4)),
            "positions": int(rng.integers(1, 9)), "ending": ("relu", "int8", "clamp")[i % 3],
        }  # fmt: skip
        if i % 4 == 3:
            shapes.append(Shape("depthwise", 0, inputs=int(rng.integers(1, 24)), **common))
        else:
            pool = int(rng.integers(1, 3))
            shapes.append(
                Shape("conv", int(rng.integers(1, 18)), inputs=int(rng.integers(1, 20)), pool=pool, **common,
                      left=bool(rng.random() < 0.1), extreme=bool(rng.random() < 0.2))
            )  # fmt: skip
    return shapes


def c_array(kind: str, name: str, values: np.ndarray) -> str:
    """Constant array definition."""
    items = ",".join(map(str, np.asarray(values).reshape(-1).tolist()))
    return f"static const {kind} {name}[] __attribute__((aligned(4))) = {{{items}}};\n"


def c_layer(index: int, case: Case) -> str:
    """Definitions of the layer `index`: weights, scales, shifts, struct, input, expected output."""
    kind = "ecgd_conv_t" if case.shape.kind == "conv" else "ecgd_depthwise_t"
    pairs = ",".join(f"{{{int(b)},{int(m)}}}" for b, m in case.packed.scale)
    return (
        c_array("int8_t", f"w{index}", case.packed.weights)
        + f"static const ecgd_scale_t s{index}[] = {{{pairs}}};\n"
        + c_array("int8_t", f"r{index}", case.packed.right)
        + c_array("int16_t", f"x{index}", case.window)
        + c_array("int16_t", f"y{index}", case.expected)
        + f"static const {kind} c{index} = {case.packed.initialiser(f'w{index}', f's{index}', f'r{index}')};\n"
    )


CHECKS = r"""
#include "ecgd_kernels.h"
#include <string.h>
void print_text(const char *text);
void print_number(int32_t x);
uint32_t instructions(void);
int main(void);
int16_t got[8192];
enum { GUARD = 12345 };
static void report(int32_t index, int32_t wrong, uint32_t cost) {
    print_number(index); print_number(wrong); print_number((int32_t)cost); print_text("\n");
}
#define CHECK(index, call, out, expected, count)                                                  \
    do {                                                                                          \
        for (int32_t i = 0; i < (count) + 8; i++) (out)[i] = GUARD;                               \
        const uint32_t empty = instructions(), start = instructions();                            \
        call;                                                                                     \
        const uint32_t end = instructions();                                                      \
        int32_t wrong = 0;                                                                        \
        for (int32_t i = 0; i < (count); i++) wrong += memcmp((out) + i, (expected) + i, sizeof *(out)) != 0; \
        for (int32_t i = (count); i < (count) + 8; i++) wrong += (out)[i] != (GUARD);             \
        report(index, wrong, end - start - (start - empty));                                      \
    } while (0)
"""


def c_program(definitions: list[str], body: str, calls: list[str]) -> str:
    """A main program of checks, each in a function of its own."""
    functions = "".join(f"static void check_{i}(void) {{ {call} }}\n" for i, call in enumerate(calls))
    runs = "".join(f"check_{i}(); " for i in range(len(calls)))
    return f"{CHECKS}{chr(10).join(sorted(set(definitions)))}\n{body}{functions}int main(void) {{ {runs}return 0; }}\n"
