"""Every error a user can cause, with what to do next and the exit code it ends in.

The library raises these and never prints or exits; the command line turns them into one line and an exit code.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EcgDeployError(Exception):
    """Root of the tree.

    Parameters
    ----------
    message : str
        One line: what is wrong, naming the file, record, tensor or board.
    hint : str
        One line: what to do next.
    """

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class GateError(EcgDeployError):
    """A declared gate was missed: the work ran, its result is not good enough."""

    exit_code = 1


class UsageError(EcgDeployError):
    """The request makes no sense: unknown name, bad option, wrong file."""


class DataError(EcgDeployError):
    """A recording, label file or split is damaged, missing or used where it must not be."""


class ModelError(EcgDeployError):
    """A model file is damaged, or asks for something the engine or board cannot do."""


class DeviceError(EcgDeployError):
    """The device is absent, busy, dead, or is not the one we think."""

    exit_code = 3


class BuildError(EcgDeployError):
    """A tool is missing, a compile failed, or the image does not fit the board."""

    exit_code = 4


class ProtocolError(EcgDeployError):
    """The two ends of the link disagree."""

    exit_code = 5


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Error for an unknown `name`, naming the nearest known one."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(names)}"
    return UsageError(f"unknown {kind} '{name}'", hint)
