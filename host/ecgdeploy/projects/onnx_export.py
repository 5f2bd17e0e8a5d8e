"""A float network as ``model.onnx`` for TensorRT, written from our own graph, with static shapes.

Tensors keep TFLite's layout (channels last); a convolution or pool is put between two transpositions, which TensorRT
takes out again. An int8 network has no way there: its zero points are not zero, and TensorRT's quantization has none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np

from ecgdeploy.errors import BuildError, ModelError
from ecgdeploy.graph import Graph
from ecgdeploy.graph.types import Operator, Tensor

OPSET = 13  # TensorRT 8.2 (JetPack 4) reads it
IR_VERSION = 8
LIMIT = 1e-6
"""Largest difference between onnxruntime and LiteRT, relative to the largest output where that is above 1."""

ELEMENTWISE = {"ADD": "Add", "SUB": "Sub", "MUL": "Mul", "DIV": "Div", "MAXIMUM": "Max", "MINIMUM": "Min"}
UNARY = {"RELU": "Relu", "LOGISTIC": "Sigmoid", "TANH": "Tanh", "ELU": "Elu", "HARD_SWISH": "HardSwish",
         "EXP": "Exp", "SQRT": "Sqrt", "ABS": "Abs", "NEG": "Neg"}  # fmt: skip
REDUCE = {"MEAN": "ReduceMean", "REDUCE_MAX": "ReduceMax", "REDUCE_MIN": "ReduceMin"}
SAME_DATA = ("RESHAPE", "EXPAND_DIMS", "SQUEEZE")
WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
FIRST_ONLY = (*SAME_DATA, *REDUCE, *WEIGHTED, "TRANSPOSE", "PAD", "SUM")
TO_NCHW, TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


def available() -> bool:
    """Whether the packages of the extra ``jetson`` are installed."""
    return find_spec("onnx") is not None and find_spec("onnxruntime") is not None


def export(graph: Graph) -> bytes:
    """A float graph as an ONNX file; the same bytes every time.

    Parameters
    ----------
    graph : Graph
        With float32 inputs and outputs; float16 constants are widened.

    Raises
    ------
    ModelError
        The network is not float, or an operator has no counterpart here.
    BuildError
        The package onnx is not installed.
    """
    if find_spec("onnx") is None:
        raise BuildError("the package onnx is not installed", "pip install 'ecgdeploy[jetson]'")
    import onnx
    from onnx import helper

    for index in (*graph.inputs, *graph.outputs):
        if graph.tensor(index).dtype != "float32":
            raise ModelError(f"{graph.name}: {graph.tensor(index)}: only a float network becomes ONNX",
                             "give its float32 sibling: --float-model")
    writer = _Writer(graph)
    names = [writer.value(index) for index in graph.outputs]
    outputs = [f"output_{k}" for k in range(len(names))]
    for name, output in zip(names, outputs, strict=True):
        writer.nodes.append(helper.make_node("Identity", [name], [output]))

    def info(name: str, index: int) -> Any:
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list(graph.tensor(index).shape))

    content = helper.make_graph(
        writer.nodes,
        "ecgdeploy",
        [info(f"input_{k}", index) for k, index in enumerate(graph.inputs)],
        [info(output, index) for output, index in zip(outputs, graph.outputs, strict=True)],
        writer.constants,
    )
    model = helper.make_model(content, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="ecgdeploy")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


Run = Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]


def difference(onnx_file: bytes, windows: Sequence[Sequence[np.ndarray]], run: Run) -> float:
    """Largest difference between onnxruntime and another runtime's `run`, relative where outputs are above 1.

    Raises
    ------
    ModelError
        It is more than `LIMIT`.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(onnx_file, options, providers=["CPUExecutionProvider"])
    worst = 0.0
    for inputs in windows:
        ours = session.run(None, {f"input_{k}": array for k, array in enumerate(inputs)})
        for one, other in zip(ours, run(inputs), strict=True):
            scale = max(1.0, float(np.abs(other).max(initial=0.0)))
            worst = max(worst, float(np.abs(one.astype(np.float64) - other).max(initial=0.0)) / scale)
    if not worst <= LIMIT:
        raise ModelError(f"the ONNX file answers {worst:.2g} off LiteRT, more than {LIMIT:g}", "report the model")
    return worst


@dataclass
class _Writer:
    """Nodes in order, from the outputs back: what only computes shapes is not reached."""

    graph: Graph
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.maker = {index: operator for operator in self.graph.operators for index in operator.outputs}
        self.names = {index: f"input_{k}" for k, index in enumerate(self.graph.inputs)}

    def value(self, index: int) -> str:
        """ONNX name of a tensor, after the nodes that make it."""
        pending = [index]
        while pending:  # without recursion: networks are deep
            top = pending[-1]
            if top in self.names:
                pending.pop()
                continue
            tensor = self.graph.tensor(top)
            if tensor.data is not None:
                self.names[top] = self.constant(tensor.data)
                continue
            operator = self.maker[top]
            missing = [i for i in self.needed(operator) if i not in self.names]
            if missing:
                pending += missing
            else:
                self.names[top] = self.node(operator, self.graph.tensor(operator.outputs[0]))
        return self.names[index]

    def needed(self, operator: Operator) -> list[int]:
        """Inputs that a node takes as values; axes and shapes become attributes."""
        return [i for i in operator.inputs[: 1 if operator.kind in FIRST_ONLY else None] if i >= 0]

    def constant(self, data: np.ndarray) -> str:
        """An initializer; float16 becomes float32."""
        from onnx import numpy_helper

        array = np.ascontiguousarray(data.astype(np.float32) if data.dtype.kind == "f" else data.astype(np.int64))
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        """A node with one output."""
        from onnx import helper

        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def node(self, operator: Operator, output: Tensor) -> str:
        """The node or nodes of one operator."""
        kind, options = operator.kind, operator.options
        made: str
        if kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            made = self.convolution(operator, output)
        elif kind in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
            made = self.pool(operator, output)
        elif kind == "FULLY_CONNECTED":
            made = self.dense(operator, output)
        else:
            inputs = [self.names[i] for i in self.needed(operator)]
            made = self.simple(operator, output, inputs)
        return self.activated(made, str(options.get("activation", "NONE")), operator)

    def simple(self, operator: Operator, output: Tensor, inputs: list[str]) -> str:
        """Operators that are one node."""
        kind, options = operator.kind, operator.options
        if kind in ELEMENTWISE:
            return self.add(ELEMENTWISE[kind], inputs)
        if kind == "HARD_SWISH":  # not yet an operator of its own in this opset
            return self.add("Mul", [inputs[0], self.add("HardSigmoid", inputs, alpha=1 / 6, beta=0.5)])
        if kind in UNARY:
            return self.add(UNARY[kind], inputs)
        if kind == "RELU6":
            return self.activated(inputs[0], "RELU6", operator)
        if kind == "LEAKY_RELU":
            return self.add("LeakyRelu", inputs, alpha=float(options["alpha"]))
        if kind == "SOFTMAX":
            scaled = inputs[0]
            if float(options["beta"]) != 1.0:
                scaled = self.add("Mul", [scaled, self.constant(np.array(options["beta"], np.float32))])
            return self.add("Softmax", [scaled], axis=-1)
        if kind in SAME_DATA:
            return self.add("Reshape", [inputs[0], self.constant(np.array(output.shape))])
        if kind == "DEQUANTIZE":
            return self.add("Identity", inputs)
        if kind == "CONCATENATION":
            return self.add("Concat", inputs, axis=int(options["axis"]))
        if kind == "TRANSPOSE":
            return self.add("Transpose", inputs, perm=[int(v) for v in self.known(operator, 1)])
        if kind == "PAD":
            pads = self.known(operator, 1)
            return self.add("Pad", [inputs[0], self.constant(np.concatenate([pads[:, 0], pads[:, 1]]))])
        if kind == "SUM":
            summed = self.constant(np.atleast_1d(self.known(operator, 1)))
            return self.add("ReduceSum", [inputs[0], summed], keepdims=int(options["keep_dims"]))
        if kind in REDUCE:
            axes = [int(v) for v in np.atleast_1d(self.known(operator, 1))]
            return self.add(REDUCE[kind], inputs, axes=axes, keepdims=int(options["keep_dims"]))
        raise ModelError(f"{self.graph.name}: {operator} has no counterpart in the ONNX export",
                         "build for the CPU alone: leave --float-model out")

    def known(self, operator: Operator, place: int) -> np.ndarray:
        """A constant input."""
        data = self.graph.tensor(operator.inputs[place]).data
        if data is None:
            raise ModelError(f"{self.graph.name}: {operator} computes its axes", "export with static shapes")
        return data

    def activated(self, name: str, activation: str, operator: Operator) -> str:
        """An operator's fused activation."""
        if activation == "NONE":
            return name
        if activation == "RELU":
            return self.add("Relu", [name])
        if activation == "TANH":
            return self.add("Tanh", [name])
        bounds = {"RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}.get(activation)
        if bounds is None:
            raise ModelError(f"{self.graph.name}: {operator} has activation {activation}", "use ReLU")
        low, high = (self.constant(np.array(bound, np.float32)) for bound in bounds)
        return self.add("Clip", [name, low, high])

    def constant_of(self, operator: Operator, place: int) -> np.ndarray:
        """Constant weights, also where a DEQUANTIZE of float16 stands before them."""
        index = operator.inputs[place]
        tensor = self.graph.tensor(index)
        if tensor.data is None and index in self.maker and self.maker[index].kind == "DEQUANTIZE":
            tensor = self.graph.tensor(self.maker[index].inputs[0])
        if tensor.data is None or not tensor.dtype.startswith("float"):
            raise ModelError(f"{self.graph.name}: {operator}: {tensor} is no constant float", "export float32")
        return tensor.data.astype(np.float32)

    def convolution(self, operator: Operator, output: Tensor) -> str:
        """Channels first, weights [out, in / group, h, w]."""
        options = operator.options
        source = self.graph.tensor(operator.inputs[0])
        weights = self.constant_of(operator, 1)
        depthwise = operator.kind == "DEPTHWISE_CONV_2D"
        group = source.shape[3] if depthwise else source.shape[3] // weights.shape[3]
        weights = weights.transpose(3, 0, 1, 2) if depthwise else weights.transpose(0, 3, 1, 2)
        inputs = [self.add("Transpose", [self.names[source.index]], perm=TO_NCHW), self.constant(weights)]
        if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
            inputs.append(self.constant(self.constant_of(operator, 2)))
        kernel, dilations = weights.shape[2:], (options["dilation_h"], options["dilation_w"])
        strides = (options["stride_h"], options["stride_w"])
        done = self.add(
            "Conv", inputs, group=int(group), kernel_shape=list(kernel), dilations=list(dilations),
            strides=list(strides), pads=_pads(source, output, str(options["padding"]), kernel, strides, dilations),
        )  # fmt: skip
        return self.add("Transpose", [done], perm=TO_NHWC)

    def pool(self, operator: Operator, output: Tensor) -> str:
        """A pool; padding does not count."""
        options = operator.options
        source = self.graph.tensor(operator.inputs[0])
        kernel, strides = (options["filter_h"], options["filter_w"]), (options["stride_h"], options["stride_w"])
        first = self.add("Transpose", [self.names[source.index]], perm=TO_NCHW)
        pads = _pads(source, output, str(options["padding"]), kernel, strides, (1, 1))
        kind = "MaxPool" if operator.kind == "MAX_POOL_2D" else "AveragePool"
        done = self.add(kind, [first], kernel_shape=list(kernel), strides=list(strides), pads=pads)
        return self.add("Transpose", [done], perm=TO_NHWC)

    def dense(self, operator: Operator, output: Tensor) -> str:
        """A dense layer over the last dimension."""
        source = self.graph.tensor(operator.inputs[0])
        weights = self.constant_of(operator, 1)
        flat = self.add("Reshape", [self.names[source.index], self.constant(np.array([-1, weights.shape[1]]))])
        inputs = [flat, self.constant(weights)]
        if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
            inputs.append(self.constant(self.constant_of(operator, 2)))
        done = self.add("Gemm", inputs, transB=1)
        return self.add("Reshape", [done, self.constant(np.array(output.shape))])


def _pads(
    source: Tensor,
    output: Tensor,
    padding: str,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> list[int]:
    """[top, left, bottom, right]: SAME puts the odd one at the end."""
    before, after = [], []
    for axis in range(2):
        span = (kernel[axis] - 1) * dilations[axis] + 1
        total = max((output.shape[1 + axis] - 1) * strides[axis] + span - source.shape[1 + axis], 0)
        total = total if padding == "SAME" else 0
        before.append(int(total // 2))
        after.append(int(total - total // 2))
    return before + after
