"""TFLM's operators: how each is registered, and the resolver with exactly those that a model uses."""

from __future__ import annotations

from dataclasses import dataclass

from ecgdeploy.errors import ModelError
from ecgdeploy.graph import Graph
from ecgdeploy.graph.operators import SUPPORTED


@dataclass(frozen=True)
class Registration:
    """How TFLM's MicroMutableOpResolver takes one operator.

    Attributes
    ----------
    method : str
        ``Add...`` of the resolver.
    int8 : str
        Name of the registration whose kernel has only the int8 path; empty where there is none.
    header : str
        Header that declares it.
    """

    method: str
    int8: str = ""
    header: str = ""


def _int8(method: str, name: str, header: str) -> Registration:
    return Registration(method, f"Register_{name}_INT8", f"tensorflow/lite/micro/kernels/{header}.h")


TFLM_OPERATORS: dict[str, Registration] = {
    "ABS": Registration("AddAbs"),
    "ADD": _int8("AddAdd", "ADD", "add"),
    "ARG_MAX": Registration("AddArgMax"),
    "AVERAGE_POOL_2D": _int8("AddAveragePool2D", "AVERAGE_POOL_2D", "pooling"),
    "BATCH_MATMUL": _int8("AddBatchMatMul", "BATCH_MATMUL", "batch_matmul"),
    "BATCH_TO_SPACE_ND": Registration("AddBatchToSpaceNd"),
    "CAST": Registration("AddCast"),
    "CONCATENATION": Registration("AddConcatenation"),
    "CONV_2D": _int8("AddConv2D", "CONV_2D", "conv"),
    "DEPTHWISE_CONV_2D": _int8("AddDepthwiseConv2D", "DEPTHWISE_CONV_2D", "depthwise_conv"),
    "DEQUANTIZE": Registration("AddDequantize"),
    "DIV": Registration("AddDiv"),
    "ELU": Registration("AddElu"),
    "EXP": Registration("AddExp"),
    "EXPAND_DIMS": Registration("AddExpandDims"),
    "FULLY_CONNECTED": _int8("AddFullyConnected", "FULLY_CONNECTED", "fully_connected"),
    "GATHER": Registration("AddGather"),
    "HARD_SWISH": Registration("AddHardSwish"),
    "L2_NORMALIZATION": Registration("AddL2Normalization"),
    "LEAKY_RELU": Registration("AddLeakyRelu"),
    "LOGISTIC": Registration("AddLogistic"),
    "LOG_SOFTMAX": Registration("AddLogSoftmax"),
    "MAXIMUM": _int8("AddMaximum", "MAXIMUM", "maximum_minimum"),
    "MAX_POOL_2D": _int8("AddMaxPool2D", "MAX_POOL_2D", "pooling"),
    "MEAN": Registration("AddMean"),
    "MINIMUM": _int8("AddMinimum", "MINIMUM", "maximum_minimum"),
    "MUL": _int8("AddMul", "MUL", "mul"),
    "NEG": Registration("AddNeg"),
    "PACK": Registration("AddPack"),
    "PAD": _int8("AddPad", "PAD", "pad"),
    "PADV2": Registration("AddPadV2"),
    "PRELU": Registration("AddPrelu"),
    "QUANTIZE": Registration("AddQuantize"),
    "REDUCE_MAX": Registration("AddReduceMax"),
    "RELU": Registration("AddRelu"),
    "RELU6": Registration("AddRelu6"),
    "RESHAPE": Registration("AddReshape"),
    "RSQRT": Registration("AddRsqrt"),
    "SHAPE": Registration("AddShape"),
    "SLICE": Registration("AddSlice"),
    "SOFTMAX": _int8("AddSoftmax", "SOFTMAX", "softmax"),
    "SPACE_TO_BATCH_ND": Registration("AddSpaceToBatchNd"),
    "SPLIT": Registration("AddSplit"),
    "SPLIT_V": Registration("AddSplitV"),
    "SQRT": Registration("AddSqrt"),
    "SQUARE": Registration("AddSquare"),
    "SQUARED_DIFFERENCE": Registration("AddSquaredDifference"),
    "SQUEEZE": Registration("AddSqueeze"),
    "STRIDED_SLICE": Registration("AddStridedSlice"),
    "SUB": Registration("AddSub"),
    "SUM": Registration("AddSum"),
    "SVDF": _int8("AddSvdf", "SVDF", "svdf"),
    "TANH": Registration("AddTanh"),
    "TRANSPOSE": _int8("AddTranspose", "TRANSPOSE", "transpose"),
    "TRANSPOSE_CONV": _int8("AddTransposeConv", "TRANSPOSE_CONV", "transpose_conv"),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _int8(
        "AddUnidirectionalSequenceLSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM", "unidirectional_sequence_lstm"
    ),
    "UNPACK": Registration("AddUnpack"),
    "ZEROS_LIKE": Registration("AddZerosLike"),
}


def used_operators(graph: Graph) -> list[str]:
    """Kinds of operator in the model, sorted.

    Raises
    ------
    ModelError
        TFLM has no such operator.
    """
    for operator in graph.operators:
        if operator.kind not in TFLM_OPERATORS:
            others = "run it on a Linux board (engine litert)"
            if operator.kind in SUPPORTED:
                others = f"try --engine static, which has it in {', '.join(SUPPORTED[operator.kind].dtypes)}"
            raise ModelError(f"{graph.name}: {operator} is not in TFLM", f"replace that layer, or {others}")
    return sorted({operator.kind for operator in graph.operators})


def int8_only(graph: Graph, kind: str) -> bool:
    """Whether every operator of this kind computes in int8 with int8 weights: the other paths can be left out."""
    for operator in graph.operators:
        if operator.kind == kind:
            tensors = [tensor for tensor in graph.operator_inputs(operator) if tensor is not None]
            ends = [tensor.dtype for tensor in (*tensors[:2], *(graph.tensors[index] for index in operator.outputs))]
            shapes = {"RESHAPE", "PAD", "TRANSPOSE", "MEAN"}  # their second input is int32 by nature
            checked = ends[:1] + ends[2:] if kind in shapes else ends
            if any(dtype != "int8" for dtype in checked):
                return False
    return True


def operators_header(graph: Graph) -> bytes:
    """``ecgd_tflm_operators.h``: the resolver with exactly the model's operators.

    The int8 registrations leave out kernels' int16 and int4 paths (22-30 kB of flash with CMSIS-NN); a TFLM of 2023
    does not have them all, so a build may switch them off.
    """
    kinds = used_operators(graph)
    headers = sorted(
        {entry.header for kind in kinds if (entry := TFLM_OPERATORS[kind]).header and int8_only(graph, kind)}
    )
    lines = [
        "/* The operators of this model, and no other: rendered by ecgdeploy. */",
        "#ifndef ECGD_TFLM_OPERATORS_H",
        "#define ECGD_TFLM_OPERATORS_H",
        "",
        '#include "ecgd_tflm_config.h"',
        '#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"',
    ]
    if headers:
        lines += ["#if ECGD_TFLM_INT8_REGISTRATIONS", *(f'#include "{header}"' for header in headers)]
        lines += ["#define ECGD_TFLM_INT8(name) tflite::name()", "#else", "#define ECGD_TFLM_INT8(name)", "#endif"]
    lines += [
        "",
        "using ecgd_tflm_resolver_t = tflite::MicroMutableOpResolver<ECGD_TFLM_OPERATORS>;",
        "",
        "static inline bool ecgd_tflm_register(ecgd_tflm_resolver_t &resolver)",
        "{",
    ]
    calls = []
    for kind in kinds:
        entry = TFLM_OPERATORS[kind]
        argument = f"ECGD_TFLM_INT8({entry.int8})" if entry.int8 and int8_only(graph, kind) else ""
        calls.append(f"resolver.{entry.method}({argument}) == kTfLiteOk")
    lines += ["    return " + " &&\n           ".join(calls or ["true"]) + ";", "}", "", "#endif", ""]
    return "\n".join(lines).encode()
