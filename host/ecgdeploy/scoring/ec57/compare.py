"""The beat-by-beat comparison of ANSI/AAMI EC57 (clause 4.3): which beat of one annotator is which of the other.

Two beats match when they are no further apart than the match window (150 ms) and neither has a closer partner in the
next beat of the other annotator. A reference beat without partner is missed (``o``; ``x`` when the test annotator had
shut down), a test beat without partner is extra (``O``; ``X`` when the reference annotator had shut down).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ecgdeploy.scoring.ec57.annotations import Annotation
from ecgdeploy.scoring.ec57.track import Track, track
from ecgdeploy.scoring.values import plain, ratio

MATCH_WINDOW_SECONDS = 0.15
LEARNING_SECONDS = 300.0
BEATS = "NSVFQ"

EITHER_ENDS = "either"
"""Stop when one of the annotators has no beat left (``-t 0``)."""

REFERENCE_ENDS = "reference"
"""Stop when the reference annotator has no beat left (a record of unknown length)."""


@dataclass(frozen=True)
class Comparison:
    """What one annotator said of another's beats.

    Attributes
    ----------
    counts : mapping of str to int
        Element of the confusion matrix -> events: reference class (N, S, V, F, Q; O extra; X extra in shutdown), then
        test class (n, s, v, f, q; o missed; x missed in shutdown). Elements without events are absent.
    rr_error_ms : float
        Root mean square of the difference of RR intervals, ms; NaN when no interval was compared.
    rr_intervals : int
        Number of RR intervals compared.
    shutdown_seconds : int
        Time that the test annotator was shut down, rounded.
    unterminated : int or None
        Sample at which a shutdown began that never ended (it is not in `shutdown_seconds`), else None.
    """

    counts: Mapping[str, int]
    rr_error_ms: float
    rr_intervals: int
    shutdown_seconds: int
    unterminated: int | None = None

    def __getitem__(self, element: str) -> int:
        """Events of one element, such as ``Nv``; 0 when there were none."""
        return self.counts.get(element, 0)

    def total(self, rows: str, columns: str) -> int:
        """Events in the given rows and columns, such as ``total("NSVFQ", "o")``."""
        return sum(self.counts.get(row + column, 0) for row in rows for column in columns)

    def without_sveb(self) -> Comparison:
        """Return the comparison with supraventricular ectopic beats called normal (EC57 without the SVEB option)."""
        merged: Counter[str] = Counter()
        for element, events in self.counts.items():
            merged[element.replace("S", "N").replace("s", "n")] += events
        return Comparison(
            MappingProxyType(dict(merged)),
            self.rr_error_ms,
            self.rr_intervals,
            self.shutdown_seconds,
            self.unterminated,
        )

    @property
    def statistics(self) -> dict[str, tuple[int, int]]:
        """EC57's figures as (numerator, denominator), in the order of its reports (clauses 4.3.3 and 4.3.4)."""
        matched = self.total(BEATS, "nsvfq")
        false_veb = self.total("NSOX", "v")
        return {
            "qrs_sensitivity": (matched, self.total(BEATS, "nsvfqox")),
            "qrs_positive_predictivity": (matched, self.total(BEATS + "OX", "nsvfq")),
            "veb_sensitivity": (self["Vv"], self.total("V", "nsvfqox")),
            "veb_positive_predictivity": (self["Vv"], self["Vv"] + false_veb),
            "veb_false_positive_rate": (false_veb, false_veb + self.total("NSFQOX", "nsfq")),
            "sveb_sensitivity": (self["Ss"], self.total("S", "nsvfqox")),
            "sveb_positive_predictivity": (self["Ss"], self.total("NSVFOX", "s")),
        }

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: the counts, each figure as a share (None when undefined), RR error and shutdown."""
        return {
            "counts": dict(sorted(self.counts.items())),
            **{name: plain(ratio(*pair)) for name, pair in self.statistics.items()},
            "rr_error_ms": plain(self.rr_error_ms),
            "rr_intervals": self.rr_intervals,
            "shutdown_seconds": self.shutdown_seconds,
        }


def compare_annotations(
    reference: Sequence[Annotation],
    test: Sequence[Annotation],
    rate: float,
    *,
    start: int | None = None,
    end: int | str = REFERENCE_ENDS,
    window: int | None = None,
) -> Comparison:
    """Compare a test annotator's beats with a reference annotator's.

    Parameters
    ----------
    reference, test : sequence of Annotation
        In time order.
    rate : float
        Sampling frequency in hertz.
    start : int, optional
        First sample compared; by default five minutes from the start of the record (the learning period).
    end : int or str
        Last sample compared, or `EITHER_ENDS` or `REFERENCE_ENDS`.
    window : int, optional
        Match window in samples; by default 150 ms.

    Returns
    -------
    Comparison
    """
    start = int(LEARNING_SECONDS * rate + 0.5) if start is None else start
    window = int(MATCH_WINDOW_SECONDS * rate + 0.5) if window is None else window
    return _Matcher(track(reference, window, False), track(test, window, True), start, end, window).run(rate)


class _Matcher:
    """Walks both tracks; `ref` and `test` are the numbers of the beats under consideration."""

    def __init__(self, reference: Track, test: Track, start: int, end: int | str, window: int) -> None:
        self.reference, self.other, self.end, self.window = reference, test, end, window
        self.ref = reference.first_from(start)
        self.test = test.first_from(start)
        self.counts: Counter[str] = Counter()
        self.squares = 0
        self.intervals = 0
        if start > 0:
            self._settle_start(start)

    def _settle_start(self, start: int) -> None:
        """Decide to which side of the start a pair of beats around it belongs: to that of its reference beat."""
        first = self.reference.sample(self.ref)
        now = self.other.sample(self.test)
        before = self.other.sample(self.test - 1) if self.test else 0
        if self.ref < len(self.reference.beats) and 0 <= first - before <= self.window and first - before < now - first:
            # the test beat just before the start is the partner of the first reference beat; where there is none,
            # the reference program takes the start of the record for one
            if self.test:
                self.test -= 1
            else:
                self.ref += 1
        elif self.test < len(self.other.beats) and now - start <= self.window:
            after = self.other.sample(self.test + 1)
            if abs(after - first) < abs(now - first):
                self.test += 1

    def run(self, rate: float) -> Comparison:
        while self._goes_on():
            self._step()
        shutdown, unterminated = 0, None
        for interval in self.other.shutdown:
            if interval.known_from > self.test + 1:
                continue
            if interval.length is not None:
                shutdown += interval.length
            elif isinstance(self.end, int):
                shutdown += self.end - interval.start
            else:
                unterminated = interval.start
        # here the reference program counts in whole samples a second, and half a second rounds up
        second, half = int(rate + 0.5), int(rate / 2 + 0.5)
        error = math.sqrt(self.squares / self.intervals) * 1000 / second if self.intervals else math.nan
        return Comparison(
            MappingProxyType(dict(self.counts)), error, self.intervals, int((shutdown + half) / second), unterminated
        )

    def _goes_on(self) -> bool:
        more_reference = self.ref < len(self.reference.beats)
        more_test = self.test < len(self.other.beats)
        if self.end == REFERENCE_ENDS:
            return more_reference
        if isinstance(self.end, str):
            return more_reference and more_test
        return (more_reference and self.reference.sample(self.ref) <= self.end) or (
            more_test and self.other.sample(self.test) <= self.end
        )

    def _step(self) -> None:
        ref, ref_next = self.reference.sample(self.ref), self.reference.sample(self.ref + 1)
        test, test_next = self.other.sample(self.test), self.other.sample(self.test + 1)
        test_leads = test < ref
        # the rival is the next beat of the annotator that is behind: closer to the other's beat, it takes the match,
        # unless it has a still closer partner of its own
        rival = abs(ref - test_next) if test_leads else abs(test - ref_next)
        gap = abs(ref - test)
        if gap <= self.window and (gap < rival or abs(ref_next - test_next) < rival):
            self._count(self.reference.beats[self.ref].label + self.other.beats[self.test].label.lower())
            self.ref += 1
            self.test += 1
        elif test_leads:
            if not any(interval.covers(test, self.ref) for interval in self.reference.fibrillation):
                row = "X" if any(i.covers(test, self.ref) for i in self.reference.shutdown) else "O"
                self._count(row + self.other.beats[self.test].label.lower())
            self.test += 1
        else:
            column = "x" if any(i.covers(ref, self.test) for i in self.other.shutdown) else "o"
            self._count(self.reference.beats[self.ref].label + column)
            self.ref += 1

    def _count(self, element: str) -> None:
        self.counts[element] += 1
        reference, test = self.reference.rr(self.ref), self.other.rr(self.test)
        if reference is not None and test is not None:
            self.squares += (reference - test) ** 2
            self.intervals += 1
