"""Before any compile: can this engine run this model on this board, and does it fit."""

from ecgdeploy.preflight.memory import Need, estimate_need
from ecgdeploy.preflight.report import Finding, Report, preflight

__all__ = ["Finding", "Need", "Report", "estimate_need", "preflight"]
