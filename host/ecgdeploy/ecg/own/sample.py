"""A folder of WFDB records to try things on: some of MIT-BIH's where it is on this machine, else synthetic ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from ecgdeploy.ecg import locate
from ecgdeploy.ecg.record import Record
from ecgdeploy.ecg.sources import mitbih
from ecgdeploy.ecg.sources.synthetic import Synthetic
from ecgdeploy.ecg.wfdb_annotation import write_annotations
from ecgdeploy.errors import UsageError
from ecgdeploy.provenance import write_atomic

#: of MIT-BIH, one person each: N and V beats in all of them
RECORDS = ("105", "106", "116", "119", "200", "203", "208", "215", "221", "223", "228", "233")
GAIN = 200.0  # ADC units a millivolt, as MIT-BIH's


def write_sample(folder: Path, synthetic: bool = False) -> str:
    """Fill `folder` with 12 annotated records; returns what they are.

    Raises
    ------
    UsageError
        The folder holds something already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty", "name another folder")
    home = None if synthetic else locate.find(mitbih.FOLDER, "[12][0-3][0-9].hea", None)
    folder.mkdir(parents=True, exist_ok=True)
    if home is not None and all((home / f"{name}.atr").is_file() for name in RECORDS):
        for name in RECORDS:
            for suffix in ("hea", "dat", "atr"):
                shutil.copy(home / f"{name}.{suffix}", folder / f"{name}.{suffix}")
        return f"{len(RECORDS)} records of {mitbih.NAME}"
    source = Synthetic(count=len(RECORDS), seconds=90.0)
    for name in source.names():
        write_record(folder, source.record(name))
    return f"{len(RECORDS)} SYNTHETIC records: no person was recorded"


def write_record(folder: Path, record: Record) -> None:
    """Write a record as WFDB: header, signal (format 16) and annotations ``.atr``; `header(5)`, `signal(5)`."""
    digital = np.round(record.signal.astype(np.float64) * GAIN).astype("<i2")
    lines = [f"{record.name} {len(record.leads)} {record.rate:g} {record.samples}"]
    for lead, column in zip(record.leads, digital.T, strict=True):
        checksum = int(column.astype(np.int64).sum()) & 0xFFFF
        signed = checksum - 0x10000 if checksum >= 0x8000 else checksum
        lines.append(f"{record.name}.dat 16 {GAIN:g}/mV 16 0 {column[0]} {signed} 0 {lead}")
    if record.synthetic:
        lines.append("# SYNTHETIC: no person was recorded")
    lines.append(f"# patient: {record.patient}")
    write_atomic(folder / f"{record.name}.dat", np.ascontiguousarray(digital).tobytes())
    write_atomic(folder / f"{record.name}.hea", "\n".join(lines) + "\n")
    if record.annotations is not None:
        write_annotations(folder / f"{record.name}.atr", record.annotations)
