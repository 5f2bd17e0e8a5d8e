"""Where the bench models and a TFLM library are; tests that need them say what enables them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def bench() -> Path:
    """Folder of the bench models and their golden outputs."""
    data = os.environ.get("ECGDEPLOY_DATA")
    folder = Path(data).parent / "bench" / "models" if data else None
    if folder is None or not folder.is_dir():
        pytest.skip("needs the bench models: set ECGDEPLOY_DATA to the data folder beside bench/")
    return folder


@pytest.fixture(scope="session")
def tflm_dir() -> Path:
    """A TFLM tree with its archive."""
    folder = os.environ.get("ECGDEPLOY_TFLM_DIR")
    if not folder:
        pytest.skip("needs a TFLM library: set ECGDEPLOY_TFLM_DIR (docs/howto/nano33ble.md, 'TFLM')")
    return Path(folder)
