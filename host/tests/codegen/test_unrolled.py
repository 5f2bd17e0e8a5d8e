"""Networks of many equal steps, as unrolled recurrent layers are: constants once, and no step asked in vain."""

import numpy as np
from same_bytes import on_the_board, on_this_machine
from tflite_builder import Builder

from ecgdeploy.codegen import generate
from ecgdeploy.codegen.sharing import shared
from ecgdeploy.graph import read_tflite

STEPS, UNITS, TIME = 12, 8, 30


def _steps() -> bytes:
    """A mean over a record, then a chain of dense layers that share weights and tables."""
    draw = np.random.default_rng(3)
    b = Builder()
    x = b.input((1, TIME, UNITS), "int8", 0.05, 3)
    y = b.tensor((1, UNITS), "int8", 0.02, -5)
    b.operator("MEAN", [x, b.constant(np.array([1], np.int32))], [y], ("ReducerOptions", {"keepDims": False}))
    weights = b.constant(draw.integers(-127, 128, (UNITS, UNITS)).astype(np.int8), scale=0.004)
    for _ in range(STEPS):
        made, bent = b.tensor((1, UNITS), "int8", 0.02, -5), b.tensor((1, UNITS), "int8", 1 / 128, 0)
        b.operator("FULLY_CONNECTED", [y, weights, -1], [made], ("FullyConnectedOptions", {}))
        b.operator("TANH", [made], [bent])
        y = b.tensor((1, UNITS), "int8", 0.02, -5)
        b.operator("ADD", [made, bent], [y], ("AddOptions", {}))
    return b.finish([y])


def test_equal_steps_have_their_weights_and_tables_once():
    text = generate(read_tflite(_steps()), "cortex-m4").files["ecgd_model.c"]
    assert text.count("static const int8_t weights_") == 1
    assert text.count("static const int8_t tanh_") == 1
    assert text.count("static const ecgd_elementwise_t") == 1


def test_steps_behind_the_mean_are_not_asked_before_it():
    text = generate(read_tflite(_steps()), "cortex-m4").files["ecgd_model.c"]
    sweep = text[text.index("static int sweep(void)\n{") :]
    assert sweep.index("RUN(1)") < sweep.index("return fired; /* all others wait for it */") < sweep.index("RUN(2)")


def test_equal_steps_give_tflms_bytes():
    on_this_machine(_steps(), 3)
    on_the_board(_steps(), 3, 3)


def test_constants_that_name_shared_ones_are_shared_too():
    constants = [
        "static const int8_t weights_1[2] __attribute__((aligned(4))) = {\n    1, 2};\n",
        "static const layer_t layer_1 = {.weights = weights_1};\n",
        "static const int8_t weights_2[2] __attribute__((aligned(4))) = {\n    1, 2};\n",
        "static const layer_t layer_2 = {.weights = weights_2};\nstatic const int16_t other_2[2] = {\n    1, 2};\n",
        "static const int8_t weights_3[2] = {\n    1, 2};\n",
    ]
    kept, functions = shared(constants, ["run(&layer_2, weights_2, weights_3, other_2);\n"])
    assert "".join(kept) == constants[0] + constants[1] + constants[3].split("\n", 1)[1] + constants[4]
    assert functions == ["run(&layer_1, weights_1, weights_3, other_2);\n"]
