"""A line that does everything wrong that lines do: for tests of the link, and of anything that talks over it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields

from ecgdeploy.link.transport import LineLost, Transport

# an endpoint buffer of USB 2.0 full speed: what ArduinoCore-mbed loses when it reports unsent bytes as sent
HOLE_BYTES = 64
INSERT_MOST = 8
STALL_READS = 3


@dataclass(frozen=True)
class Rates:
    """Probability of each fault, for every piece that goes over the line, either way."""

    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    flip: float = 0.0
    truncate: float = 0.0
    insert: float = 0.0
    hole: float = 0.0
    stall: float = 0.0
    disconnect: float = 0.0
    reset: float = 0.0

    @classmethod
    def all(cls, rate: float) -> Rates:
        """Every fault at the same rate."""
        return cls(**{field.name: rate for field in fields(cls)})


class FaultyTransport(Transport):
    """Faults between a client and a device.

    What the host writes is a piece; what the device sends is cut into pieces at the frame delimiters.

    Parameters
    ----------
    inner : Transport
        The line itself.
    rates : Rates
        How often what happens.
    seed : int
        The same seed gives the same faults.
    restart : callable, optional
        Restarts the device; without it `reset` does nothing.
    hole_every : int
        When not 0: every so many pieces, in each direction, lose `HOLE_BYTES` bytes.
    """

    def __init__(
        self,
        inner: Transport,
        rates: Rates,
        seed: int,
        restart: Callable[[], None] | None = None,
        hole_every: int = 0,
    ) -> None:
        self.inner = inner
        self.rates = rates
        self.name = f"faulty {inner.name}"
        self.latency_s = inner.latency_s
        self.start_s = inner.start_s
        self.counts: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._restart = restart
        self._hole_every = hole_every
        self._passed = [0, 0]
        self._held = [b"", b""]
        self._stalled = 0
        self._backlog = b""
        self._cut = False

    @property
    def answers(self) -> int:
        """Frames the device has sent into the line."""
        return self._passed[1]

    def now(self) -> float:
        """The inner line's clock."""
        return self.inner.now()

    def open(self) -> None:
        """Open the inner line."""
        self._forget()
        self.inner.open()

    def reopen(self) -> None:
        """Plug in again: what was on its way is gone."""
        self._forget()
        self.inner.reopen()

    def close(self) -> None:
        """Close the inner line."""
        self.inner.close()

    def post_mortem(self) -> str:
        """What the inner line knows."""
        return self.inner.post_mortem()

    def write(self, data: bytes) -> None:
        """Bytes to the device, or what is left of them."""
        self._check()
        self.inner.write(self._harm(data, 0))
        self._check()

    def read(self, timeout: float) -> bytes:
        """Bytes from the device, or what is left of them."""
        self._check()
        if self._stalled:
            self._stalled -= 1
            self._backlog += self.inner.read(timeout)
            return b""
        data = self._backlog or self.inner.read(timeout)
        self._backlog = b""
        start, out = 0, bytearray()
        while start < len(data):
            end = data.find(b"\0", start) + 1 or len(data)
            out += self._harm(data[start:end], 1)
            start = end
        self._check()
        return bytes(out)

    def _check(self) -> None:
        if self._cut:
            raise LineLost("the cable was pulled")

    def _forget(self) -> None:
        self._cut, self._stalled, self._backlog, self._held = False, 0, b"", [b"", b""]

    def _happens(self, fault: str) -> bool:
        rate = getattr(self.rates, fault)
        if rate and self._random.random() < rate:
            self.counts[fault] += 1
            return True
        return False

    def _harm(self, data: bytes, way: int) -> bytes:
        """One piece after all faults, with whatever was held back before it."""
        self._passed[way] += 1
        held, self._held[way] = self._held[way], b""
        source = self._random
        if self._happens("disconnect"):
            self._cut = True
        if self._happens("reset") and self._restart is not None:
            self._restart()
        if self._happens("stall"):
            self._stalled = STALL_READS
        if self._hole_every and self._passed[way] % self._hole_every == 0:
            self.counts["hole"] += 1
            data = self._with_hole(data)
        if self._happens("hole"):
            data = self._with_hole(data)
        if self._happens("truncate"):
            data = data[: source.randrange(len(data) + 1)]
        if self._happens("flip") and data:
            at = source.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ 1 << source.randrange(8)]) + data[at + 1 :]
        if self._happens("insert"):
            at = source.randrange(len(data) + 1)
            data = data[:at] + source.randbytes(source.randrange(1, INSERT_MOST + 1)) + data[at:]
        if self._happens("drop"):
            data = b""
        if self._happens("duplicate"):
            data += data
        if self._happens("reorder"):
            self._held[way] = data
            data = b""
        return data + held

    def _with_hole(self, data: bytes) -> bytes:
        at = HOLE_BYTES * self._random.randrange(len(data) // HOLE_BYTES + 1)
        return data[:at] + data[at + HOLE_BYTES :]
