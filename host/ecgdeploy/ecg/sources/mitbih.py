"""MIT-BIH Arrhythmia Database: 48 half-hours of two leads at 360 Hz, every beat annotated.

Moody GB, Mark RG. The impact of the MIT-BIH Arrhythmia Database. IEEE Eng Med Biol 20(3):45-50 (2001).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ecgdeploy.ecg.record import Record
from ecgdeploy.ecg.sources.base import Source
from ecgdeploy.ecg.wfdb_annotation import read_annotations
from ecgdeploy.ecg.wfdb_signal import expect, read_signals

NAME = "MIT-BIH Arrhythmia Database 1.0.0"
LICENCE = "ODC-By 1.0"
FOLDER = "mitdb"
RATE = 360.0
LEADS = ("MLII", "V1", "V2", "V4", "V5")
# fmt: off
RECORDS = (
    "100", "101", "102", "103", "104", "105", "106", "107", "108", "109", "111", "112", "113", "114", "115", "116",
    "117", "118", "119", "121", "122", "123", "124", "200", "201", "202", "203", "205", "207", "208", "209", "210",
    "212", "213", "214", "215", "217", "219", "220", "221", "222", "223", "228", "230", "231", "232", "233", "234",
)
# de Chazal, O'Dwyer, Reilly. IEEE Trans Biomed Eng 51(7):1196-1206 (2004): the inter-patient division
DS1 = (
    "101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122", "124", "201", "203", "205", "207",
    "208", "209", "215", "220", "223", "230",
)
DS2 = (
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210", "212", "213", "214", "219", "221",
    "222", "228", "231", "232", "233", "234",
)
# fmt: on
# The database's documentation: 201 and 202 were taken from one person. The published division has one in each half.
SAME_PATIENT = {"202": "201"}


def patient(record: str) -> str:
    """The person of a record: one each, but 201 and 202 are the same man."""
    return f"mitdb-{SAME_PATIENT.get(record, record)}"


@dataclass(frozen=True)
class MitBih(Source):
    """The database in a folder.

    Parameters
    ----------
    folder : Path
        Holds ``100.hea``, ``100.dat``, ``100.atr`` ...
    """

    kind = "MIT-BIH record"

    folder: Path

    @property
    def known(self) -> tuple[str, ...]:
        return RECORDS

    def names(self) -> tuple[str, ...]:
        """Names of the records whose header is here."""
        return tuple(name for name in RECORDS if (self.folder / f"{name}.hea").is_file())

    def _read(self, name: str) -> Record:
        signals = read_signals(self.folder / f"{name}.hea")
        expect(signals, (RATE,), gain=200.0, baseline=1024, leads=LEADS)
        annotations = read_annotations(self.folder / f"{name}.atr", len(signals.millivolts))
        words = signals.header.comments[0].split() if signals.header.comments else []
        age = float(words[0]) if words and words[0].isdigit() else None  # the first comment reads "69 M 1085 1629 x1"
        sex = {"M": "male", "F": "female"}.get(words[1]) if len(words) > 1 else None
        return Record(
            name=name,
            signal=signals.millivolts,
            leads=signals.leads,
            rate=signals.header.rate,
            patient=patient(name),
            source=NAME,
            licence=LICENCE,
            annotations=annotations,
            age=age,
            sex=sex,
            remarks=signals.remarks,
        )
