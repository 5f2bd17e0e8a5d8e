"""Small arithmetic every score shares: a ratio that may be undefined, and plain values for JSON."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np


def ratio(numerator: float, denominator: float) -> float:
    """`numerator / denominator`, or NaN where there is nothing to divide by."""
    return float(numerator) / float(denominator) if denominator else math.nan


def nan_mean(values: Any) -> float:
    """Mean of the defined values; NaN (without a warning) when none is defined."""
    array = np.asarray(values, dtype=np.float64)
    defined = array[~np.isnan(array)]
    return float(np.mean(defined)) if defined.size else math.nan


def plain(value: Any) -> Any:
    """Turn dataclasses, arrays and NumPy scalars into what ``json.dumps`` takes; an undefined number becomes None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value
