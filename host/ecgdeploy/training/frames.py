"""Random frames of long recordings with the labels of four pre-training tasks, in memory that does not grow.

Weimann K, Conrad TOF. Transfer learning for ECG classification. Scientific Reports 11:5251 (2021), section
"Pretraining". One pass reads every record once, draws its frames and labels them; a record that cannot be read is
skipped and named. Training then walks through the records in blocks: only a block's signals are in memory.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecgdeploy import scoring
from ecgdeploy.ecg.upstream import Lead, Upstream
from ecgdeploy.errors import DataError
from ecgdeploy.provenance import sha256_json
from ecgdeploy.training.config import PretrainPart

NO_LABEL = -1
#: a frame is standardized with its record; spikes beyond this many standard deviations are clipped
CLIP = 20.0
CLASSES: dict[str, tuple[str, ...]] = {
    "beat": ("normal", "S", "V", "aberrated"),
    "rhythm": ("normal", "AFIB", "AFL", "other"),
    "heart-rate": ("bradycardia", "normal", "tachycardia", "noise"),
}
_ABNORMAL = {"A": "S", "J": "S", "S": "S", "V": "V", "E": "V", "a": "aberrated"}
_RHYTHMS = {"(N": "normal", "(AFIB": "AFIB", "(AFL": "AFL"}
#: seconds that the heart rate's window is wider than the frame, at both ends
MARGIN = 1.0


def beat_label(lead: Lead, start: int, end: int) -> int:
    """The most frequent abnormal beat of the frame; normal without one; no label without a beat."""
    first, last = np.searchsorted(lead.beats, [start, end])
    if first == last:
        return NO_LABEL
    found = Counter(_ABNORMAL[s] for s in lead.symbols[first:last] if s in _ABNORMAL)
    return CLASSES["beat"].index(found.most_common(1)[0][0] if found else "normal")


def rhythm_label(lead: Lead, start: int, end: int) -> int:
    """The longer of atrial fibrillation and flutter where there is one, else the longest rhythm."""
    lengths: Counter[str] = Counter()
    for first, last, note in lead.rhythms:
        common = min(end, last) - max(start, first)
        if common > 0:
            lengths[_RHYTHMS.get(note, "other")] += common
    if not lengths:
        return NO_LABEL
    atrial = {name: n for name, n in lengths.items() if name in ("AFIB", "AFL")}
    chosen = max(atrial or lengths, key=lambda name: (lengths[name], name))
    return CLASSES["rhythm"].index(chosen)


def heart_rate_label(lead: Lead, start: int, end: int, rate: float) -> int:
    """Below 60, to 100 or above 100 beats a minute, from a QRS detector on a frame one second wider at both ends."""
    margin = round(MARGIN * rate)
    window = lead.signal[max(0, start - margin) : end + margin]
    try:
        beats = scoring.detect_qrs(window, rate)
    except (DataError, ValueError, IndexError):  # the detector's learning phase gives up on some short noisy windows
        beats = np.zeros(0, np.int64)
    if len(beats) < 2:
        return CLASSES["heart-rate"].index("noise")
    bpm = 60.0 * rate / float(np.diff(beats).mean())
    return CLASSES["heart-rate"].index("bradycardia" if bpm < 60 else "tachycardia" if bpm > 100 else "normal")


def span(part: PretrainPart) -> int:
    """Samples that one example takes from its record."""
    return part.samples * (part.context + part.offset + 1 if part.task == "future" else 1)


@dataclass(frozen=True, eq=False)
class Index:
    """Where every frame is.

    Attributes
    ----------
    names : tuple of str
        Records.
    record, start, target : int64 [n]
        Record number, first sample and class of each frame.
    classes : tuple of str
    skipped : dict
        Record -> why it was left out.
    """

    names: tuple[str, ...]
    record: np.ndarray
    start: np.ndarray
    target: np.ndarray
    classes: tuple[str, ...]
    skipped: dict[str, str]


def index(
    upstream: Upstream,
    part: PretrainPart,
    names: Sequence[str],
    seed: int,
    report: Callable[[int, int], None] = lambda *_: None,
) -> Index:
    """Draw and label the frames of the records `names`, reading one record at a time; there may be none."""
    label: Callable[[Lead, int, int], int] = {
        "beat": beat_label,
        "rhythm": rhythm_label,
        "heart-rate": lambda lead, a, b: heart_rate_label(lead, a, b, part.rate),
        "future": lambda *_: 0,
    }[part.task]
    need, rows, skipped = span(part), [], {}
    for number, name in enumerate(names):
        report(number, len(names))
        try:
            lead = upstream.lead(name, part.rate)
        except (DataError, OSError) as error:
            skipped[name] = getattr(error, "message", str(error))
            continue
        if len(lead.signal) < need:
            skipped[name] = f"{len(lead.signal)} samples, a frame needs {need}"
            continue
        # seeded by the name, so that a record's frames do not depend on which others are here
        rng = np.random.default_rng([seed, int(sha256_json(name)[:8], 16)])
        for start in rng.integers(0, len(lead.signal) - need + 1, part.frames_per_record).tolist():
            target = label(lead, start, start + part.samples)
            if target != NO_LABEL:
                rows.append((number, start, target))
    table = np.array(rows, np.int64).reshape(-1, 3)
    classes = CLASSES.get(part.task, ("the future",))
    return Index(tuple(names), table[:, 0], table[:, 1], table[:, 2], classes, skipped)


def only(found: Index, classes: Sequence[str]) -> Index:
    """The frames of some classes, numbered in their order."""
    old = [found.classes.index(name) for name in classes]
    keep = np.isin(found.target, old)
    place = np.full(len(found.classes), NO_LABEL)
    place[old] = np.arange(len(old))
    return Index(
        found.names, found.record[keep], found.start[keep], place[found.target[keep]], tuple(classes), found.skipped
    )


class Frames:
    """The frames of an index, read when asked for: [n, samples, 1] float32; what training takes in place of shards.

    Attributes
    ----------
    inputs : Frames
        Itself.
    targets : int64 [n]
    sha256 : str
        Hash of the index.
    """

    ndim = 3
    dtype = np.dtype(np.float32)
    person = None

    def __init__(self, upstream: Upstream, part: PretrainPart, found: Index) -> None:
        self.upstream, self.part, self.index = upstream, part, found
        self.targets, self.classes = found.target, found.classes
        frames = part.context + 1 if part.task == "future" else 1
        self.shape = (len(found.target), frames * part.samples, 1)
        self.record_ids = np.array([upstream.patient(name) for name in found.names])[found.record]
        table = np.stack([found.record, found.start, found.target])
        self.sha256 = sha256_json([found.names, table.tolist()])
        self._open: OrderedDict[int, np.ndarray] = OrderedDict()

    @property
    def inputs(self) -> Frames:
        """Itself: it indexes like an array."""
        return self

    def __len__(self) -> int:
        return self.shape[0]

    def epoch_order(self, seed: int, epoch: int) -> np.ndarray:
        """Records in random order, some at a time, and the frames of these mixed: int64 [n]."""
        rng = np.random.default_rng([seed, epoch])
        records = rng.permutation(np.unique(self.index.record))
        parts = []
        for first in range(0, len(records), self.part.records_in_memory):
            block = records[first : first + self.part.records_in_memory]
            parts.append(rng.permutation(np.flatnonzero(np.isin(self.index.record, block))))
        return np.concatenate(parts)

    def __getitem__(self, rows: Any) -> np.ndarray:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        rows = np.asarray(rows)
        if rows.ndim == 0:
            return self[rows[None]][0]
        out = np.empty((len(rows), *self.shape[1:]), np.float32)
        for number in np.unique(self.index.record[rows]):
            signal = self._signal(int(number))
            for place in np.flatnonzero(self.index.record[rows] == number):
                out[place, :, 0] = self._cut(signal, int(self.index.start[rows[place]]))
        return out

    def _cut(self, signal: np.ndarray, start: int) -> np.ndarray:
        part = self.part
        if part.task != "future":
            return signal[start : start + part.samples]
        present = signal[start : start + part.context * part.samples]
        future = start + (part.context + part.offset) * part.samples
        return np.concatenate([present, signal[future : future + part.samples]])

    def _signal(self, number: int) -> np.ndarray:
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        lead = self.upstream.lead(self.index.names[number], self.part.rate)
        self._open[number] = np.clip(lead.signal, -CLIP, CLIP)
        # a batch may lie across two blocks
        while len(self._open) > 2 * self.part.records_in_memory:
            self._open.popitem(last=False)
        return self._open[number]
