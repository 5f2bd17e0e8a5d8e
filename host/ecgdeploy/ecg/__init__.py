"""Recordings on their way to a model: sources, labels, preprocessing, windows, splits and the tasks made of them."""

from ecgdeploy.ecg.record import Annotations, LeadFault, Record
from ecgdeploy.ecg.views import CalibrationView, TestView, TrainView, ValidationView, View

__all__ = [
    "Annotations",
    "CalibrationView",
    "LeadFault",
    "Record",
    "TestView",
    "TrainView",
    "ValidationView",
    "View",
]
