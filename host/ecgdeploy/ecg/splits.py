"""A split is a value: which records train, validate and test, with the patients of the parts proven disjoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ecgdeploy.errors import DataError
from ecgdeploy.provenance import sha256_json


@dataclass(frozen=True)
class Split:
    """Three disjoint sets of records, and of patients.

    Attributes
    ----------
    name : str
    train, validation, test : tuple of str
        Record names.
    patients : mapping of str to str
        The patient of each record.
    accepted : mapping of str to str
        Patients that a *published* split has in two parts, each with the reason it is kept. They are reported with
        every result (`provenance`); nothing else may overlap.

    Raises
    ------
    DataError
        A record or a patient in two parts, a record without a patient, an empty test or training part.
    """

    name: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    patients: Mapping[str, str]
    accepted: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            if not getattr(self, part):
                raise DataError(f"split {self.name}: no {part} records", "give every part its records")
        place: dict[str, str] = {}
        homes: dict[str, str] = {}
        for part in ("train", "validation", "test"):
            for record in getattr(self, part):
                if record in place:
                    raise DataError(
                        f"split {self.name}: record {record} is in {place[record]} and in {part}", "once is enough"
                    )
                place[record] = part
                if record not in self.patients:
                    raise DataError(f"split {self.name}: record {record} has no patient", "name the patient of each")
                person = self.patients[record]
                if homes.setdefault(person, part) != part and person not in self.accepted:
                    raise DataError(
                        f"split {self.name}: patient {person} is in {homes[person]} and in {part}",
                        "records of one person belong to one part",
                    )

    def provenance(self) -> dict[str, object]:
        """What identifies this split in a manifest."""
        parts = {part: sorted(getattr(self, part)) for part in ("train", "validation", "test")}
        content: dict[str, object] = {"split": self.name, "split_sha256": sha256_json(parts)}
        if self.accepted:
            content["patients_in_two_parts"] = dict(self.accepted)
        return content
