"""Files converted with any batch size, whose shapes are computed and written wrongly: run with batch 1."""

import numpy as np
import pytest
from same_bytes import on_the_board, on_this_machine
from tflite_builder import Builder

from ecgdeploy.boards import load_board
from ecgdeploy.codegen.host import HostEngine
from ecgdeploy.errors import ModelError
from ecgdeploy.graph import read_tflite
from ecgdeploy.graph.rewrite import opcode, pack, unpack
from ecgdeploy.graph.settle import settled_file
from ecgdeploy.measure.bench.models import random_inputs
from ecgdeploy.preflight import preflight
from ecgdeploy.reference import TflmReference, golden_reference

TIME, CHANNELS, UNITS = 9, 6, 5
TYPES = ("int8", "int16", "float32")


class _AnyBatch(Builder):
    """A file of one type; `computed` shapes come from SHAPE, and are written as the converter does (1: unknown)."""

    def __init__(self, dtype: str, computed: bool) -> None:
        super().__init__()
        self.dtype, self.computed, self.draw = dtype, computed, np.random.default_rng(4)

    def value(self, shape, scale=0.05):
        if self.dtype == "float32":
            return self.tensor(shape, "float32")
        return self.tensor(shape, self.dtype, scale if self.dtype == "int8" else scale / 256, 0)

    def made(self, kind, inputs, shape, options=None, scale=0.05):
        return self.operator(kind, inputs, [self.value(shape, scale)], options)

    def integers(self, kind, inputs, shape, options=None):
        return self.operator(kind, inputs, [self.tensor(shape, "int32")], options)

    def numbers(self, *values):
        return self.constant(np.array(values, np.int32))

    def weights(self, units, depth):
        if self.dtype == "float32":
            return self.constant(self.draw.normal(0, 0.3, (units, depth)).astype(np.float32))
        return self.constant(self.draw.integers(-127, 128, (units, depth)).astype(np.int8), scale=0.004)

    def dense_over_time(self, x):
        """Keras' Dense over [batch, time, channels]: the positions become rows, and rows positions again."""
        weights = self.weights(UNITS, CHANNELS)
        options = ("FullyConnectedOptions", {})
        if not self.computed:
            rows = self.made("RESHAPE", [x, self.numbers(TIME, CHANNELS)], (TIME, CHANNELS))
            y = self.made("FULLY_CONNECTED", [rows, weights, -1], (TIME, UNITS), options)
            return self.made("RESHAPE", [y, self.numbers(1, TIME, UNITS)], (1, TIME, UNITS))
        shape = self.integers("SHAPE", [x], (3,), ("ShapeOptions", {"outType": 2}))
        free = self.integers("GATHER", [shape, self.numbers(0, 1)], (2,), ("GatherOptions", {}))
        last = self.integers("GATHER", [shape, self.numbers(2)], (1,), ("GatherOptions", {}))
        rows = self.integers("REDUCE_PROD", [free, self.numbers(0)], (), ("ReducerOptions", {}))
        columns = self.integers("REDUCE_PROD", [last, self.numbers(0)], (), ("ReducerOptions", {}))
        wanted = self.integers("PACK", [rows, columns], (2,), ("PackOptions", {"valuesCount": 2}))
        y = self.made("RESHAPE", [x, wanted], (1, 1))
        y = self.made("FULLY_CONNECTED", [y, weights, -1], (1, UNITS), options)
        again = self.integers("CONCATENATION", [free, self.numbers(UNITS)], (3,), ("ConcatenationOptions", {}))
        return self.made("RESHAPE", [y, again], (1, 1, UNITS))

    def recurrent_step(self, x):
        """The first step of an unrolled recurrent layer: a state of zeros, as many as the batch has rows."""
        weights, of_state = self.weights(3 * UNITS, CHANNELS), self.weights(3 * UNITS, UNITS)
        if self.computed:
            shape = self.integers("SHAPE", [x], (2,), ("ShapeOptions", {"outType": 2}))
            begin, end, step = self.numbers(0), self.numbers(1), self.numbers(1)
            one = self.integers(
                "STRIDED_SLICE", [shape, begin, end, step], (), ("StridedSliceOptions", {"shrinkAxisMask": 1})
            )
            units = self.constant(np.array(UNITS, np.int32))
            wanted = self.integers("PACK", [one, units], (2,), ("PackOptions", {"valuesCount": 2}))
            zero = self.constant(np.array(0, self.dtype), scale=None if self.dtype == "float32" else 0.05)
            state = self.made("FILL", [wanted, zero], (1, UNITS))
        else:
            state = self.constant(np.zeros((1, UNITS), self.dtype), scale=None if self.dtype == "float32" else 0.05)
            if self.dtype == "int16":
                self.graph.tensors[state].quantization.scale = np.array([0.05 / 256], np.float32)
        options = ("FullyConnectedOptions", {})
        bias = [-1] if self.dtype == "int16" else [self._bias()]
        gates = self.made("FULLY_CONNECTED", [x, weights, -1], (1, 3 * UNITS), options)
        held = self.made("FULLY_CONNECTED", [state, of_state, *bias], (1, 3 * UNITS), options)
        axis = self.constant(np.array(1, np.int32))
        parts = [[self.value((1, UNITS)) for _ in range(3)] for _ in range(2)]
        for source, into in zip((gates, held), parts, strict=True):
            self.operator("SPLIT", [axis, source], into, ("SplitOptions", {"numSplits": 3}))
        sums = [
            self.made("ADD", [a, b], (1, UNITS), ("AddOptions", {"potScaleInt16": False}))
            for a, b in zip(*parts, strict=True)
        ]
        return self.made("MUL", [sums[0], state], (1, UNITS), ("MulOptions", {})), *sums

    def _bias(self):
        if self.dtype == "float32":
            return self.constant(self.draw.normal(0, 1, 3 * UNITS).astype(np.float32))
        return self.constant(self.draw.integers(-9000, 9000, 3 * UNITS).astype(np.int32), scale=0.05 * 0.004)


def _dense(dtype, computed):
    b = _AnyBatch(dtype, computed)
    x = b.value((1, TIME, CHANNELS))
    b.graph.inputs.append(x)
    y = b.dense_over_time(x)
    shape = (1, 1, UNITS) if computed else (1, TIME, UNITS)
    return b.finish([b.made("ADD", [y, y], shape, ("AddOptions", {"potScaleInt16": False}), scale=0.1)])


def _recurrent(dtype, computed):
    b = _AnyBatch(dtype, computed)
    x = b.value((1, CHANNELS))
    b.graph.inputs.append(x)
    return b.finish(list(b.recurrent_step(x)))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("network", [_dense, _recurrent])
def test_computed_shapes_give_the_bytes_of_a_file_with_fixed_ones(network, dtype):
    graph, fixed = read_tflite(network(dtype, True)), read_tflite(network(dtype, False))
    assert graph.settled
    assert not fixed.settled
    assert [graph.tensors[i].shape for i in graph.outputs] == [fixed.tensors[i].shape for i in fixed.outputs]
    one, other = HostEngine(graph), HostEngine(fixed)
    for inputs in random_inputs(fixed, 8, 1):
        for a, b in zip(one.run(inputs), other.run(inputs), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("network", [_dense, _recurrent])
def test_computed_shapes_give_tflms_bytes(network, dtype):
    on_this_machine(network(dtype, True), 3)


def test_computed_shapes_give_tflms_bytes_on_the_board():
    on_the_board(_recurrent("int8", True), 3)


@pytest.mark.parametrize("dtype", TYPES)
def test_the_settled_file_is_what_tflm_runs(dtype):
    model = _dense(dtype, True)
    settled = settled_file(model)
    kinds = [o.kind for o in read_tflite(settled).operators]
    assert kinds == ["RESHAPE", "FULLY_CONNECTED", "RESHAPE", "ADD"]
    assert settled_file(settled) == settled
    reference, name = golden_reference(model, read_tflite(model))
    assert name == "TFLM, rewritten"
    for inputs in random_inputs(read_tflite(model), 3, 1):
        np.testing.assert_array_equal(reference.run(inputs)[0], TflmReference(settled).run(inputs)[0])


def test_a_senseless_slice_of_a_shape_is_refused():
    model = unpack(_recurrent("float32", True))
    sub = model.subgraphs[0]
    chain = next(o for o in sub.operators if opcode(model, o) == "STRIDED_SLICE")
    model.buffers[sub.tensors[chain.inputs[3]].buffer].data = np.zeros(4, np.uint8)
    with pytest.raises(ModelError, match="a stride of zero"):
        read_tflite(pack(model))


def test_a_file_whose_shapes_are_right_stays_as_it_is():
    model = _dense("int8", False)
    assert settled_file(model) is model


def test_preflight_for_tflm_looks_at_the_settled_file(tmp_path):
    path = tmp_path / "recurrent.tflite"
    path.write_bytes(_recurrent("float32", True))
    report = preflight(path, load_board("nano33ble"), "tflm")
    assert all(finding.ok for finding in report.findings), report
