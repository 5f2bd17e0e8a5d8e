"""A study that needs no training. Also preloaded by Dask's workers, which must find it under its name too."""

import json
import os
import sys

import numpy as np

from ecgdeploy import studies
from ecgdeploy.errors import DataError
from ecgdeploy.studies.base import Done, Study, Unit
from ecgdeploy.studies.tables import Bars, Report, Table


def process():
    """This process's number."""
    return os.getpid()


def units(quick, ablate):
    """Two units of two cells."""
    del quick, ablate
    return tuple(Unit(name, {"terms": [1, 2]}, (f"{name}/a", f"{name}/b")) for name in ("good", "bad"))


def work(unit, context):
    """Sums; the bad unit finds a damaged record."""
    if unit.id == "bad":
        raise DataError("record 7 is damaged", "copy it again")
    (context.work(unit) / "todo").write_text(json.dumps(context.todo))
    (context.work(unit) / "process").write_text(str(process()))
    for cell in context.todo:
        yield Done(cell, {"sum": sum(unit.params["terms"])}, {"seed": 1}, {"terms": np.array(unit.params["terms"])})


def report(rows, folder):
    """One table, one plot."""
    del folder
    done = [row for row in rows if row["status"] == "done"]
    table = Table(
        "sums", "sums", ("cell", "paper", "ours", "difference"),
        tuple((row["cell"], 2.5, float(row["result"]["sum"]), 0.5) for row in done),
    )  # fmt: skip
    bars = Bars("sums", "1", ("all",), {"ours": (3.0,), "paper": (None,)})
    return Report("toy", "no paper", (table,), ("a remark",), (bars,))


STUDY = Study("toy", "sums", "no paper", units, work, report)
studies.STUDIES.setdefault("toy", "toy")
sys.modules.setdefault("ecgdeploy.studies.toy", sys.modules[__name__])
