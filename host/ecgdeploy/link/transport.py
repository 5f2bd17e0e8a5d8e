"""What a link needs of a line: bytes out, bytes in, and a way to open it again."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod


class LineLost(Exception):
    """The line broke: unplugged, closed by the other end, process gone. The client opens it again or gives up."""


class Silence(LineLost):
    """The line stands, but nothing comes from the other end."""


class Transport(ABC):
    """A full-duplex line of bytes that may lose, damage or delay them.

    Attributes
    ----------
    name : str
        What a person calls it: a port, a URL, a process.
    latency_s : float
        What the line itself adds to the device's announced budgets, in seconds.
    start_s : float
        How long the device may take to answer its first HELLO after `open`, in seconds.
    """

    name: str = "line"
    latency_s: float = 0.1
    start_s: float = 3.0

    def now(self) -> float:
        """Seconds on the clock by which silence is judged."""
        return time.monotonic()

    @abstractmethod
    def open(self) -> None:
        """Open the line. Raises DeviceError when there is nothing to open."""

    def reopen(self) -> None:
        """Open again after a loss, giving the device time to come back. Raises DeviceError when it does not."""
        self.close()
        self.open()

    @abstractmethod
    def read(self, timeout: float) -> bytes:
        """Bytes that have come in; waits up to `timeout` seconds for the first. Raises LineLost."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send all bytes. Raises LineLost."""

    @abstractmethod
    def close(self) -> None:
        """Release the line; never raises."""

    def post_mortem(self) -> str:
        """What is known about why the device does not answer; empty when nothing is."""
        return ""
