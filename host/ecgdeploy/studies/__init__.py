"""Studies: the papers' experiments as grids of cells, each cell one row with its provenance.

``load(name)`` gives a `Study`; ``runner.run`` runs the cells that have no row yet; ``report`` reads rows only.
"""

from __future__ import annotations

import importlib

from ecgdeploy.errors import unknown
from ecgdeploy.studies.base import Study

#: name -> module of this package that defines ``STUDY``
STUDIES = {
    "rajotte2025": "rajotte2025",
    "ahmed2025": "ahmed2025",
    "kota2025": "kota2025",
    "gaurhar2025": "gaurhar2025",
    "flagship": "flagship",
    "weimann2021": "weimann2021",
}


def load(name: str) -> Study:
    """The study called `name`.

    Raises
    ------
    UsageError
        Unknown study; the nearest is named.
    """
    if name not in STUDIES:
        raise unknown("study", name, STUDIES)
    study: Study = importlib.import_module(f"ecgdeploy.studies.{STUDIES[name]}").STUDY
    return study
