"""The arena a model needs with TFLM on a 32-bit board, from running TFLM's wheel on this 64-bit computer.

The wheel's interpreter gives the hard part exactly: the plan of activations and scratch buffers (the arena's *head*)
and the proof that the model runs at all. Its *tail* (TFLM's own structures) has 8-byte pointers and the wheel's build
options, so the tail is laid out anew with the structures' sizes on a 32-bit Arm. The same layout with the wheel's
sizes must give the wheel's own figure (within two alignments); where it does not (an operator not in the table,
another version), the wheel's larger figure is given instead, and called an upper bound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ecgdeploy.errors import ModelError
from ecgdeploy.graph import Graph, Operator

ALIGNMENT = 16
# CMSIS-NN asks for more than the reference kernels: a scratch buffer while a kernel runs (im2col), and a little in each
# kernel's own state. Measured on ten int8 models with CMSIS-NN on a Cortex-M4: the bound below holds,
# and is at most 6.4 % above what was needed.
SCRATCH_STATE_BYTES = 32
SCRATCH_FIXED_BYTES = 64
PASSING_BYTES = 4096


@dataclass(frozen=True)
class Struct:
    """Size of one TFLM structure: on a 32-bit Arm, and in the wheel (64 bits, compression and recording built in)."""

    arm: int
    wheel: int

    def of(self, arm: bool) -> int:
        """Size for one of the two."""
        return self.arm if arm else self.wheel


@dataclass(frozen=True)
class OperatorMemory:
    """What one operator keeps in the tail.

    Attributes
    ----------
    options : Struct
        The parsed options; 0 where TFLM keeps none.
    data : Struct
        The kernel's own state.
    channel_arrays : bool
        Two int32 per output channel (multiplier and shift).
    scratch : int
        Scratch buffers asked for, whose handles (a pointer each) lie in the tail.
    """

    options: Struct = Struct(0, 0)
    data: Struct = Struct(0, 0)
    channel_arrays: bool = False
    scratch: int = 0


_SAME = {size: Struct(size, size) for size in (4, 8, 16, 20, 24, 28, 32, 36, 40, 44, 52, 60, 84)}
# sizes: the structures of tflite-micro 90b983c2, GCC 12 for Cortex-M4; the wheel's: fitted, and checked at every use
OPERATORS: dict[str, OperatorMemory] = {
    "CONV_2D": OperatorMemory(_SAME[28], Struct(56, 80), channel_arrays=True),
    "DEPTHWISE_CONV_2D": OperatorMemory(_SAME[28], Struct(56, 80), channel_arrays=True),
    "FULLY_CONNECTED": OperatorMemory(Struct(5, 32), Struct(48, 72), channel_arrays=True),
    "MAX_POOL_2D": OperatorMemory(_SAME[40], _SAME[32]),
    "AVERAGE_POOL_2D": OperatorMemory(_SAME[40], _SAME[32]),
    "ADD": OperatorMemory(Struct(2, 8), _SAME[60]),
    "SUB": OperatorMemory(Struct(2, 8), _SAME[52]),
    "MUL": OperatorMemory(Struct(1, 4), _SAME[36]),
    "MEAN": OperatorMemory(Struct(1, 1), _SAME[44], scratch=3),
    "SOFTMAX": OperatorMemory(_SAME[4], Struct(56, 80)),
    "LOGISTIC": OperatorMemory(data=_SAME[16]),
    "TANH": OperatorMemory(data=_SAME[16]),
    "RELU": OperatorMemory(data=_SAME[28]),
    "RELU6": OperatorMemory(data=_SAME[8]),
    "LEAKY_RELU": OperatorMemory(_SAME[4], _SAME[24]),
    "HARD_SWISH": OperatorMemory(data=_SAME[20]),
    "RESHAPE": OperatorMemory(_SAME[36]),
    "SQUEEZE": OperatorMemory(_SAME[36]),
    "EXPAND_DIMS": OperatorMemory(),
    "QUANTIZE": OperatorMemory(data=_SAME[32]),
    "DEQUANTIZE": OperatorMemory(data=_SAME[32]),
    "SHAPE": OperatorMemory(Struct(1, 4)),
    "STRIDED_SLICE": OperatorMemory(_SAME[24], _SAME[84]),
    "PACK": OperatorMemory(_SAME[8]),
}

ALLOCATOR = Struct(36, 104)
PLANNER = Struct(44, 72)
MICRO_ALLOCATOR = Struct(36, 264)
OPTIONS_ALLOCATOR = Struct(8, 16)
SUBGRAPH = Struct(8, 24)
EVAL_TENSOR = Struct(12, 24)
NODE = Struct(32, 64)
TENSOR = Struct(32, 64)
QUANTIZATION = Struct(12, 24)
POINTER = Struct(4, 8)


@dataclass(frozen=True)
class Arena:
    """The arena a model needs.

    Attributes
    ----------
    bytes : int
        Smallest arena with the reference kernels on a 32-bit Arm.
    with_margin : int
        What to reserve for CMSIS-NN, where it was not measured.
    head : int
        Activations and scratch.
    exact : bool
        False: an upper bound, because this model has an operator whose structures are not in the table.
    """

    bytes: int
    with_margin: int
    head: int
    exact: bool


def estimate(model: bytes, graph: Graph) -> Arena:
    """Arena of a model, without a compiler or a board.

    Parameters
    ----------
    model : bytes
        The ``.tflite`` file.
    graph : Graph
        The same, read.

    Raises
    ------
    BuildError
        The wheel is not installed.
    ModelError
        TFLM refuses the model.
    """
    head, tail = _wheel_arena(model)
    difference = abs(tail_bytes(graph, arm=False) - tail)
    exact = all(operator.kind in OPERATORS for operator in graph.operators) and difference <= 2 * ALIGNMENT
    need = head + (tail_bytes(graph, arm=True) if exact else tail)
    need = _up(need)
    return Arena(need, _up(need + cmsis_nn_bytes(graph)), head, exact)


def arena_of_64_bits(model: bytes) -> int:
    """An arena that is enough on a 64-bit board: what the wheel itself takes, whose structures are the larger ones.

    A Linux board has the memory, so nothing is shaved off; what AllocateTensors needs in passing is in the margin.

    Raises
    ------
    BuildError, ModelError
        As `estimate`.
    """
    head, tail = _wheel_arena(model)
    return _up(head + tail + (head + tail) // 8 + PASSING_BYTES)


def cmsis_nn_bytes(graph: Graph) -> int:
    """Bound of what CMSIS-NN needs beyond the reference kernels: its largest scratch buffer could fall on the peak.

    On a core with DSP: a convolution unfolds two columns of its input as int16, a depthwise one the taps of all
    channels; 1x1 convolutions unfold nothing (CMSIS-NN, ``arm_*_get_buffer_size``).
    """
    largest = weighted = 0
    for operator in graph.operators:
        if operator.kind not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            continue
        weighted += 1
        shape = graph.tensors[operator.inputs[1]].shape
        if operator.kind == "CONV_2D" and shape[1] * shape[2] > 1:
            largest = max(largest, 4 * shape[1] * shape[2] * shape[3])
        elif operator.kind == "DEPTHWISE_CONV_2D":
            largest = max(largest, 2 * shape[1] * shape[2] * shape[3])
    return largest + SCRATCH_STATE_BYTES * weighted + SCRATCH_FIXED_BYTES


def tail_bytes(graph: Graph, arm: bool) -> int:
    """Bytes of TFLM's own structures, allocated from the arena's end downwards in TFLM's order."""
    at = 0

    def take(size: int, alignment: int) -> None:
        nonlocal at
        at = -(-(at + size) // alignment) * alignment if size else at

    word = POINTER.of(arm)
    for fixed in (ALLOCATOR, PLANNER, MICRO_ALLOCATOR, OPTIONS_ALLOCATOR, SUBGRAPH):
        take(fixed.of(arm), word)
    take(EVAL_TENSOR.of(arm) * len(graph.tensors), word)
    take(NODE.of(arm) * len(graph.operators), word)
    memory = [(operator, OPERATORS.get(operator.kind, OperatorMemory())) for operator in graph.operators]
    for _, kept in memory:
        size = kept.options.of(arm)
        take(size, 4 if size % 4 == 0 else 1)
    for _, kept in memory:
        take(kept.data.of(arm), ALIGNMENT)
    for operator, kept in memory:
        if kept.channel_arrays:
            for _ in range(2):
                take(4 * _channels(graph, operator), ALIGNMENT)
    take(word * sum(kept.scratch for _, kept in memory), word)
    for ends in (graph.inputs, graph.outputs):
        take(word * len(ends), ALIGNMENT)
        for index in ends:
            take(TENSOR.of(arm), word)
            if graph.tensors[index].quantization is not None:
                take(QUANTIZATION.of(arm), word)
                take(8, 4)
    return at


def _channels(graph: Graph, operator: Operator) -> int:
    """Output channels of a convolution or dense layer whose weights are quantized; 0 for float."""
    weights = graph.tensors[operator.inputs[1]]
    if weights.quantization is None:
        return 0
    return weights.shape[3] if operator.kind == "DEPTHWISE_CONV_2D" else weights.shape[0]


def _wheel_arena(model: bytes) -> tuple[int, int]:
    """Head and tail of the arena as TFLM's recording allocator reports them."""
    from ecgdeploy.reference import TflmReference

    text = TflmReference(model).allocations()
    found = dict(re.findall(r"Arena allocation (head|tail) (\d+) bytes", text))
    if len(found) != 2:
        raise ModelError(
            "TFLM's wheel did not report its allocations", "pip install 'ecgdeploy[golden]' for the pinned wheel"
        )
    return int(found["head"]), int(found["tail"])


def _up(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
