"""Scoring: arrays and annotations in, frozen tables out. Nothing here knows a device or a network.

The names below are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "ClassScore": "classification",
    "ClassificationReport": "classification",
    "classification_report": "classification",
    "classification_report_from_counts": "classification",
    "confusion_matrix": "classification",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
