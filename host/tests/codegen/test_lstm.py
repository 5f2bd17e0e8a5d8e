"""An int8 LSTM gives TFLM's bytes, step by step, forwards and backwards."""

import numpy as np
import pytest
from same_bytes import on_the_board, on_this_machine
from tflite_builder import Builder


def lstm(seed, inputs, backwards=False):
    draw = np.random.default_rng(seed)
    time, channels, units = int(draw.integers(2, 30)), int(draw.integers(1, 12)), int(draw.integers(1, 20))
    b = Builder()
    x = b.input((1, time, channels), "int8", 0.03, int(draw.integers(-20, 20)))
    if backwards:
        turned = b.tensor((1, time, channels), "int8", 0.03, b.graph.tensors[x].quantization.zeroPoint[0])
        x = b.operator("REVERSE_V2", [x, b.constant(np.array([1], np.int32))], [turned])
    operands = [-1] * inputs
    operands[0] = x
    hidden_scale, hidden_zero = float(np.float32(draw.uniform(0.004, 0.009))), int(draw.integers(-30, 30))
    for i in range(1, 9):
        depth = channels if i < 5 else units
        w = draw.integers(-127, 128, (units, depth)).astype(np.int8)
        operands[i] = b.constant(w, scale=float(draw.uniform(0.004, 0.02)))
    for i in range(12, 16):
        operands[i] = b.constant(draw.integers(-3000, 3000, units).astype(np.int32), scale=0.0002)
    operands[18] = b.tensor((1, units), "int8", hidden_scale, hidden_zero, variable=True)
    operands[19] = b.tensor((1, units), "int16", 2.0 ** -int(draw.integers(10, 14)), 0, variable=True)
    y = b.tensor((1, time, units), "int8", hidden_scale, hidden_zero)
    options = {"fusedActivationFunction": 4, "cellClip": float(draw.choice([0.0, 10.0, 1.5])), "timeMajor": False}
    b.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", operands, [y], ("UnidirectionalSequenceLSTMOptions", options))
    return b.finish([y])


@pytest.mark.parametrize("seed", range(8))
def test_lstm_on_this_machine(seed):
    on_this_machine(lstm(seed, 24, backwards=seed % 2 == 1), seed)


@pytest.mark.parametrize("seed", [20, 21])
def test_lstm_on_the_emulated_board(seed):
    on_the_board(lstm(seed, 24, backwards=seed % 2 == 1), seed, 4)
