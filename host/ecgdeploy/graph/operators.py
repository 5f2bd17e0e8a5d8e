"""The one table of operators the static engine supports; codegen, preflight and the docs read it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Support:
    """What the static engine does with one operator.

    Attributes
    ----------
    dtypes : element types of its activations it runs with ("int8", "int16" = 16x8, "float32", "int32")
    schedule : "stream" (runs while the input arrives), "whole" (needs the whole tensor), "free" (costs nothing)
    note : limits, in a few words
    """

    dtypes: tuple[str, ...]
    schedule: str
    note: str = ""


SUPPORTED: dict[str, Support] = {
    "CONV_2D": Support(("int8", "float32"), "stream", "one or two dimensions, groups; int8 per channel or per tensor"),
    "DEPTHWISE_CONV_2D": Support(("int8", "float32"), "stream", "one or two dimensions"),
    "FULLY_CONNECTED": Support(("int8", "float32"), "whole", "constant int8 weights, per tensor or per channel"),
    "MAX_POOL_2D": Support(("int8", "float32"), "stream"),
    "AVERAGE_POOL_2D": Support(("int8", "float32"), "stream"),
    "ADD": Support(("int8", "float32"), "stream", "broadcast of one position or one scalar"),
    "SUB": Support(("int8", "float32"), "stream", "broadcast as ADD"),
    "MUL": Support(("int8", "float32"), "stream", "broadcast as ADD"),
    "MEAN": Support(("int8", "float32"), "stream", "any dimensions"),
    "SUM": Support(("int8", "float32"), "stream", "any dimensions"),
    "QUANTIZE": Support(("int8", "float32", "uint8"), "stream", "to int8 or uint8"),
    "RELU": Support(("int8", "float32"), "stream"),
    "RELU6": Support(("int8", "float32"), "stream"),
    "LOGISTIC": Support(("int8", "float32"), "stream"),
    "TANH": Support(("int8", "float32"), "stream"),
    "LEAKY_RELU": Support(("int8", "float32"), "stream"),
    "HARD_SWISH": Support(("int8", "float32"), "stream"),
    "SOFTMAX": Support(("int8", "float32"), "whole", "over the last dimension"),
    "PAD": Support(("int8", "float32"), "stream", "with the zero point; before a convolution it costs nothing"),
    "CONCATENATION": Support(("int8", "float32"), "stream", "any dimension"),
    "RESHAPE": Support(("int8", "float32"), "free"),
    "EXPAND_DIMS": Support(("int8", "float32"), "free"),
    "SQUEEZE": Support(("int8", "float32"), "free"),
    "STRIDED_SLICE": Support(("int8", "float32"), "whole"),
    "SLICE": Support(("int8", "float32"), "whole"),
    "SPLIT": Support(("int8", "float32"), "whole"),
    "SPLIT_V": Support(("int8", "float32"), "whole"),
    "TRANSPOSE": Support(("int8", "float32"), "whole"),
    "BATCH_MATMUL": Support(("int8", "float32"), "whole", "both operands computed"),
    "SQUARED_DIFFERENCE": Support(("int8", "float32"), "stream", "broadcast as ADD"),
    "RSQRT": Support(("int8", "float32"), "stream"),
    "REDUCE_MAX": Support(("int8", "float32"), "whole", "any dimensions"),
    "DEQUANTIZE": Support(("int8",), "stream", "int8 to float32"),
    "REVERSE_V2": Support(("int8", "float32"), "whole"),
    "SPACE_TO_BATCH_ND": Support(("int8", "float32"), "free", "around a convolution: its dilation"),
    "BATCH_TO_SPACE_ND": Support(("int8", "float32"), "free", "around a convolution: its dilation"),
    "PRELU": Support(("int8", "float32"), "stream", "constant slopes"),
    "MAXIMUM": Support(("int8", "float32"), "stream", "broadcast as ADD"),
    "MINIMUM": Support(("int8", "float32"), "stream", "broadcast as ADD"),
    "DIV": Support(("float32",), "stream", "broadcast as ADD"),
    "GATHER": Support(("int8", "float32"), "stream", "constant indices; over time it waits for the whole"),
    "PACK": Support(("int8", "float32"), "stream"),
    "TILE": Support(("int8", "float32"), "whole"),
    "UNPACK": Support(("int8", "float32"), "whole"),
    "TRANSPOSE_CONV": Support(("int8", "float32"), "whole", "one or two dimensions"),
    "NEG": Support(("float32",), "stream"),
    "ABS": Support(("float32",), "stream"),
    "SQUARE": Support(("float32",), "stream"),
    "SQRT": Support(("float32",), "stream"),
    "EXP": Support(("float32",), "stream"),
    "ELU": Support(("int8", "float32"), "stream"),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Support(("int8",), "stream", "16-bit cell, no peepholes or projection"),
}


def as_markdown() -> str:
    """The table as the reference page ``docs/reference/operators.md``."""
    schedules = {
        "stream": "runs while the input arrives",
        "whole": "waits for its whole input",
        "free": "costs nothing",
    }
    lines = [
        "# Operators of the static engine",
        "",
        "Rendered from `ecgdeploy.graph.operators.SUPPORTED`; a test fails when this page drifts. Results are those of",
        "TensorFlow Lite Micro's kernels, bit for bit. Everything else is refused before any C is written.",
        "",
        "| operator | element types | schedule | limits |",
        "|---|---|---|---|",
    ]
    for kind in sorted(SUPPORTED):
        support = SUPPORTED[kind]
        lines.append(f"| {kind} | {', '.join(support.dtypes)} | {schedules[support.schedule]} | {support.note} |")
    return "\n".join(lines) + "\n"
