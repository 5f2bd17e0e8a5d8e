"""On the emulated Cortex-M4F the kernels give TFLM's results, write nowhere else, and cost what they did."""

import cases
import cortex_m4
import numpy as np
import pytest
from cases import Shape

from ecgdeploy.codegen.packing_f32 import pack_conv_f32

SOURCES = ["ecgd_conv.c", "ecgd_elementwise.c", "ecgd_softmax.c", "ecgd_f32.c", "ecgd_exp_f32.c"]

# (layer, instructions per multiply-accumulate that it may cost; what was measured, rounded up)
CORE = (
    (Shape("conv", 32, 5, 16, positions=6), 0.91),
    (Shape("conv", 64, 3, 32, positions=6), 0.88),
    (Shape("conv", 128, 7, 128, 2, positions=3), 0.79),
    (Shape("conv", 16, 15, 12, 2, positions=6), 0.92),
    (Shape("conv", 16, 1, 16, positions=9), 1.45),
    (Shape("conv", 128, 1, 128, positions=6), 0.87),
    (Shape("conv", 128, 1, 128, positions=6, ending="int8"), 0.88),
    (Shape("conv", 32, 5, 16, positions=3, pool=2), 0.90),
    (Shape("conv", 16, 7, 1, positions=12), 2.60),
    (Shape("depthwise", 0, 7, 16, positions=6), 2.95),
    (Shape("depthwise", 0, 7, 128, positions=3), 3.00),
)
# limits of addressing, forms of the weights, and layers that go to general code
CORNERS = (
    Shape("conv", 8, 5, 256, 2, positions=4),
    Shape("conv", 8, 5, 256, 2, positions=4, ending="int8", extreme=True),
    Shape("conv", 8, 3, 256, positions=5, ending="clamp"),
    Shape("conv", 2, 2, 490, positions=5),
    Shape("conv", 2, 2, 512, positions=4),
    Shape("conv", 2, 2, 736, positions=4),
    Shape("conv", 2, 2, 999, positions=4),
    Shape("conv", 2, 2, 1001, positions=4),
    Shape("conv", 8, 3, 40, positions=5, extreme=True),
    Shape("conv", 8, 3, 41, positions=5, ending="clamp", extreme=True),
    Shape("conv", 8, 3, 8, dilation=2, positions=5, ending="int8", extreme=True),
    Shape("conv", 8, 3, 8, positions=5, ending="int8", left=True),
    Shape("conv", 7, 3, 8, positions=5, ending="clamp", left=True),
    Shape("conv", 3, 1, 30, positions=1, ending="int8"),
    Shape("conv", 4, 45, 12, 2, positions=4, pool=2),
    Shape("conv", 4, 1, 500, positions=20, pool=2, ending="int8", extreme=True),  # 256 * b swings over all 32 bits
    Shape("conv", 4, 1, 500, positions=20, pool=2, ending="relu", extreme=True),
    Shape("conv", 4, 3, 8, dilation=3, positions=2, pool=2),
    Shape("depthwise", 0, 31, 6, positions=7),
    Shape("depthwise", 0, 7, 330, positions=3),
)


def _run(folder, layers):
    definitions, body, calls = [], "", []
    for i, case in enumerate(layers):
        definitions.append(case.packed.definition)
        body += cases.c_layer(i, case)
        call = f"{case.packed.kernel}(&c{i}, x{i}, {case.shape.positions}, got)"
        calls.append(f"CHECK({i}, {call}, got, y{i}, {case.expected.size});")
    printed = cortex_m4.run(cortex_m4.build(folder, cases.c_program(definitions, body, calls), SOURCES))
    return [tuple(map(int, line.split())) for line in printed.splitlines()]


@pytest.mark.parametrize("seed", range(3))
def test_convolutions_are_tflms(tmp_path, seed):
    rng = np.random.default_rng(seed)
    shapes = [*CORNERS, *cases.random_shapes(rng, 120)] if seed == 0 else cases.random_shapes(rng, 120)
    layers = [cases.draw(rng, shape) for shape in shapes]
    results = _run(tmp_path, layers)
    assert len(results) == len(layers)
    wrong = [f"{layers[i].shape} by {layers[i].packed.kernel}: {bad} wrong" for i, bad, _ in results if bad]
    assert not wrong, "\n".join(wrong)


def test_core_layers_cost_no_more_than_measured(tmp_path):
    rng = np.random.default_rng(7)
    layers = [cases.draw(rng, shape) for shape, _ in CORE]
    for i, bad, cost in _run(tmp_path, layers):
        per_mac = cost / layers[i].macs
        assert bad == 0
        assert per_mac <= CORE[i][1], f"{layers[i].shape}: {per_mac:.3f} instructions a multiply-accumulate"


@pytest.mark.parametrize("kernel_width", [1, 3])
def test_float_convolution_sums_in_the_references_order(tmp_path, kernel_width):
    rng = np.random.default_rng(kernel_width)
    body, calls = "", []
    for i, (outputs, inputs, stride, dilation, positions, low, high) in enumerate((
        (16, 1, 1, 1, 6, 0.0, cases.FLOAT_MAX), (64, 9, 1, 1, 7, 0.0, cases.FLOAT_MAX),
        (3, 32, 1, 1, 1, -cases.FLOAT_MAX, cases.FLOAT_MAX), (10, 5, 2, 2, 3, 0.0, 6.0),
    )):  # fmt: skip
        w = rng.normal(size=(outputs, kernel_width, inputs)).astype(np.float32)
        b = rng.normal(size=outputs).astype(np.float32)
        x = rng.normal(size=((positions - 1) * stride + (kernel_width - 1) * dilation + 1, inputs)).astype(np.float32)
        packed = pack_conv_f32(w, b, low, high, stride, dilation)
        expected = np.zeros((positions, outputs), np.float32)
        for p in range(positions):
            total = np.zeros(outputs, np.float32)
            for k in range(kernel_width):
                for c in range(inputs):
                    total = total + x[p * stride + k * dilation, c] * w[:, k, c]
            expected[p] = np.clip(total + b, np.float32(low), np.float32(high))
        for name, values in (("w", packed.weights), ("b", packed.bias), ("x", x), ("y", expected)):
            body += cases.c_array("float", f"{name}{i}", values)
        body += f"static const ecgd_conv_f32_t c{i} = {packed.initialiser(f'w{i}', f'b{i}')};\n"
        calls.append(
            f"CHECK({i}, ecgd_conv_f32(&c{i}, x{i}, {positions}, got_f32), got_f32, y{i}, {expected.size});"
        )
    printed = cortex_m4.run(cortex_m4.build(tmp_path, cases.c_program([], body, calls), SOURCES))
    assert [line.split()[1] for line in printed.splitlines()] == ["0"] * len(calls)
