"""Flash and RAM of an image that is not built yet, from what such images were measured to need.

Figures: Cortex-M4, GCC 12.2 at -O2, garbage-collected sections; TFLM 90b983c2 with CMSIS-NN 7.0, int8 registrations and
stripped error strings; Arduino's core 4.5 with PlatformIO. They hold for the bench models within a tenth; the model,
the arena and the static engine's memory are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ecgdeploy.boards import Board
from ecgdeploy.graph import Graph
from ecgdeploy.projects.fit import saved_bytes
from ecgdeploy.projects.types import Model

# link, application loop, timing and port
APPLICATION_FLASH, APPLICATION_RAM = 5_256, 3_879
# an empty Arduino sketch with USB serial under mbed; its 32 KB main stack is reserved in the board's file, not here
MBED_FLASH, MBED_RAM = 84_276, 9_096
KEEPALIVE_STACK = 2_048
LIBC_FLASH = 3_084

TFLM_CORE_FLASH, TFLM_CORE_RAM = 11_040, 792
# arithmetic that the quantized kernels share; every figure below is a kernel linked alone, so it is in each of them
TFLM_SHARED_FLASH = 4_200
TFLM_SMALLEST_KERNEL = 700
TFLM_OTHER_KERNEL = 6_000
TFLM_KERNEL_FLASH = {
    "ADD": 8_928, "AVERAGE_POOL_2D": 5_928, "BATCH_MATMUL": 11_808, "BATCH_TO_SPACE_ND": 1_984, "CONCATENATION": 4_000,
    "CONV_2D": 14_408, "DEPTHWISE_CONV_2D": 12_968, "DEQUANTIZE": 3_104, "EXPAND_DIMS": 1_376,
    "FULLY_CONNECTED": 16_544,
    "HARD_SWISH": 4_896, "LEAKY_RELU": 4_800, "LOGISTIC": 8_360, "MAXIMUM": 2_176, "MAX_POOL_2D": 6_120, "MEAN": 8_456,
    "MINIMUM": 2_176, "MUL": 9_152, "PACK": 1_696, "PAD": 2_112, "PADV2": 4_704, "QUANTIZE": 5_696, "RELU": 4_768,
    "RELU6": 2_688, "RESHAPE": 1_440, "SHAPE": 736, "SLICE": 3_168, "SOFTMAX": 9_992, "SPACE_TO_BATCH_ND": 2_144,
    "SPLIT": 1_952, "SQUEEZE": 1_408, "STRIDED_SLICE": 11_648, "SUB": 12_832, "SVDF": 12_288, "TANH": 8_712,
    "TRANSPOSE": 1_568, "TRANSPOSE_CONV": 14_472, "UNIDIRECTIONAL_SEQUENCE_LSTM": 13_736,
}  # fmt: skip
SHARING = 4_200  # kernels above this size contain the shared arithmetic

STATIC_KERNELS_FLASH = 2_000
STATIC_STAGE_FLASH = 550


@dataclass(frozen=True)
class Need:
    """What an image needs of a board.

    Attributes
    ----------
    flash, ram : int
        Bytes; RAM without the main stack, which the board's reservations hold.
    model_flash : int
        Of it the model's constants.
    engine_ram : int
        Of it the engine's own memory (arena).
    arena_note : str
        How the arena was found.
    """

    flash: int
    ram: int
    model_flash: int
    engine_ram: int
    arena_note: str


def base(board: Board, emulate: bool) -> tuple[int, int]:
    """Flash and RAM of everything but the engine and the model."""
    flash, ram = APPLICATION_FLASH + LIBC_FLASH, APPLICATION_RAM
    if not emulate and board.family.startswith("arduino_"):  # other cores were not measured: mbed's is the largest
        flash, ram = flash + MBED_FLASH, ram + MBED_RAM + KEEPALIVE_STACK
    return flash, ram


def tflm_code_bytes(graph: Graph) -> int:
    """Flash of TFLM's core and of the kernels of the operators that the model uses."""
    total = TFLM_CORE_FLASH
    kinds = {operator.kind for operator in graph.operators}
    shared = False
    for kind in kinds:
        alone = TFLM_KERNEL_FLASH.get(kind, TFLM_OTHER_KERNEL)
        if alone > SHARING:
            shared = True
            alone = max(alone - TFLM_SHARED_FLASH, TFLM_SMALLEST_KERNEL)
        total += alone
    return total + (TFLM_SHARED_FLASH if shared else 0)


def estimate_need(model: Model, board: Board, engine: str, emulate: bool, arena: Callable[[], tuple[int, str]]) -> Need:
    """Estimate the image of `model` with `engine` on `board`.

    Parameters
    ----------
    arena : callable
        Gives TFLM's arena in bytes and how it was found; called for engine ``tflm`` only.

    Raises
    ------
    ModelError
        The engine does not run the model.
    """
    flash, ram = base(board, emulate)
    if engine == "tflm":
        size, note = arena()
        constants = len(model.data)
        return Need(flash + tflm_code_bytes(model.graph) + constants, ram + TFLM_CORE_RAM + size, constants, size, note)
    from ecgdeploy.codegen import generate

    made = generate(model.graph, "cortex-m4" if board.core.dsp else "portable")
    constants = sum(tensor.bytes for tensor in model.graph.tensors if tensor.data is not None)
    constants = max(constants - saved_bytes(made.weights), 0)
    code = STATIC_KERNELS_FLASH + STATIC_STAGE_FLASH * len(made.plan.trace.fires)
    size = made.plan.ram_bytes
    return Need(flash + code + constants, ram + size, constants, size, "planned when the code is generated")
