"""One ECG recording, whatever data set it came from: every source gives this and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ecgdeploy.errors import DataError, unknown

# no electrode on a chest gives a volt: larger values come from damaged files
MAX_MILLIVOLTS = 1000.0
STANDARD_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_BY_UPPER = {name.upper(): name for name in (*STANDARD_LEADS, "MLII", "MLI", "MLIII", "ECG")}


def canonical_lead(name: str) -> str:
    """The usual spelling of a lead name: ``AVR`` and ``avr`` are ``aVR``; names we do not know stay as they are."""
    return _BY_UPPER.get(name.strip().upper(), name.strip())


@dataclass(frozen=True, eq=False)
class Annotations:
    """Annotations of one record, in time order.

    Attributes
    ----------
    samples : int64 [n]
        Position of each annotation, in samples of the record.
    symbols : tuple of str
        WFDB annotation symbols (``N``, ``V``, ``+`` ...).
    notes : tuple of str
        The auxiliary text of each (rhythm labels such as ``(AFIB``), empty where there is none.
    subtypes, channels, numbers : int8 [n]
        The three small fields of the MIT format, zero where unused.
    """

    samples: np.ndarray
    symbols: tuple[str, ...]
    notes: tuple[str, ...]
    subtypes: np.ndarray
    channels: np.ndarray
    numbers: np.ndarray

    @classmethod
    def at(cls, samples: Sequence[int] | np.ndarray, symbols: Sequence[str], notes: Sequence[str] = ()) -> Annotations:
        """Annotations from positions and symbols alone."""
        count = len(symbols)
        if len(samples) != count:
            raise DataError(f"{len(samples)} annotation positions for {count} symbols", "give one position a symbol")
        zeros = np.zeros(count, np.int8)
        return cls(
            np.asarray(samples, np.int64), tuple(symbols), tuple(notes) or ("",) * count, zeros, zeros, zeros
        )

    def __len__(self) -> int:
        return len(self.symbols)

    def select(self, keep: np.ndarray) -> Annotations:
        """The annotations where the boolean array `keep` is true."""
        index = np.flatnonzero(keep)
        return Annotations(
            self.samples[index],
            tuple(self.symbols[i] for i in index),
            tuple(self.notes[i] for i in index),
            self.subtypes[index],
            self.channels[index],
            self.numbers[index],
        )


@dataclass(frozen=True)
class LeadFault:
    """Something a reader of the signal should know about one lead."""

    lead: str
    kind: str  # "missing", "nan", "flat", "saturated"
    detail: str


@dataclass(frozen=True, eq=False)
class Record:
    """One recording.

    Attributes
    ----------
    name : str
        The record's name in its data set.
    signal : float32 [samples, leads]
        In millivolts; NaN where the source has no value.
    leads : tuple of str
        Lead names in the order of the columns, usual spelling (``aVR``, ``V1``, ``MLII``).
    rate : float
        Samples a second.
    patient : str
        Identifies the person within the source; records of one person must stay on one side of a split.
    source, licence : str
        The data set and its licence.
    annotations : Annotations or None
        Beat and rhythm annotations, where the source has them.
    statements : tuple of str
        Diagnostic statements of the whole record, in the source's own codes (SCP-ECG, SNOMED CT, AHA, ``N/A/O/~``).
    age : float or None
        Years, where given.
    sex : str or None
        ``"male"`` or ``"female"``, where given.
    remarks : tuple of str
        Oddities met while reading that do not make the signal wrong (a stale initial value, a sum that is missing).
    synthetic : bool
        True when no person was recorded.
    """

    name: str
    signal: np.ndarray
    leads: tuple[str, ...]
    rate: float
    patient: str
    source: str
    licence: str
    annotations: Annotations | None = None
    statements: tuple[str, ...] = ()
    age: float | None = None
    sex: str | None = None
    remarks: tuple[str, ...] = field(default=())
    synthetic: bool = False

    def __post_init__(self) -> None:
        if self.signal.ndim != 2 or self.signal.shape[1] != len(self.leads):
            raise DataError(
                f"record {self.name}: signal of shape {self.signal.shape} for {len(self.leads)} leads",
                "a signal is [samples, leads]",
            )
        if self.signal.dtype != np.float32:
            raise DataError(f"record {self.name}: signal is {self.signal.dtype}", "signals are float32, in mV")
        if (np.abs(self.signal) > MAX_MILLIVOLTS).any():
            raise DataError(f"record {self.name}: samples beyond {MAX_MILLIVOLTS:g} mV",
                            "copy its files again; of a project's own recordings, data.unit says what they are in")
        if len(set(self.leads)) != len(self.leads):
            raise DataError(f"record {self.name}: a lead name is there twice: {self.leads}", "check its header")
        if not (np.isfinite(self.rate) and self.rate > 0):
            raise DataError(f"record {self.name}: sampling rate {self.rate}", "a rate is a positive number")

    @property
    def samples(self) -> int:
        """Number of samples of each lead."""
        return self.signal.shape[0]

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.samples / self.rate

    def lead(self, name: str) -> np.ndarray:
        """One lead by its name, never by its place: float32 [samples]."""
        wanted = canonical_lead(name)
        if wanted not in self.leads:
            error = unknown("lead", name, self.leads)
            raise DataError(f"record {self.name} has no lead {name} (it has {', '.join(self.leads)})", error.hint)
        return self.signal[:, self.leads.index(wanted)]

    def with_signal(self, signal: np.ndarray, **changes: object) -> Record:
        """This record with another signal (and other changed attributes)."""
        return replace(self, signal=np.ascontiguousarray(signal, np.float32), **changes)  # type: ignore[arg-type]

    def faults(self, saturated_share: float = 0.05) -> tuple[LeadFault, ...]:
        """Leads that are empty, flat, saturated or have gaps.

        A lead is *flat* when all its samples are equal, *saturated* when at least `saturated_share` of its samples
        sit in runs of three or more at its largest or smallest value.
        """
        found = []
        for name, lead in zip(self.leads, self.signal.T, strict=True):
            bad = np.isnan(lead)
            if bad.all():
                found.append(LeadFault(name, "missing", "no sample has a value"))
                continue
            if bad.any():
                found.append(LeadFault(name, "nan", f"{int(bad.sum())} of {lead.size} samples have no value"))
            good = lead[~bad]
            low, high = good.min(), good.max()
            if low == high:
                found.append(LeadFault(name, "flat", f"all samples are {low:g} mV"))
                continue
            stuck = max(_in_runs(good == low), _in_runs(good == high)) / good.size
            if stuck >= saturated_share:
                found.append(LeadFault(name, "saturated", f"{100 * stuck:.1f} % of the samples sit at a limit"))
        return tuple(found)


def _in_runs(hit: np.ndarray, shortest: int = 3) -> int:
    """How many true values stand in runs of at least `shortest`."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], hit.view(np.int8), [0]))))
    lengths = edges[1::2] - edges[::2]
    return int(lengths[lengths >= shortest].sum())
