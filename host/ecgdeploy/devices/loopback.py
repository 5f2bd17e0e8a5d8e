"""The firmware as a library of this process: no waiting, no time but the one counted here, repeats exactly.

For fault injection and differential tests; `ecgdeploy.devices.fake.build_fake("library")` makes the library.
"""

from __future__ import annotations

import ctypes
import shutil
import tempfile
from pathlib import Path

from ecgdeploy.link.transport import Transport

ANSWER_BYTES = 65536
POWER_ON, SOFTWARE, WATCHDOG = 0, 1, 2


class LoopbackTransport(Transport):
    """A line into a firmware library.

    Parameters
    ----------
    library : Path
        Shared library of the application, an engine and the ``library`` port.
    keepalives : int
        How many keep-alives every computation sends.
    """

    name = "loopback"
    latency_s = 0.0
    start_s = 0.3

    def __init__(self, library: Path, keepalives: int = 0) -> None:
        # a copy under its own name: the firmware's state is static, and each transport needs its own
        self._folder = tempfile.TemporaryDirectory()
        copy = Path(self._folder.name) / library.name
        shutil.copy(library, copy)
        self._firmware = ctypes.CDLL(str(copy))
        self._firmware.ecgd_library_run.restype = ctypes.c_size_t
        self._answer = ctypes.create_string_buffer(ANSWER_BYTES)
        self._inbox = bytearray()
        self._now = 0.0
        self._firmware.ecgd_library_keepalives(keepalives)
        self.restart(POWER_ON)

    def now(self) -> float:
        """Seconds counted so far: only waiting takes time."""
        return self._now

    def restart(self, cause: int = WATCHDOG) -> None:
        """The board restarts; what was in its receive buffer is gone."""
        self._firmware.ecgd_library_restart(ctypes.c_uint8(cause))

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""
        self._inbox.clear()

    def read(self, timeout: float) -> bytes:
        """What the device has answered; nothing comes by waiting, so waiting only counts."""
        data, self._inbox = bytes(self._inbox), bytearray()
        if not data:
            self._now += timeout
        return data

    def write(self, data: bytes) -> None:
        """Bytes to the device, which answers at once."""
        count, room = ctypes.c_size_t(len(data)), ctypes.c_size_t(ANSWER_BYTES)
        size = self._firmware.ecgd_library_run(data, count, self._answer, room)
        self._inbox += self._answer.raw[:size] if size else b""
