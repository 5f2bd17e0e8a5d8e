"""Pieces of C text: arrays, comments, numbers, type names."""

from __future__ import annotations

import numpy as np

from ecgdeploy.codegen import ir

_TYPES = {
    "int8": "ECGD_INT8",
    "int16": "ECGD_INT16",
    "float32": "ECGD_FLOAT32",
    "uint8": "ECGD_UINT8",
    "int32": "ECGD_INT32",
}


def c_array(values: np.ndarray, per_line: int = 24) -> str:
    """Comma-separated elements, wrapped."""
    flat = [str(int(v)) for v in np.asarray(values).reshape(-1)]
    lines = [", ".join(flat[i : i + per_line]) for i in range(0, len(flat), per_line)]
    return ",\n    ".join(lines)


def c_text(text: str) -> str:
    """`text` made safe inside a C comment."""
    return (
        "".join(ch if ch.isprintable() and ch.isascii() else "?" for ch in text)
        .replace("*/", "* /")
        .replace("/*", "/ *")
    )


def fill(value: ir.Value, at: str, size: int) -> str:
    """Statement that fills `size` bytes with the padding of a value."""
    return f"fill({at}, {value.padding}, {size});" if value.padding else f"zero({at}, {size});"


def type_name(dtype: str) -> str:
    """Name of an element type in the engine contract."""
    return _TYPES[dtype]


def c_float(value: float | np.floating) -> str:
    """A float32 as C: hexadecimal, so that no digit is lost."""
    number = np.float32(value)
    if number == 0:
        return "0.0f" if not np.signbit(number) else "-0.0f"
    return f"{float(number).hex()}f"


def c_floats(values: np.ndarray) -> str:
    """Comma-separated float32 elements, wrapped."""
    flat = [c_float(v) for v in np.asarray(values, np.float32).reshape(-1)]
    return ",\n    ".join(", ".join(flat[i : i + 8]) for i in range(0, len(flat), 8))
