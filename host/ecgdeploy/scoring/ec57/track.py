"""One annotator's file as the comparison sees it: beats with their RR intervals, fibrillation and shutdown.

Ventricular fibrillation is what lies between ``[`` and ``]``: EC57 excludes it from the beat-by-beat comparison.
Shutdown (an unreadable signal) is marked by noise annotations with the bits 16 and 32 of the subtype set. It lasts to
the next noise annotation without these bits; where none follows directly, the mark stands for an interval that begins
a match window after the previous beat and ends a match window before the next annotation (the AHA database's habit).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecgdeploy.scoring.ec57.annotations import NOISE, VF_OFF, VF_ON, Annotation

FOREVER = 1 << 62
"""A sample number no record reaches: where the next beat is when there is none."""

_SHUTDOWN_BITS = 0x30


@dataclass(frozen=True)
class Beat:
    """A beat: its sample, its class (N, S, V, F, Q), and the RR interval before it in samples (None: not defined)."""

    sample: int
    label: str
    rr: int | None


@dataclass(frozen=True)
class Interval:
    """Samples from `start` to `end`, both included.

    `known_from` is the number of the beat with which a reader of the file learns of the interval: the comparison is
    defined on a stream and looks one beat ahead. `length` is what the interval adds to the shutdown time, None when it
    never ended.
    """

    start: int
    end: int
    known_from: int
    length: int | None = None

    def covers(self, sample: int, beat: int) -> bool:
        """Whether `sample` lies inside, as known to a reader at beat number `beat`."""
        # an interval that ends before it starts (marks closer than two windows) still covers its last sample
        inside = self.start <= sample <= self.end or sample == self.end
        return inside and self.known_from <= beat + 1


@dataclass(frozen=True)
class Track:
    """Beats, fibrillation and shutdown of one annotation file, in file order."""

    beats: tuple[Beat, ...]
    fibrillation: tuple[Interval, ...]
    shutdown: tuple[Interval, ...]

    def sample(self, beat: int) -> int:
        """Sample of beat number `beat`; FOREVER past the last one."""
        return self.beats[beat].sample if beat < len(self.beats) else FOREVER

    def rr(self, beat: int) -> int | None:
        """RR interval before beat number `beat`, in samples; None when undefined."""
        return self.beats[beat].rr if beat < len(self.beats) else None

    def first_from(self, sample: int) -> int:
        """Number of the first beat at or after `sample`."""
        return next((k for k, beat in enumerate(self.beats) if beat.sample >= sample), len(self.beats))


def track(annotations: Sequence[Annotation], window: int, reuse_end: bool) -> Track:
    """Read annotations into a `Track`.

    Parameters
    ----------
    annotations : sequence of Annotation
        In file order.
    window : int
        Match window in samples.
    reuse_end : bool
        Where a shutdown of this annotator is never ended, whether it inherits the end of the one before it. (In the
        reference program it does for the test annotator and not for the reference annotator.)

    Returns
    -------
    Track
    """
    beats: list[Beat] = []
    fibrillation: list[Interval] = []
    shutdown: list[Interval] = []
    previous = 0
    interrupted = True
    at = 0
    while at < len(annotations):
        annotation = annotations[at]
        at += 1
        if annotation.code == VF_ON:
            off = next((k for k in range(at, len(annotations)) if annotations[k].code == VF_OFF), None)
            interrupted = True
            if off is None:
                end = fibrillation[-1].end if fibrillation else FOREVER
                at = len(annotations)
            else:
                end = previous = annotations[off].sample
                at = off + 1
            fibrillation.append(Interval(annotation.sample, end, len(beats)))
        elif _is_shutdown(annotation):
            following = annotations[at] if at < len(annotations) else None
            interval = _shutdown(annotation, following, previous, window, len(beats))
            if following is None and reuse_end and shutdown:
                interval = Interval(interval.start, shutdown[-1].end, len(beats))
            shutdown.append(interval)
            interrupted |= following is None or interval.start <= following.sample
        elif (label := annotation.beat_class) is not None:
            defined = not interrupted and previous > 0 and annotation.sample > previous
            beats.append(Beat(annotation.sample, label, annotation.sample - previous if defined else None))
            previous, interrupted = annotation.sample, False
    return Track(tuple(beats), tuple(fibrillation), tuple(shutdown))


def _is_shutdown(annotation: Annotation) -> bool:
    return annotation.code == NOISE and annotation.subtype & _SHUTDOWN_BITS == _SHUTDOWN_BITS


def _shutdown(mark: Annotation, following: Annotation | None, previous: int, window: int, beats: int) -> Interval:
    if following is None:
        return Interval(mark.sample, FOREVER, beats)
    if following.code == NOISE and not _is_shutdown(following):
        start, end = mark.sample, following.sample
    else:
        start, end = previous + window, following.sample - window
    return Interval(start, end, beats, max(0, end - start))
