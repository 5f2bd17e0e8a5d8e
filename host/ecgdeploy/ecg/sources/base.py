"""What the data sets have in common: they name their records, and read one of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from ecgdeploy.ecg.record import Record
from ecgdeploy.errors import unknown


class Source:
    """A data set in a folder."""

    kind: ClassVar[str]
    """What an error calls one of its records."""

    @property
    def known(self) -> Collection[str]:
        """The records that can be asked for: those that are here, unless the data set says otherwise."""
        raise NotImplementedError

    def names(self) -> tuple[str, ...]:
        """Names of the records that are here."""
        return tuple(self.known)

    def record(self, name: str) -> Record:
        """Read one record.

        Raises
        ------
        UsageError
            No record of this name here.
        DataError
            A file is missing or damaged, or is not what the data set's tables say.
        """
        if name not in self.known:
            raise unknown(self.kind, name, self.known)
        return self._read(name)

    def _read(self, name: str) -> Record:
        raise NotImplementedError
