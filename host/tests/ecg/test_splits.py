"""A split with a record or a person on two sides does not exist."""

from __future__ import annotations

import pytest

from ecgdeploy.ecg.sources import mitbih
from ecgdeploy.ecg.splits import Split
from ecgdeploy.ecg.tasks.beats import mitbih_split
from ecgdeploy.errors import DataError

PEOPLE = {"a": "1", "b": "2", "c": "3", "d": "3"}


def test_parts_with_disjoint_people_are_a_split():
    split = Split("s", ("a",), ("b",), ("c", "d"), PEOPLE)
    assert split.provenance()["split"] == "s"


@pytest.mark.parametrize(
    ("train", "validation", "test", "message"),
    [
        (("a",), ("b",), ("a",), "record a is in train and in test"),
        (("c",), ("b",), ("d",), "patient 3 is in train and in test"),
        (("a",), ("c",), ("d",), "patient 3 is in validation and in test"),
        (("a",), (), ("e",), "record e has no patient"),
        (("a",), ("b",), (), "no test records"),
        ((), ("b",), ("a",), "no train records"),
        (("a", "a"), ("b",), ("c",), "record a is in train and in train"),
    ],
)
def test_a_leak_is_refused_and_named(train, validation, test, message):
    with pytest.raises(DataError, match=message):
        Split("s", train, validation, test, PEOPLE)


def test_an_accepted_overlap_is_reported_in_the_provenance():
    split = Split("s", ("c",), (), ("d",), PEOPLE, accepted={"3": "published so"})
    assert split.provenance()["patients_in_two_parts"] == {"3": "published so"}


def test_the_published_division_is_kept_and_its_shared_patient_is_the_only_one():
    split = mitbih_split()
    assert set(split.train) | set(split.validation) == set(mitbih.DS1)
    assert set(split.test) == set(mitbih.DS2)
    everything = {*split.train, *split.validation, *split.test}
    assert set(mitbih.RECORDS) - everything == {"102", "104", "107", "217"}  # the paced records
    assert list(split.accepted) == ["mitdb-201"]
    with pytest.raises(DataError, match="patient mitdb-201 is in train and in test"):
        Split("without the exception", split.train, split.validation, split.test, split.patients)
