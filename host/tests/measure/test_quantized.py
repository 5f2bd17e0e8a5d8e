"""What a window becomes on its way into a model's input tensor."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgdeploy.errors import DataError
from ecgdeploy.measure.quantized import TensorCoding

INT8 = TensorCoding(np.dtype(np.int8), 0.05, -3, (1, 4, 1))
FLOAT = TensorCoding(np.dtype(np.float32), 0.0, 0, (1, 4, 1))


def test_encoding_saturates_instead_of_wrapping():
    stored = INT8.encode(np.array([[[1e6], [-1e6], [0.0], [0.05]]], np.float32))
    assert stored.ravel().tolist() == [127, -128, -3, -2]


@given(st.lists(st.floats(-6, 6, width=32), min_size=4, max_size=4))
def test_decoding_is_within_half_a_step_of_what_was_encoded(values):
    window = np.array(values, np.float32).reshape(1, 4, 1)
    error = np.abs(INT8.decode(INT8.encode(window)) - window)
    assert error.max() <= 0.05 * 0.5 + 1e-6


def test_float_tensors_pass_unchanged():
    window = np.array([[[1.5], [-2.25], [0.0], [7.0]]], np.float32)
    assert np.array_equal(FLOAT.decode(FLOAT.encode(window)), window)


def test_halves_round_away_from_zero_as_the_quantize_operator_does():
    coding = TensorCoding(np.dtype(np.int8), 1.0, 0, (1, 5))
    below_half = np.nextafter(np.float32(0.5), np.float32(0))
    assert coding.encode(np.array([[0.5, 1.5, -0.5, -1.5, below_half]], np.float32)).tolist() == [[1, 2, -1, -2, 0]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_window_with_nan_is_refused_by_number(bad):
    windows = np.zeros((3, 4, 1), np.float32)
    windows[1, 2] = bad
    with pytest.raises(DataError, match="window 1"):
        INT8.encode(windows)


def test_windows_of_another_length_are_refused():
    with pytest.raises(DataError, match="do not fit"):
        INT8.encode(np.zeros((2, 5, 1), np.float32))


@pytest.mark.parametrize("shape", [(2, 4), (2, 1, 4), (1, 2, 4, 1)])
def test_a_model_whose_leads_come_first_gets_them_first(shape):
    windows = np.arange(24, dtype=np.float32).reshape(3, 4, 2)
    stored = TensorCoding(np.dtype(np.float32), 0.0, 0, (1, *shape)).encode(windows)
    assert np.array_equal(stored.reshape(3, 2, 4), windows.transpose(0, 2, 1))


def test_values_are_never_dealt_out_over_other_extents():
    with pytest.raises(DataError, match="do not fit"):
        TensorCoding(np.dtype(np.float32), 0.0, 0, (1, 6, 4)).encode(np.zeros((1, 12, 2), np.float32))
    flat = TensorCoding(np.dtype(np.float32), 0.0, 0, (1, 24)).encode(np.zeros((1, 12, 2), np.float32))
    assert flat.shape == (1, 24)
