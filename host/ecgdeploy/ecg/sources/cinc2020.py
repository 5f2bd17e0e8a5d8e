"""PhysioNet/CinC Challenges 2020 and 2021: twelve-lead records of eight sources, with SNOMED CT codes.

Perez Alday EA, Gu A, Shah AJ, et al. Classification of 12-lead ECGs: the PhysioNet/Computing in Cardiology Challenge
2020. Physiol Meas 41:124003 (2020). Reyna MA, Sadr N, Perez Alday EA, et al. Will two do? Varying dimensions in
electrocardiography: the PhysioNet/Computing in Cardiology Challenge 2021. Computing in Cardiology 48 (2021).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ecgdeploy.ecg.record import STANDARD_LEADS, Record
from ecgdeploy.ecg.sources.base import Source
from ecgdeploy.ecg.wfdb_header import Header, read_header
from ecgdeploy.ecg.wfdb_signal import expect, read_signals
from ecgdeploy.errors import DataError, unknown
from ecgdeploy.provenance import sha256_file

NAME = "PhysioNet/CinC Challenge 2020/2021"
LICENCE = "CC BY 4.0"
RATES = (500.0, 1000.0, 257.0)  # all sources, PTB, St Petersburg INCART
FOLDER = "cinc2021"
# folder of the Challenge -> the source's name
SUBSETS = {
    "cpsc_2018": "CPSC 2018",
    "cpsc_2018_extra": "CPSC Extra",
    "st_petersburg_incart": "St Petersburg INCART",
    "ptb": "PTB",
    "ptb-xl": "PTB-XL",
    "georgia": "Georgia",
    "chapman_shaoxing": "Chapman-Shaoxing",
    "ningbo": "Ningbo",
}
# the training sources of 2020 are the first six
SUBSETS_2020 = tuple(SUBSETS)[:6]

# SNOMED CT codes that the Challenge of 2021 scores, with its abbreviations. Codes in one line are scored as one class.
SCORED_2021 = {
    "AF": ("164889003",),
    "AFL": ("164890007",),
    "BBB": ("6374002",),
    "Brady": ("426627000",),
    "CLBBB|LBBB": ("733534002", "164909002"),
    "CRBBB|RBBB": ("713427006", "59118001"),
    "IAVB": ("270492004",),
    "IRBBB": ("713426002",),
    "LAD": ("39732003",),
    "LAnFB": ("445118002",),
    "LPR": ("164947007",),
    "LQRSV": ("251146004",),
    "LQT": ("111975006",),
    "NSIVCB": ("698252002",),
    "NSR": ("426783006",),
    "PAC|SVPB": ("284470004", "63593006"),
    "PR": ("10370003",),
    "PRWP": ("365413008",),
    "PVC|VPB": ("427172004", "17338001"),
    "QAb": ("164917005",),
    "RAD": ("47665007",),
    "SA": ("427393009",),
    "SB": ("426177001",),
    "STach": ("427084000",),
    "TAb": ("164934002",),
    "TInv": ("59931005",),
}
# 2020 scored the same codes without BBB and PRWP; CLBBB and LBBB were two codes of which LBBB alone counted
_ONLY_2021 = ("BBB", "PRWP", "CLBBB|LBBB")
SCORED_2020 = {name: codes for name, codes in SCORED_2021.items() if name not in _ONLY_2021} | {"LBBB": ("164909002",)}


def class_of(code: str, scored: dict[str, tuple[str, ...]] = SCORED_2021) -> str | None:
    """The scored class of a SNOMED CT code, None for one that is not scored."""
    return next((name for name, codes in scored.items() if code in codes), None)


@dataclass(frozen=True)
class Cinc2020(Source):
    """The training sets in a folder.

    Parameters
    ----------
    folder : Path
        Holds the subsets' folders (``cpsc_2018`` ...), directly or in ``training/``, with or without the level
        ``g1``, ``g2`` ... in each.
    subsets : tuple of str
        Which of them to use; by default all that are here.
    """

    kind = "CinC 2020/2021 record"

    folder: Path
    subsets: tuple[str, ...] = tuple(SUBSETS)

    def __post_init__(self) -> None:
        for name in self.subsets:
            if name not in SUBSETS:
                raise unknown("source of CinC 2020/2021", name, SUBSETS)

    @cached_property
    def paths(self) -> dict[str, tuple[str, Path]]:
        """Subset and header of every record that is here.

        Raises
        ------
        DataError
            Two records of one name: then a name would not say which.
        """
        root = self.folder / "training"
        root = root if root.is_dir() else self.folder
        found: dict[str, tuple[str, Path]] = {}
        for subset in self.subsets:
            for path in sorted((root / subset).rglob("*.hea")):
                if path.name.startswith("."):  # left by other systems' archives
                    continue
                if path.stem in found:
                    raise DataError(f"record {path.stem} is in {found[path.stem][0]} and in {subset}", "keep one")
                found[path.stem] = (subset, path)
        return found

    @property
    def known(self) -> dict[str, tuple[str, Path]]:
        return self.paths

    def subset(self, name: str) -> str:
        """Which of the sources a record comes from."""
        return self.paths[name][0]

    def patient(self, name: str) -> str:
        """Who a record is of, as far as can be told: records with equal sums and first values are one recording."""
        return self._persons[name]

    @cached_property
    def _persons(self) -> dict[str, str]:
        first: dict[tuple[object, ...], str] = {}
        persons = {}
        for name, (_, path) in self.paths.items():
            header = read_header(path)
            fingerprint = (header.samples, *((line.checksum, line.initial) for line in header.signals))
            persons[name] = f"cinc2021-{first.setdefault(fingerprint, name)}"
        return persons

    def statements(self, name: str) -> tuple[str, ...]:
        """SNOMED CT codes of a record, from its header alone."""
        return dx_codes(read_header(self.paths[name][1]))

    def file_sha256(self, name: str) -> str:
        """Hash of the header, whose checksums stand for the samples."""
        return sha256_file(self.paths[name][1])

    def _read(self, name: str) -> Record:
        """A record's statements are SNOMED CT codes."""
        subset, path = self.paths[name]
        # the Challenge brought every source to 1000 units a millivolt but INCART, whose leads keep gains of their own
        gain = None if subset == "st_petersburg_incart" else 1000.0
        return read_dx_record(path, self.patient(name), f"{NAME}: {SUBSETS[subset]}", LICENCE, gain)


def read_dx_record(path: Path, patient: str, source: str, licence: str, gain: float | None = None) -> Record:
    """A WFDB record whose header comments give ``Age``, ``Sex`` and the SNOMED CT codes ``Dx``."""
    signals = read_signals(path)
    expect(signals, RATES, gain, baseline=None if gain is None else 0)
    if set(signals.leads) != set(STANDARD_LEADS):
        raise DataError(f"{path.name}: leads {', '.join(signals.leads)}, not the standard 12", "copy the header again")
    return Record(
        name=path.stem,
        signal=signals.millivolts,
        leads=signals.leads,
        rate=signals.header.rate,
        patient=patient,
        source=source,
        licence=licence,
        statements=dx_codes(signals.header),
        age=_age(signals.header.comment("Age")),
        sex=_sex(signals.header.comment("Sex")),
        remarks=signals.remarks,
    )


def dx_codes(header: Header) -> tuple[str, ...]:
    """SNOMED CT codes of the ``#Dx:`` (or ``# Dx:``) comment, in its order, without repeats."""
    text = header.comment("Dx")
    if text is None:
        raise DataError(f"{header.path.name}: no Dx comment", "copy the header again from its source")
    codes = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for code in codes:
        if not re.fullmatch(r"\d{6,18}", code):
            raise DataError(f"{header.path.name}: '{code[:30]}' is no SNOMED CT code", "copy the header again")
    return codes


def _age(text: str | None) -> float | None:
    try:
        value = float(text) if text else math.nan
    except ValueError:
        return None
    return value if 0 <= value < 130 else None


def _sex(text: str | None) -> str | None:
    return {"m": "male", "male": "male", "f": "female", "female": "female"}.get((text or "").lower())
