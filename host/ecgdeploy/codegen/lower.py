"""Graph to network: aliases resolved, convolutions made one-dimensional, every constant computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ecgdeploy.codegen import arithmetic as ar
from ecgdeploy.codegen import ir
from ecgdeploy.codegen.lower_float import FLOAT_HANDLERS, add_float_conv, float_pool_limits
from ecgdeploy.codegen.lower_general import GENERAL_HANDLERS, convert
from ecgdeploy.errors import ModelError
from ecgdeploy.graph import Graph, Operator, Tensor, simplify
from ecgdeploy.graph.cost import macs
from ecgdeploy.graph.shapes import leading_padding, reduction_axes
from ecgdeploy.graph.simplify import FREE

MOST_POSITIONS = 1 << 18
"""Longest value that is planned: 12 minutes at 360 Hz."""


def lower(graph: Graph) -> ir.Network:
    """Turn a graph into values and stages.

    Raises
    ------
    ModelError
        An operator is used in a form that the static engine does not run (named, with what to do).
    """
    return Lowering(simplify(graph)).run()


def layout(shape: tuple[int, ...]) -> tuple[int, int]:
    """(time, channels) of a tensor: all but the last dimension are positions."""
    channels = shape[-1] if shape else 1
    elements = int(np.prod(shape, dtype=np.int64)) if shape else 1
    return elements // channels, channels


class Lowering:
    """State of one lowering; the handlers below add stages to it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.values: list[ir.Value] = []
        self.stages: list[ir.Stage] = []
        self.value_of: dict[int, int] = {}  # tensor -> value
        self.macs: dict[int, int] = {}

    def refuse(self, operator: Operator, text: str, hint: str = "") -> ModelError:
        return ModelError(f"{self.graph.name}: {operator}: {text}", hint or "change that layer, or use --engine tflm")

    def run(self) -> ir.Network:
        graph = self.graph
        for number, index in enumerate(graph.inputs):
            value = self.new_value(graph.tensors[index], self.input_layout(index))
            self.add(-1, "INPUT", (), value, ir.Input(number))
        for operator in graph.operators:
            if operator.kind in FREE:
                self.value_of[operator.outputs[0]] = self.value_of[operator.inputs[0]]
                continue
            handler = _HANDLERS.get(operator.kind)
            if graph.tensors[operator.inputs[0]].dtype == "float32":
                handler = FLOAT_HANDLERS.get(operator.kind, handler)
            if handler is None:
                raise self.refuse(operator, "not supported by the static engine")
            before = len(self.stages)
            handler(self, operator)
            if len(self.stages) > before:
                self.macs[len(self.stages) - 1] = macs(graph, operator)
        for number, index in enumerate(graph.outputs):
            if index not in self.value_of:
                raise ModelError(f"{graph.name}: output {graph.tensors[index]} is a constant", "export it again")
            read = ir.Read(self.value_of[index], whole=True)
            self.add(-1, "OUTPUT", (read,), -1, ir.Output(number, index))
        longest = max(value.time for value in self.values)
        if longest > MOST_POSITIONS:
            raise ModelError(
                f"{graph.name}: {longest} positions in a row, more than {MOST_POSITIONS}",
                "give the model shorter records",
            )
        return ir.Network(tuple(self.values), tuple(self.stages), graph.inputs, graph.outputs, self.macs)

    # --- helpers ---------------------------------------------------------------------------------------------------

    def input_layout(self, index: int) -> tuple[int, int]:
        """Layout in which the first real operator reads a graph input (it may be reshaped first)."""
        aliases, wanted = {index}, index
        for operator in self.graph.operators:
            if operator.inputs and operator.inputs[0] in aliases:
                if operator.kind not in FREE:
                    wanted = operator.inputs[0]
                    break
                aliases.add(operator.outputs[0])
        return layout(self.graph.tensors[wanted].shape)

    def new_value(
        self, tensor: Tensor, shape: tuple[int, int] | None = None, limits: tuple[int, int] | None = None
    ) -> int:
        time, channels = shape or layout(tensor.shape)
        quantization = tensor.quantization
        scale, zero_point = (quantization.scale, quantization.zero_point) if quantization else (0.0, 0)
        low, high = limits or tuple(limit - zero_point for limit in ar.RANGES.get(tensor.dtype, (0, 0)))
        self.values.append(
            ir.Value(
                len(self.values), tensor.index, tensor.name, time, channels, tensor.dtype, scale, zero_point, low, high
            )
        )
        self.value_of[tensor.index] = len(self.values) - 1
        return len(self.values) - 1

    def add(self, operator: int, kind: str, reads: tuple[ir.Read, ...], writes: int, work: object) -> None:
        self.stages.append(ir.Stage(len(self.stages), operator, kind, reads, writes, work))

    def tensors(self, operator: Operator) -> list[Tensor]:
        return [self.graph.tensors[i] for i in operator.inputs if i >= 0]

    def constant(self, operator: Operator, position: int) -> np.ndarray:
        """Flat integer content of an operand that must be constant."""
        tensor = self.graph.tensors[operator.inputs[position]] if position < len(operator.inputs) else None
        if tensor is None or tensor.data is None:
            raise self.refuse(operator, f"operand {position} must be constant", "export with fixed shapes")
        return tensor.data.reshape(-1)

    def source(self, operator: Operator, position: int = 0) -> tuple[int, Tensor]:
        """Value and tensor of an activation operand."""
        index = operator.inputs[position]
        if index not in self.value_of:
            raise self.refuse(operator, f"its input {self.graph.tensors[index]} is a constant")
        return self.value_of[index], self.graph.tensors[index]

    def output(self, operator: Operator) -> Tensor:
        return self.graph.tensors[operator.outputs[0]]

    def streams(self, value: int, time: int, channels: int) -> bool:
        """Whether `value` can be read position by position as time x channels."""
        return (self.values[value].time, self.values[value].channels) == (time, channels)

    def read(self, value: int, time: int, channels: int, **window: int | bool) -> ir.Read:
        """Read `value` as time x channels: position by position, or copied first where it runs otherwise."""
        if not self.streams(value, time, channels):
            if time == 1 and window.get("reach", 1) == 1:
                return ir.Read(value, whole=True)
            source = self.values[value]
            copy = replace(source, index=len(self.values), time=time, channels=channels)
            self.values.append(copy)
            self.add(-1, "RESHAPE", (ir.Read(value, whole=True),), copy.index, ir.Concat("time"))
            value = copy.index
        return ir.Read(value, **window)  # type: ignore[arg-type]

    def clamp(self, operator: Operator) -> tuple[int, int]:
        """Range of the zero-point-free output under the fused activation."""
        out = self.output(operator)
        assert out.quantization is not None
        zero_point = out.quantization.zero_point
        low, high = ar.activation_range(
            operator.options.get("activation", "NONE"), out.quantization.scale, zero_point, out.dtype
        )
        if low > high:
            raise self.refuse(operator, "its activation range is empty")
        return low - zero_point, high - zero_point


def _scale(tensor: Tensor) -> float:
    assert tensor.quantization is not None
    return tensor.quantization.scale


def _zero_point(tensor: Tensor) -> int:
    assert tensor.quantization is not None
    return tensor.quantization.zero_point


def _requant(low: Lowering, operator: Operator, channels: int, dense: bool) -> ir.Requant:
    x, w = low.tensors(operator)[:2]
    out = low.output(operator)
    assert w.quantization is not None
    scales = w.quantization.scales
    if dense and len(scales) == 1:  # TFLite multiplies these two in float32
        product = float(np.float32(_scale(x)) * scales[0])
        pairs = [ar.quantize_multiplier(product / _scale(out))] * channels
    else:
        real = [_scale(x) * float(s) / _scale(out) for s in scales]
        pairs = [ar.quantize_multiplier(r) for r in real]
        pairs = pairs * channels if len(pairs) == 1 else pairs
    if any(shift > 8 for _, shift in pairs):
        raise low.refuse(operator, "its scales differ by more than a factor of 256", "quantize the model again")
    clamp = low.clamp(operator)
    return ir.Requant(
        np.array([m for m, _ in pairs], np.int32), np.array([s for _, s in pairs], np.int32), clamp[0], clamp[1]
    )


def _bias(low: Lowering, operator: Operator, channels: int) -> np.ndarray:
    if len(operator.inputs) < 3 or operator.inputs[2] < 0:
        return np.zeros(channels, np.int32)
    bias = low.graph.tensors[operator.inputs[2]]
    if bias.dtype != "int32" or bias.data is None:
        raise low.refuse(operator, f"its bias is {bias.dtype}, not constant int32")
    return bias.data.reshape(-1).astype(np.int32)


def _window(
    low: Lowering, operator: Operator, x: Tensor, kernel: tuple[int, int]
) -> tuple[int, int, int, int, int, int]:
    """(time, kernel row offset, taps, stride, dilation, padding before) of a window that runs along one dimension."""
    o = operator.options
    batch, height, width, _ = x.shape
    if batch != 1:
        raise low.refuse(operator, f"batch {batch}", "export with batch 1")
    dilation = (o.get("dilation_h", 1), o.get("dilation_w", 1))
    if height == 1:
        axis, across = 1, 0
    elif width == 1:
        axis, across = 0, 1
    else:
        raise low.refuse(operator, f"a two-dimensional input {list(x.shape)}; the static engine runs 1 x k", "")
    extent = (height, width)
    stride = (o["stride_h"], o["stride_w"])
    outside, _ = leading_padding(1, kernel[across], stride[across], dilation[across], o["padding"])
    row = outside // dilation[across] if kernel[across] > 1 else 0
    before, _ = leading_padding(extent[axis], kernel[axis], stride[axis], dilation[axis], o["padding"])
    return extent[axis], row, kernel[axis], stride[axis], dilation[axis], before


def _after(time_in: int, time_out: int, reach: int, stride: int, before: int) -> int:
    return max((time_out - 1) * stride + reach - before - time_in, 0)


def _conv(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    w = low.tensors(operator)[1]
    assert w.data is not None
    _, kernel_h, kernel_w, in_channels = w.shape
    time, row, taps, stride, dilation, before = _window(low, operator, x, (kernel_h, kernel_w))
    kernel = w.data[:, row, :, :] if x.shape[1] == 1 else w.data[:, :, row, :]
    _add_conv(low, operator, value, kernel, (time, in_channels), taps, stride, dilation, before, dense=False)


def _add_conv(
    low: Lowering, operator: Operator, value: int, kernel: np.ndarray, view: tuple[int, int], taps: int, stride: int,
    dilation: int, before: int, dense: bool,
) -> None:  # fmt: skip
    if kernel.dtype == np.float32:
        add_float_conv(low, operator, value, kernel, view, taps, stride, dilation, before, depthwise=False)
        return
    out = low.output(operator)
    out_channels = kernel.shape[0]
    result = low.new_value(out, limits=low.clamp(operator))
    time_out = low.values[result].time
    reach = (taps - 1) * dilation + 1
    work = ir.Conv(
        np.ascontiguousarray(kernel), _bias(low, operator, out_channels), taps, stride, dilation,
        _requant(low, operator, out_channels, dense),
    )  # fmt: skip
    after = _after(view[0], time_out, reach, stride, before)
    read = low.read(value, *view, reach=reach, stride=stride, before=before, after=after)
    low.add(operator.index, operator.kind, (read,), result, work)


def _depthwise(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    w = low.tensors(operator)[1]
    assert w.data is not None
    _, kernel_h, kernel_w, out_channels = w.shape
    channels = x.shape[3]
    time, row, taps, stride, dilation, before = _window(low, operator, x, (kernel_h, kernel_w))
    kernel = w.data[0, row, :, :] if x.shape[1] == 1 else w.data[0, :, row, :]  # [taps, out]
    multiplier = out_channels // channels
    if multiplier != 1:
        # as an ordinary convolution whose other weights are zero: same sums, same bits
        full = np.zeros((out_channels, taps, channels), kernel.dtype)
        for c in range(out_channels):
            full[c, :, c // multiplier] = kernel[:, c]
        _add_conv(low, operator, value, full, (time, channels), taps, stride, dilation, before, dense=False)
        return
    if kernel.dtype == np.float32:
        add_float_conv(low, operator, value, kernel, (time, channels), taps, stride, dilation, before, depthwise=True)
        return
    result = low.new_value(low.output(operator), limits=low.clamp(operator))
    reach = (taps - 1) * dilation + 1
    after = _after(time, low.values[result].time, reach, stride, before)
    read = low.read(value, time, channels, reach=reach, stride=stride, before=before, after=after)
    work = ir.Depthwise(
        np.ascontiguousarray(kernel), _bias(low, operator, channels), taps, stride, dilation,
        _requant(low, operator, channels, dense=False),
    )  # fmt: skip
    low.add(operator.index, operator.kind, (read,), result, work)


def _dense(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    w = low.tensors(operator)[1]
    assert w.data is not None
    units, depth = w.shape
    view = (x.elements // depth, depth)
    _add_conv(low, operator, value, w.data.reshape(units, 1, depth), view, 1, 1, 1, 0, dense=True)


def _pool(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    out = low.output(operator)
    floats = x.dtype == "float32"
    if not floats and _zero_point(x) != _zero_point(out):
        raise low.refuse(operator, "its input and output have different zero points", "quantize the model again")
    o = operator.options
    time, _, taps, stride, _, before = _window(low, operator, x, (o["filter_h"], o["filter_w"]))
    source = low.values[value]
    clamp: tuple[float, float] = float_pool_limits(low, operator) if floats else low.clamp(operator)
    limits = (max(source.low, int(clamp[0])), min(source.high, int(clamp[1]))) if not floats else (0, 0)
    result = low.new_value(out, limits=limits)
    read = low.read(value, time, x.shape[3], reach=taps, stride=stride, before=before, clipped=True)
    mode = "max" if operator.kind == "MAX_POOL_2D" else "average"
    low.add(operator.index, operator.kind, (read,), result, ir.Pool(mode, taps, stride, before, *clamp))


def operand_pattern(low: Lowering, operator: Operator, shape: tuple[int, ...], out: tuple[int, ...]) -> str:
    """How an operand of `shape` runs over the output: see `ir.Elementwise`."""
    padded = (1,) * (len(out) - len(shape)) + shape
    if padded == out:
        return "full"
    if all(e == 1 for e in padded):
        return "scalar"
    if padded[-1] == out[-1] and all(e == 1 for e in padded[:-1]):
        return "channel"
    if padded[-1] == 1 and padded[:-1] == out[:-1]:
        return "position"
    raise low.refuse(operator, f"broadcast of {list(shape)} to {list(out)}", "broadcast over time or over channels")


def _elementwise(low: Lowering, operator: Operator) -> None:
    a, b = low.tensors(operator)[:2]
    out = low.output(operator)
    operation = operator.kind.lower()
    patterns: list[str] = []
    constants: list[np.ndarray | None] = []
    reads: list[ir.Read] = []
    result_time, result_channels = layout(out.shape)
    for position, tensor in enumerate((a, b)):
        pattern = operand_pattern(low, operator, tensor.shape, out.shape)
        patterns.append(pattern)
        if tensor.dtype != out.dtype or tensor.quantization is None:
            raise low.refuse(operator, f"operands of different types: {tensor}")
        if tensor.data is not None:
            constants.append(tensor.data.astype(np.int32).reshape(-1) - _zero_point(tensor))
            continue
        constants.append(None)
        value = low.source(operator, position)[0]
        if pattern in ("full", "position"):
            reads.append(low.read(value, result_time, result_channels if pattern == "full" else 1))
        else:
            reads.append(ir.Read(value, whole=True))
    if not reads:
        raise low.refuse(operator, "both operands are constants")
    if operation == "mul":
        pairs = [ar.quantize_multiplier(_scale(a) * _scale(b) / _scale(out))]
        left = 0
    elif operation == "squared_difference":
        left = 7
        twice = 2.0 * max(_scale(a), _scale(b))
        output = float(np.float32(1 << left * 2) * np.float32(_scale(out)))
        pairs = [ar.quantize_multiplier(r) for r in (_scale(a) / twice, _scale(b) / twice, twice * twice / output)]
        if pairs[2][1] > 0:
            raise low.refuse(operator, "its output scale is too small", "quantize the model again")
    else:
        left = 20
        twice = 2.0 * max(_scale(a), _scale(b))
        reals = (_scale(a) / twice, _scale(b) / twice, twice / ((1 << left) * _scale(out)))
        if reals[2] >= 1.0:
            raise low.refuse(operator, "its output scale is far below its inputs' scales", "quantize the model again")
        pairs = [ar.quantize_multiplier(real) for real in reals]
    clamp = low.clamp(operator)
    result = low.new_value(out, limits=clamp)
    work = ir.Elementwise(
        operation, (patterns[0], patterns[1]), (constants[0], constants[1]), tuple(m for m, _ in pairs),
        tuple(s for _, s in pairs), left, *clamp,
    )  # fmt: skip
    low.add(operator.index, operator.kind, tuple(reads), result, work)


def reduces_time(low: Lowering, operator: Operator, x: Tensor, axes: tuple[int, ...]) -> None:
    """Refuse a reduction over anything but all positions."""
    kept = [e for i, e in enumerate(x.shape[:-1]) if i not in axes]
    if len(x.shape) - 1 in axes or any(e != 1 for e in kept):
        raise low.refuse(
            operator, f"reduces axes {list(axes)} of {list(x.shape)}", "reduce over time, keep the channels"
        )


def _sum_channels(low: Lowering, operator: Operator, value: int, x: Tensor, out: Tensor) -> None:
    """MEAN or SUM over the channels of every position (layer normalization)."""
    time, channels = layout(x.shape)
    multiplier, shift = ar.quantize_multiplier(_scale(x) / _scale(out))
    if operator.kind == "MEAN":
        by = min(channels.bit_length() - 1, 32, 31 + shift)
        multiplier, shift = (multiplier << by) // channels, shift - by
    low_q, high_q = ar.RANGES[out.dtype]
    result = low.new_value(out, (time, 1))
    work = ir.SumRows(multiplier, shift, low_q - _zero_point(out), high_q - _zero_point(out))
    low.add(operator.index, operator.kind, (low.read(value, time, channels),), result, work)


def _mean(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    out = low.output(operator)
    axes = reduction_axes(low.tensors(operator), len(x.shape))
    if axes == (len(x.shape) - 1,):
        _sum_channels(low, operator, value, x, out)
        return
    reduces_time(low, operator, x, axes)
    time, channels = layout(x.shape)
    multiplier, shift = ar.quantize_multiplier(_scale(x) / _scale(out))
    if operator.kind == "MEAN":
        by = min(time.bit_length() - 1, 32, 31 + shift)
        multiplier, shift = (multiplier << by) // time, shift - by
    result = low.new_value(out)
    low_q, high_q = ar.RANGES[out.dtype]
    work = ir.Mean(multiplier, shift, low_q - _zero_point(out), high_q - _zero_point(out))
    read = low.read(value, time, channels)
    low.add(operator.index, operator.kind, (read,), result, work)


def _lookup(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    out = low.output(operator)
    if x.dtype == "float32":
        convert(low, operator)
        return
    scale, zero, out_scale, out_zero = _scale(x), _zero_point(x), _scale(out), _zero_point(out)
    kind = operator.kind
    if kind == "LOGISTIC":
        if out_zero != -128:
            raise low.refuse(operator, "its output must have scale 1/256 and zero point -128", "quantize again")
        table = ar.logistic_table(scale, zero)
    elif kind == "TANH":
        table = ar.tanh_table(scale, zero)
    elif kind == "RELU":
        table = ar.requantize_table(scale, zero, out_scale, out_zero, relu=True)
    elif kind == "RELU6":
        table = ar.relu6_table(scale, zero)
    elif kind == "LEAKY_RELU":
        table = ar.leaky_relu_table(scale, zero, out_scale, out_zero, float(operator.options["alpha"]))
    elif kind == "HARD_SWISH":
        table = ar.hard_swish_table(scale, zero, out_scale, out_zero)
    elif kind == "RSQRT":
        table = ar.rsqrt_table(scale, zero, out_scale, out_zero)
    else:
        if out.dtype != "int8":
            raise low.refuse(operator, f"requantizes to {out.dtype}")
        table = ar.requantize_table(scale, zero, out_scale, out_zero, relu=False)
    result = low.new_value(out)
    low.add(operator.index, kind, (low.read(value, *layout(x.shape)),), result, ir.Lookup(kind.lower(), table))


def _softmax(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    out = low.output(operator)
    if _zero_point(out) != -128 or _scale(out) != 1.0 / 256.0:
        raise low.refuse(operator, "its output must have scale 1/256 and zero point -128", "quantize again")
    beta = float(np.float32(operator.options["beta"]))
    real = min(beta * _scale(x) * (1 << 26), float((1 << 31) - 1))
    if real <= 1.0:
        raise low.refuse(operator, "its input scale is too small", "quantize the model again")
    multiplier, shift = ar.quantize_multiplier(real)
    work = ir.Softmax(multiplier, shift, -ar.input_radius(5, shift))
    result = low.new_value(out)
    low.add(operator.index, operator.kind, (low.read(value, *layout(x.shape)),), result, work)


def _concat(low: Lowering, operator: Operator) -> None:
    out = low.output(operator)
    axis = operator.options["axis"]
    axis = axis + len(out.shape) if axis < 0 else axis
    if operator.options["activation"] != "NONE":
        raise low.refuse(operator, "with a fused activation")
    reads = []
    along_channels = axis == len(out.shape) - 1
    for position, tensor in enumerate(low.tensors(operator)):
        value = low.source(operator, position)[0]
        if out.dtype != "float32" and _zero_point(tensor) != _zero_point(out):
            raise low.refuse(operator, "inputs and output have different zero points", "quantize the model again")
        read = low.read(value, *layout(tensor.shape))
        reads.append(read if along_channels else ir.Read(value, whole=True))
    if not along_channels and any(e != 1 for e in out.shape[:axis]):
        raise low.refuse(operator, f"along dimension {axis} of {list(out.shape)}", "concatenate channels or time")
    result = low.new_value(out)
    low.add(operator.index, operator.kind, tuple(reads), result, ir.Concat("channels" if along_channels else "time"))


def _pad(low: Lowering, operator: Operator) -> None:
    value, x = low.source(operator)
    paddings = low.tensors(operator)[1].data
    out = low.output(operator)
    assert paddings is not None
    if out.dtype != "float32" and _zero_point(x) != _zero_point(out):
        raise low.refuse(operator, "its input and output have different zero points", "quantize the model again")
    padded = [i for i in range(len(x.shape)) if paddings[i].any()]
    rest = [i for i in range(len(x.shape) - 1) if x.shape[i] != 1 or i in padded]
    if len(x.shape) - 1 in padded or len(rest) > 1:
        raise low.refuse(operator, f"pads {paddings.tolist()} of {list(x.shape)}", "pad in time only")
    before, after = (int(v) for v in paddings[padded[0]]) if padded else (0, 0)
    result = low.new_value(out)
    low.add(operator.index, operator.kind, (ir.Read(value, whole=True),), result, ir.Pad(before, after))


_HANDLERS: dict[str, Callable[[Lowering, Operator], None]] = {
    "CONV_2D": _conv, "DEPTHWISE_CONV_2D": _depthwise, "FULLY_CONNECTED": _dense, "MAX_POOL_2D": _pool,
    "AVERAGE_POOL_2D": _pool, "ADD": _elementwise, "SUB": _elementwise, "MUL": _elementwise, "MEAN": _mean,
    "SUM": _mean, "LOGISTIC": _lookup, "TANH": _lookup, "RELU": _lookup, "RELU6": _lookup, "LEAKY_RELU": _lookup,
    "HARD_SWISH": _lookup, "QUANTIZE": _lookup, "SOFTMAX": _softmax, "CONCATENATION": _concat, "PAD": _pad,
    "RSQRT": _lookup, "SQUARED_DIFFERENCE": _elementwise, **GENERAL_HANDLERS,
}  # fmt: skip


def handled_operators() -> set[str]:
    """Operators that can be lowered; `ecgdeploy.graph.operators` lists the same ones."""
    return {*_HANDLERS, *FLOAT_HANDLERS, *FREE}
