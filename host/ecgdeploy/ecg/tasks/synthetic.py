"""Stand-ins for record tasks whose data set is not here: synthetic records whose class can be seen in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ecgdeploy.ecg.preprocessing import Pipeline
from ecgdeploy.ecg.record import STANDARD_LEADS, Record
from ecgdeploy.ecg.sources.synthetic import NAME, Synthetic
from ecgdeploy.ecg.splits import Split
from ecgdeploy.ecg.tasks.records import RecordTask
from ecgdeploy.errors import unknown
from ecgdeploy.provenance import sha256_bytes

PER_CONDITION = 40
_SOUND = Synthetic(count=PER_CONDITION, supraventricular=0.0, ventricular=0.0)
# what is changed in a sound heart; caricatures, good for tests and for nothing else
CONDITIONS = {
    "sound": _SOUND,
    "fibrillation": replace(_SOUND, irregularity=0.35, wave_gains=(0.0, 1.0, 1.0, 1.0, 1.0)),
    "ectopic": replace(_SOUND, ventricular=0.3),
    "noise": replace(_SOUND, noise=15.0),
    "slow": replace(_SOUND, heart_rate=(38.0, 50.0)),
    "fast": replace(_SOUND, heart_rate=(115.0, 150.0)),
    "infarction": replace(_SOUND, wave_gains=(1.0, 4.0, 0.6, 1.0, -0.3)),
    "repolarization": replace(_SOUND, wave_gains=(1.0, 1.0, 1.0, 1.0, -0.9)),
    "block": replace(_SOUND, qrs_stretch=2.2),
    "hypertrophy": replace(_SOUND, wave_gains=(1.0, 1.0, 2.4, 2.0, 0.8)),
}
# task -> condition -> the classes it shows
SHOWN: dict[str, dict[str, tuple[str, ...]]] = {
    "cinc2017": {"sound": ("N",), "fibrillation": ("A",), "ectopic": ("O",), "noise": ("~",)},
    "ptbxl-superclasses": {
        "sound": ("NORM",),
        "infarction": ("MI",),
        "repolarization": ("STTC",),
        "block": ("CD",),
        "hypertrophy": ("HYP",),
    },
    "ptbxl-statements": {
        "sound": ("diagnostic:NORM", "rhythm:SR"),
        "infarction": ("diagnostic:IMI", "form:QWAVE", "rhythm:SR"),
        "repolarization": ("diagnostic:NDT", "form:NDT", "form:INVT", "rhythm:SR"),
        "block": ("diagnostic:CLBBB", "rhythm:SR"),
        "hypertrophy": ("diagnostic:LVH", "form:HVOLT", "rhythm:SR"),
        "ectopic": ("form:PVC", "rhythm:SR"),
        "fibrillation": ("rhythm:AFIB",),
    },
    "chapman-rhythm": {"fibrillation": ("AFIB",), "fast": ("GSVT",), "slow": ("SB",), "sound": ("SR",)},
    "cpsc2018": {
        "sound": ("Normal",),
        "fibrillation": ("AF",),
        "block": ("LBBB",),
        "ectopic": ("PVC",),
        "repolarization": ("STD",),
    },
    "cinc2020": {
        "sound": ("NSR",),
        "fibrillation": ("AF",),
        "block": ("LBBB",),
        "ectopic": ("PVC|VPB",),
        "slow": ("SB",),
        "fast": ("STach",),
        "repolarization": ("TInv",),
        "infarction": ("QAb",),
    },
    "cinc2020-sph": {
        "sound": ("NSR",),
        "fibrillation": ("AF",),
        "block": ("LBBB",),
        "ectopic": ("PVC|VPB",),
        "slow": ("SB",),
        "fast": ("STach",),
        "repolarization": ("TAb",),
    },
    "cinc2021": {
        "sound": ("NSR",),
        "fibrillation": ("AF",),
        "block": ("CLBBB|LBBB",),
        "ectopic": ("PVC|VPB",),
        "slow": ("SB",),
        "fast": ("STach",),
        "repolarization": ("TInv",),
        "infarction": ("QAb",),
    },
}


@dataclass(frozen=True)
class SyntheticConditions:
    """Synthetic records of several conditions, named ``condition-000`` onwards."""

    conditions: tuple[str, ...]
    seconds: float
    rate: float
    leads: tuple[str, ...]

    def names(self) -> tuple[str, ...]:
        """Names of the records."""
        return tuple(f"{condition}-{i:03d}" for condition in self.conditions for i in range(PER_CONDITION))

    def record(self, name: str) -> Record:
        """Generate one record; its only statement is its condition."""
        condition, _, number = name.rpartition("-")
        if name not in self.names():
            raise unknown("synthetic record", name, self.names())
        source = replace(
            CONDITIONS[condition],
            seconds=self.seconds,
            rate=self.rate,
            leads=self.leads,
            seed=2003 + list(CONDITIONS).index(condition),
        )
        made = source.record(f"syn-{number}")
        return replace(made, name=name, patient=f"{name}-person", statements=(condition,))


def synthetic_task(
    task: str, classes: tuple[str, ...], pipeline: Pipeline, rate: float, shape: tuple[int, int]
) -> RecordTask:
    """The stand-in of `task`; of each condition 24 persons train, 6 validate and 10 test."""
    shown = SHOWN[task.partition("-heldout-")[0]]
    single = shape[1] == 1
    reader = SyntheticConditions(
        conditions=tuple(shown),
        seconds=30.0 if single else 10.0,
        rate=300.0 if single else rate,
        leads=("II",) if single else STANDARD_LEADS,
    )
    names = reader.names()
    place = [int(name.rpartition("-")[2]) for name in names]
    train = tuple(name for name, i in zip(names, place, strict=True) if i < 24)
    validation = tuple(name for name, i in zip(names, place, strict=True) if 24 <= i < 30)
    test = tuple(name for name, i in zip(names, place, strict=True) if i >= 30)

    def targets_of(statements: tuple[str, ...]) -> Iterable[int]:
        return [classes.index(label) for statement in statements for label in shown[statement]]

    return RecordTask(
        name=f"{task}-synthetic",
        source=NAME,
        reader=reader,
        split=Split("synthetic persons 24/6/10", train, validation, test, {name: f"{name}-person" for name in names}),
        classes=classes,
        targets_of=targets_of,
        multilabel=task not in ("cinc2017", "chapman-rhythm"),
        pipeline=pipeline,
        rate=rate,
        input_shape=shape,
        data_sha256=sha256_bytes(repr((reader, CONDITIONS)).encode()),
        synthetic=True,
    )
