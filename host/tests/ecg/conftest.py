"""Fixtures of the data tests: the real data sets where they are, and small WFDB records that the tests write."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with the real data sets."""
    given = os.environ.get("ECGDEPLOY_DATA")
    if not given or not Path(given).is_dir():
        pytest.skip("set ECGDEPLOY_DATA to the folder that holds mitdb/, ptb-xl/, cinc2017/ and cinc2021/")
    return Path(given)


@pytest.fixture(autouse=True)
def no_downloads(monkeypatch):
    """Tests use the network only where they say so."""
    monkeypatch.setenv("ECGDEPLOY_OFFLINE", "1")


def real(root: Path, name: str) -> Path:
    """One of the real data sets, or skip."""
    if not (root / name).is_dir():
        pytest.skip(f"set ECGDEPLOY_DATA to a folder that holds {name}/")
    return root / name


def pack12(samples: np.ndarray) -> bytes:
    """Format 212 of an even number of samples."""
    first, second = (samples.astype(np.int64).reshape(-1, 2) & 0xFFF).T
    out = np.empty((len(first), 3), np.uint8)
    out[:, 0] = first & 0xFF
    out[:, 1] = first >> 8 | second >> 8 << 4
    out[:, 2] = second & 0xFF
    return out.tobytes()


def checksum(lead: np.ndarray) -> int:
    """The header's sum of one lead, as a signed 16-bit number."""
    return (int(lead.sum()) + 32768) % 65536 - 32768


def write_record(
    folder: Path,
    name: str,
    digital: np.ndarray,
    leads: tuple[str, ...],
    rate: float = 500,
    *,
    layout: str = "16",
    gain: str = "1000/mV",
    comments: tuple[str, ...] = (),
    newline: str = "\n",
) -> Path:
    """Write ``.hea`` and its signal file; `layout` is ``16``, ``212``, ``16+24`` or ``16x1+24`` (a ``.mat``)."""
    folder.mkdir(parents=True, exist_ok=True)
    samples, count = digital.shape
    matlab = layout.endswith("+24")
    file = f"{name}.mat" if matlab else f"{name}.dat"
    data = pack12(digital.ravel()) if layout == "212" else digital.astype("<i2").tobytes()
    if matlab:
        data = struct.pack("<5i", 30, count, samples, 0, 4) + b"val\0" + data
    (folder / file).write_bytes(data)
    lines = [f"{name} {count} {rate:g} {samples}"]
    for lead, column in zip(leads, digital.T, strict=True):
        lines.append(f"{file} {layout} {gain} 16 0 {column[0]} {checksum(column)} 0 {lead}")
    path = folder / f"{name}.hea"
    path.write_bytes((newline.join([*lines, *comments]) + newline).encode())
    return path


def write_mitbih(folder: Path, name: str, samples: int, seed: int = 2) -> Path:
    """A record with the headers of the MIT-BIH database: 360 Hz, gain 200, ADC zero 1024."""
    digital = np.random.default_rng([seed, int(name)]).integers(400, 1700, (samples, 2))
    path = write_record(folder, name, digital, ("MLII", "V1"), 360, layout="212", gain="200 11 1024")
    path.write_text(path.read_text().replace("200 11 1024 16 0", "200 11 1024"))
    return path


@pytest.fixture
def digital() -> np.ndarray:
    """A small signal in ADC units: int64 [400, 2], within 12 bits."""
    return np.random.default_rng(7).integers(-900, 900, (400, 2))
