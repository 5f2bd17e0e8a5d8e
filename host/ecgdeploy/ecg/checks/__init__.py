"""`ecgdeploy data check`: a local copy of a data set against its sums, its headers and what was published about it."""

from ecgdeploy.ecg.checks.check import check_folder
from ecgdeploy.ecg.checks.report import Fault, Oddity, SetReport

__all__ = ["Fault", "Oddity", "SetReport", "check_folder"]
