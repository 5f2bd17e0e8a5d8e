"""Which beat is which, where the comparison begins and ends, and what fibrillation and shutdown do to it.

The expected figures are those of the reference program for the same annotations.
"""

import math

import pytest

from ecgdeploy.scoring.ec57 import Annotation, compare_annotations
from ecgdeploy.scoring.ec57.annotations import code_of
from ecgdeploy.scoring.ec57.compare import EITHER_ENDS, REFERENCE_ENDS

END = 650000


def marks(text):
    """'500N 800V 900~48' -> annotations; a number after the mnemonic is the subtype."""
    found = []
    for word in text.split():
        digits = len(word) - len(word.lstrip("0123456789"))
        found.append(Annotation(int(word[:digits]), code_of(word[digits]), int(word[digits + 1 :] or 0)))
    return found


def compare(reference, test, rate=360, start=0, end=END, window=None):
    return compare_annotations(marks(reference), marks(test), rate, start=start, end=end, window=window)


RHYTHM = "500N 800N 1100N 1400N 1700N"


@pytest.mark.parametrize(
    ("test", "counts", "rr_error"),
    [
        (RHYTHM, {"Nn": 5}, "0.00"),
        ("500N 800N 1110N 1400N 1700N", {"Nn": 5}, "19.64"),
        ("500N 800N 1400N 1700N", {"Nn": 4, "No": 1}, "589.26"),
        ("500N 800N 950N 1100N 1400N 1700N", {"Nn": 5, "On": 1}, "263.52"),
        ("500N 800N 1154N 1400N 1700N", {"Nn": 5}, "106.07"),
        ("500N 800N 1155N 1400N 1700N", {"Nn": 4, "No": 1, "On": 1}, None),
        ("", {"No": 5}, "nan"),
    ],
)
def test_beats_match_within_150_ms(test, counts, rr_error):
    comparison = compare(RHYTHM, test)
    assert dict(comparison.counts) == counts
    if rr_error is not None:
        assert f"{comparison.rr_error_ms:.2f}" == rr_error


def test_the_closer_of_two_candidates_is_the_partner():
    assert dict(compare("1000V", "960N 990V").counts) == {"Vv": 1, "On": 1}
    assert dict(compare("960N 990V", "1000V").counts) == {"Vv": 1, "No": 1}


def test_a_beat_whose_rival_has_a_closer_partner_keeps_its_match():
    assert dict(compare("1000N 1040V", "1030N 1041V").counts) == {"Nn": 1, "Vv": 1}


@pytest.mark.parametrize(
    ("mnemonic", "name"),
    [("L", "N"), ("B", "N"), ("e", "S"), ("n", "S"), ("a", "S"), ("r", "V"), ("E", "V"), ("f", "Q"), ("/", "Q")],
)
def test_mnemonics_map_to_the_five_classes(mnemonic, name):
    assert dict(compare(f"500N 1000{mnemonic}", f"500N 1000{mnemonic}").counts) == (
        {"Nn": 2} if name == "N" else {"Nn": 1, name + name.lower(): 1}
    )


@pytest.mark.parametrize("mnemonic", ["!", "|", "x", "+", '"'])
def test_what_is_no_beat_is_not_compared(mnemonic):
    assert dict(compare(f"500N 1000{mnemonic}", "500N").counts) == {"Nn": 1}


@pytest.mark.parametrize(
    ("reference", "test", "counts"),
    [
        # the reference beat decides on which side of the start a pair lies
        ("400N 700N 1000N 1300N", "400N 700N 946N 1300N", {"Nn": 2}),
        ("400N 700N 1000N 1300N", "400N 700N 945N 1300N", {"Nn": 1, "No": 1}),
        ("400N 700N 990N 1300N", "400N 700N 1001N 1300N", {"Nn": 1}),
        ("400N 700N 990N 1300N", "400N 700N 1100N 1300N", {"Nn": 1, "On": 1}),
        ("400N 700N 985N 1300N", "400N 700N 1010N 1020N 1300N", {"Nn": 1, "On": 1}),
    ],
)
def test_pairs_around_the_start(reference, test, counts):
    assert dict(compare(reference, test, start=1000).counts) == counts


def test_the_learning_period_is_five_minutes_at_any_rate():
    beats = "74000N 75000N 76000N"
    assert compare_annotations(marks(beats), marks(beats), 250.0, end=END)["Nn"] == 2


@pytest.mark.parametrize(
    ("end", "matched"), [(999, 2), (1000, 3), (1299, 3), (1300, 4), (EITHER_ENDS, 4), (REFERENCE_ENDS, 4)]
)
def test_the_end_includes_its_sample(end, matched):
    assert compare("400N 700N 1000N 1300N", "400N 700N 1000N 1310N 1700V", end=end)["Nn"] == matched


def test_where_either_ends_nothing_is_missed_after_the_end():
    assert dict(compare("400N 700N", "400N 700N 1000V", end=EITHER_ENDS).counts) == {"Nn": 2}
    assert dict(compare("400N 700N 1000V", "400N 700N", end=EITHER_ENDS).counts) == {"Nn": 2}
    assert dict(compare("400N 700N 1000V", "400N 700N", end=REFERENCE_ENDS).counts) == {"Nn": 2, "Vo": 1}


@pytest.mark.parametrize(("position", "extra"), [(999, 1), (1000, 0), (1250, 0), (1500, 0), (1501, 1)])
def test_test_beats_in_ventricular_fibrillation_do_not_count(position, extra):
    comparison = compare("400N 700N 1000[ 1500] 2000N 2300N", f"400N 700N {position}V 2000N 2300N")
    assert comparison["Nn"] == 4
    assert comparison["Ov"] == extra


def test_reference_beats_in_fibrillation_do_not_count_and_break_the_rr_interval():
    comparison = compare("400N 700N 1000[ 1200V 1500] 2000N 2300N", "400N 700N 2010N 2300N")
    assert dict(comparison.counts) == {"Nn": 4}
    assert comparison.rr_intervals == 2 and f"{comparison.rr_error_ms:.2f}" == "19.64"


@pytest.mark.parametrize(
    ("marks_of_test", "position", "column", "seconds"),
    [
        ("1000~48 1500~0", 999, "o", 1),
        ("1000~48 1500~0", 1000, "x", 1),
        ("1000~48 1500~0", 1500, "x", 1),
        ("1000~48 1500~0", 1501, "o", 1),
        # one mark alone stands for the whole gap, less a match window at both ends
        ("1000~48", 754, "x", 3),
        ("1000~48", 1946, "x", 3),
        ("1000~48", 1947, "o", 3),
        ("1000~51 1200~48 1500~1", 1300, "x", 2),
        # both bits are needed
        ("1000~16 1500~0", 1250, "o", 0),
        ("1000~32 1500~0", 1250, "o", 0),
    ],
)
def test_beats_missed_in_shutdown(marks_of_test, position, column, seconds):
    comparison = compare(f"400N 700N {position}V 2000N 2300N", f"400N 700N {marks_of_test} 2000N 2300N")
    assert comparison["V" + column] == 1 and comparison["Nn"] == 4
    assert comparison.shutdown_seconds == seconds


def test_extra_beats_in_an_unreadable_part_of_the_reference_are_set_apart():
    comparison = compare("400N 700N 1000~48 1500~0 2000N", "400N 700N 1200V 1700V 2000N")
    assert (comparison["Xv"], comparison["Ov"]) == (1, 1)


def test_a_shutdown_that_never_ends_lasts_to_the_end_of_the_record():
    assert compare("10000N", "10000N 12000~48", end=48000).shutdown_seconds == 100
    unknown = compare("10000N 13000V", "10000N 12000~48", end=REFERENCE_ENDS)
    assert (unknown.shutdown_seconds, unknown.unterminated, unknown["Vx"]) == (0, 12000, 1)


def test_no_veb_leaves_the_figures_undefined():
    statistics = compare(RHYTHM, RHYTHM).as_dict()
    assert statistics["veb_sensitivity"] is None and statistics["qrs_sensitivity"] == 1.0
    assert compare("", "").as_dict()["rr_error_ms"] is None


def test_a_fractional_rate_counts_whole_samples_a_second():
    comparison = compare("500N 800N 1100N", "500N 800N 1110N", rate=360.5)
    assert comparison.rr_error_ms == pytest.approx(math.sqrt(50) * 1000 / 361, rel=1e-12)
