"""On the emulated Cortex-M4F the kernels give TFLM's results, write nowhere else, and cost what they did."""

import cases
import cortex_m4
import numpy as np
import pytest
from cases import Shape

SOURCES = ["ecgd_conv.c", "ecgd_elementwise.c", "ecgd_softmax.c"]

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
