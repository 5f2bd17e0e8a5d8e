"""The QRS detector finds the beats of a real record, and says so when it cannot look."""

import os
from pathlib import Path

import numpy as np
import pytest

from ecgdeploy.errors import DataError
from ecgdeploy.scoring import compare_annotations, detect_qrs
from ecgdeploy.scoring.ec57 import Annotation, read_annotations

RATE = 360


def spikes(rate, seconds, every):
    """A train of QRS-like deflections: narrow, biphasic, on a slow baseline."""
    time = np.arange(int(rate * seconds)) / rate
    signal = 0.05 * np.sin(2 * np.pi * 0.3 * time)
    centres = np.arange(0.5, seconds - 0.5, every)
    for centre in centres:
        x = (time - centre) / 0.02
        signal += 1.2 * (1 - x * x) * np.exp(-x * x / 2)
    return signal, (centres * rate).astype(int)


def test_regular_beats_are_found_within_the_match_window():
    signal, beats = spikes(RATE, 20, 0.8)
    signal[1000:1004] = np.nan
    found = detect_qrs(signal, RATE)
    nearest = np.abs(found[:, None] - beats[None, :]).min(axis=0)
    assert np.mean(nearest <= 0.15 * RATE) >= 0.95
    assert np.all(np.diff(found) > 0) and len(found) <= len(beats) + 1


def test_a_flat_lead_has_no_beats():
    assert detect_qrs(np.zeros(3600), RATE).size == 0


@pytest.mark.parametrize("signal", [np.zeros(10), np.full(3600, np.nan), np.zeros((3600, 2))])
def test_what_cannot_be_searched_is_refused(signal):
    with pytest.raises(DataError):
        detect_qrs(signal, RATE)


def test_sensitivity_on_a_real_record():
    data = os.environ.get("ECGDEPLOY_DATA")
    if not data or not (Path(data) / "mitdb/100.dat").is_file():
        pytest.skip("set ECGDEPLOY_DATA to a folder with mitdb/ to run the detector on record 100")
    import wfdb

    folder, end = Path(data) / "mitdb", 5 * 60 * RATE
    signal = wfdb.rdrecord(str(folder / "100"), sampto=end, channels=[0]).p_signal[:, 0]
    found = [Annotation(int(sample), 1) for sample in detect_qrs(signal, RATE)]
    figures = compare_annotations(
        read_annotations(folder / "100.atr"), found, RATE, start=10 * RATE, end=end - RATE
    ).statistics
    for name in ("qrs_sensitivity", "qrs_positive_predictivity"):
        assert figures[name][0] / figures[name][1] > 0.99
