"""State of one lowering, and what the operators' handlers share: values, reads, clamps, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ecgdeploy.codegen import arithmetic as ar
from ecgdeploy.codegen import ir
from ecgdeploy.errors import ModelError
from ecgdeploy.graph import Graph, Operator, Tensor
from ecgdeploy.graph.simplify import FREE


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
        if tensor.dtype == "uint8":  # worked on as int8: q - 128
            zero_point -= 128
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


def scale_of(tensor: Tensor) -> float:
    """Scale of a quantized tensor."""
    assert tensor.quantization is not None
    return tensor.quantization.scale


def zero_point_of(tensor: Tensor) -> int:
    """Zero point of a quantized tensor."""
    assert tensor.quantization is not None
    return tensor.quantization.zero_point


def operand_pattern(low: Lowering, operator: Operator, shape: tuple[int, ...], out: tuple[int, ...]) -> str:
    """How an operand of `shape` runs over the output: see `ir.Elementwise`; "repeat": it must be written out first."""
    padded = (1,) * (len(out) - len(shape)) + shape
    if padded == out:
        return "full"
    if all(e == 1 for e in padded):
        return "scalar"
    if padded[-1] == out[-1] and all(e == 1 for e in padded[:-1]):
        return "channel"
    if padded[-1] == 1 and padded[:-1] == out[:-1]:
        return "position"
    if len(padded) == len(out) and all(e in (1, o) for e, o in zip(padded, out, strict=True)):
        return "repeat"
    raise low.refuse(operator, f"broadcast of {list(shape)} to {list(out)}", "export the model again")


def same_quantization(low: Lowering, operator: Operator, x: Tensor, out: Tensor) -> None:
    """Refuse an operator that would have to move the zero point."""
    if x.quantization is None or out.quantization is None:
        return
    if x.quantization.zero_point != out.quantization.zero_point:
        raise low.refuse(operator, "its input and output have different zero points", "quantize the model again")


def spread(data: np.ndarray, pattern: str, out: tuple[int, ...]) -> np.ndarray:
    """Flat elements of a constant operand, written out where it must be."""
    return np.broadcast_to(data, out).reshape(-1) if pattern == "repeat" else data.reshape(-1)
