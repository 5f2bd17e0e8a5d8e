"""QRS complexes of a record without annotations, found by the wfdb package's XQRS detector.

XQRS (Johnson et al., PhysioNet wfdb) band-passes, applies a moving-wave integration and adapts its thresholds; see
https://wfdb.readthedocs.io/en/latest/processing.html. It is a well-kept implementation, which is why it is used here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ecgdeploy.errors import DataError

MIN_SECONDS = 2.0


def detect_qrs(signal: Any, rate: float) -> np.ndarray:
    """Find QRS complexes in one lead.

    Parameters
    ----------
    signal : float array [samples]
        In mV; gaps (NaN) are bridged by straight lines for the search.
    rate : float
        Sampling frequency in hertz.

    Returns
    -------
    int64 array [beats]
        Samples of the complexes, increasing; empty for a flat signal.

    Raises
    ------
    DataError
        When the signal is not one lead, shorter than two seconds, or holds no number.
    """
    lead = np.asarray(signal, dtype=np.float64)
    if lead.ndim != 1:
        raise DataError(f"a signal of shape {lead.shape}", "give one lead, [samples]")
    if not rate > 0 or len(lead) < MIN_SECONDS * rate:
        raise DataError(f"{len(lead)} samples at {rate} Hz are too few to find beats", "give two seconds or more")
    valid = np.isfinite(lead)
    if not valid.any():
        raise DataError("the lead holds no number", "choose another lead")
    if not valid.all():
        lead = np.interp(np.arange(len(lead)), np.flatnonzero(valid), lead[valid])
    if np.ptp(lead) == 0:
        return np.zeros(0, dtype=np.int64)
    from wfdb import processing

    detector = processing.XQRS(sig=lead, fs=rate)
    detector.detect(verbose=False)
    return np.asarray(sorted(set(np.asarray(detector.qrs_inds, dtype=np.int64).tolist())), dtype=np.int64)
