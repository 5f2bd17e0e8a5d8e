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


_USUAL = ("int8", "float32")
_EVERY = ("int8", "int16", "float32")

SUPPORTED: dict[str, Support] = {
    "CONV_2D": Support(_EVERY, "stream", "one or two dimensions, groups; int8 per channel or per tensor"),
    "DEPTHWISE_CONV_2D": Support(_EVERY, "stream", "one or two dimensions"),
    "FULLY_CONNECTED": Support(_EVERY, "whole", "constant int8 weights, per tensor or per channel"),
    "MAX_POOL_2D": Support(_EVERY, "stream"),
    "AVERAGE_POOL_2D": Support(_EVERY, "stream"),
    "ADD": Support(_EVERY, "stream", "broadcast of one position or one scalar"),
    "SUB": Support(_EVERY, "stream", "broadcast as ADD"),
    "MUL": Support(_EVERY, "stream", "broadcast as ADD"),
    "MEAN": Support(_EVERY, "stream", "any dimensions"),
    "SUM": Support(_EVERY, "stream", "any dimensions"),
    "QUANTIZE": Support(("int8", "int16", "float32", "uint8"), "stream", "to int8, uint8 or int16"),
    "RELU": Support(_EVERY, "stream"),
    "RELU6": Support(_EVERY, "stream"),
    "LOGISTIC": Support(_EVERY, "stream"),
    "TANH": Support(_EVERY, "stream"),
    "LEAKY_RELU": Support(_EVERY, "stream"),
    "HARD_SWISH": Support(_USUAL, "stream"),
    "SOFTMAX": Support(_EVERY, "whole", "over the last dimension"),
    "PAD": Support(_EVERY, "stream", "with the zero point; before a convolution it costs nothing"),
    "CONCATENATION": Support(_EVERY, "stream", "any dimension"),
    "RESHAPE": Support(_EVERY, "free"),
    "EXPAND_DIMS": Support(_EVERY, "free"),
    "SQUEEZE": Support(_EVERY, "free"),
    "STRIDED_SLICE": Support(_EVERY, "whole"),
    "SLICE": Support(_EVERY, "whole"),
    "SPLIT": Support(_EVERY, "whole"),
    "SPLIT_V": Support(_EVERY, "whole"),
    "TRANSPOSE": Support(_EVERY, "whole"),
    "BATCH_MATMUL": Support(_EVERY, "whole", "both operands computed"),
    "SQUARED_DIFFERENCE": Support(_EVERY, "stream", "broadcast as ADD"),
    "RSQRT": Support(_EVERY, "stream"),
    "REDUCE_MAX": Support(_EVERY, "whole", "any dimensions"),
    "DEQUANTIZE": Support(("int8", "int16"), "stream", "to float32"),
    "REVERSE_V2": Support(_EVERY, "whole"),
    "SPACE_TO_BATCH_ND": Support(_USUAL, "free", "around a convolution: its dilation"),
    "BATCH_TO_SPACE_ND": Support(_USUAL, "free", "around a convolution: its dilation"),
    "PRELU": Support(_USUAL, "stream", "constant slopes"),
    "MAXIMUM": Support(_EVERY, "stream", "broadcast as ADD"),
    "MINIMUM": Support(_EVERY, "stream", "broadcast as ADD"),
    "DIV": Support(("float32",), "stream", "broadcast as ADD"),
    "GATHER": Support(_USUAL, "stream", "constant indices; over time it waits for the whole"),
    "PACK": Support(_EVERY, "stream"),
    "TILE": Support(_EVERY, "whole"),
    "UNPACK": Support(_EVERY, "whole"),
    "RESIZE_NEAREST_NEIGHBOR": Support(_EVERY, "whole", "to a multiple of its input (UpSampling2D)"),
    "TRANSPOSE_CONV": Support(_EVERY, "whole", "one or two dimensions"),
    "NEG": Support(("float32",), "stream"),
    "ABS": Support(("float32",), "stream"),
    "SQUARE": Support(("float32",), "stream"),
    "SQRT": Support(("float32",), "stream"),
    "EXP": Support(("float32",), "stream"),
    "ELU": Support(_USUAL, "stream"),
    "GELU": Support(("int8",), "stream", "results are LiteRT's: TFLM has none"),
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
