"""Preprocessing: small steps with names and numbers, put together as a value that can be written down and read back."""

from ecgdeploy.ecg.preprocessing.filters import BandPass, Notch, RemoveBaseline
from ecgdeploy.ecg.preprocessing.leads import SelectLeads
from ecgdeploy.ecg.preprocessing.pipeline import Pipeline, Step, step_from_dict
from ecgdeploy.ecg.preprocessing.resampling import Resample
from ecgdeploy.ecg.preprocessing.shape import Centre, FillMissing, PadCrop
from ecgdeploy.ecg.preprocessing.standardize import Standardize

__all__ = [
    "BandPass",
    "Centre",
    "FillMissing",
    "Notch",
    "PadCrop",
    "Pipeline",
    "RemoveBaseline",
    "Resample",
    "SelectLeads",
    "Standardize",
    "Step",
    "step_from_dict",
]
