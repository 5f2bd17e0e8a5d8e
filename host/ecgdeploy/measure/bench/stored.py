"""What the incumbent costs on the bench models: measured once, under the same emulator, compiler and board.

tflite-micro 90b983c2 with CMSIS-NN v7.0.0-33 at its best build (kernels -O3, int8-only registrations, requantization in
inline assembly, minimal arena); for the float network CMSIS-NN has no kernels and the default build stands.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stored:
    """Figures of one model on TFLM: instructions of one inference, bytes of flash and RAM without a link."""

    instructions: int
    flash_bytes: int
    ram_bytes: int
    arena_bytes: int
    stack_bytes: int
    build: str = "TFLM + CMSIS-NN best"


STORED: dict[str, Stored] = {
    "beat_cnn": Stored(2_316_997, 76_264, 13_348, 11_904, 1_324),
    "ds_resnet": Stored(11_984_774, 201_536, 41_668, 40_192, 1_356),
    "mtcnn": Stored(147_275_136, 929_500, 144_636, 143_264, 1_252),
    "kws_like_f32": Stored(7_155_506, 126_120, 36_456, 35_232, 1_104, "TFLM + CMSIS-NN default"),
}
