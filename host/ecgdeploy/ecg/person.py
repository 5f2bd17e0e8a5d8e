"""Age and sex as a model's second input, with a place for "not known"."""

from __future__ import annotations

import numpy as np

from ecgdeploy.ecg.record import Record

#: what the numbers of `of_record` are
FEATURES = ("age", "male", "female")
# fixed, so that nothing is fitted: near the middle of a hospital's adults
MIDDLE_YEARS, SPREAD_YEARS = 60.0, 20.0
# PTB-XL writes 300 for everybody over 89, other sources -1, 0 or NaN for nobody's age
OLDEST_YEARS = 120.0


def of_record(record: Record) -> np.ndarray:
    """Age in units of 20 years from 60, and sex one-hot: float32 [3].

    An unknown age is 0 (the middle), an unknown sex 0 and 0; both are inputs that the model has seen in training
    whenever the data set has gaps.
    """
    age = record.age
    known = age is not None and np.isfinite(age) and 0 <= age <= OLDEST_YEARS
    years = (float(age) - MIDDLE_YEARS) / SPREAD_YEARS if known and age is not None else 0.0
    return np.array([years, record.sex == "male", record.sex == "female"], np.float32)
