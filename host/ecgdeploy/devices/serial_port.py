"""A device behind any pyserial URL: a device path, ``socket://``, ``rfc2217://``."""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path
from typing import Any

from ecgdeploy.errors import DeviceError, UsageError
from ecgdeploy.link.transport import LineLost, Transport

BAUD = 115200
# opening a board's USB port at this rate makes it jump into its boot loader
TOUCH_BAUD = 1200
WRITE_TIMEOUT_S = 5.0
# a restarting board's USB port is gone for a while
RETURN_S = 8.0
RETURN_POLL_S = 0.2
NETWORK_LATENCY_S = 0.5
LOCAL_LATENCY_S = 0.15
REMOTE_POLL_S = 0.05
KEPT = "what was measured is kept"
READ_BYTES = 4096


class SerialTransport(Transport):
    """A serial line.

    Parameters
    ----------
    url : str
        What ``serial.serial_for_url`` takes.
    baud : int
        Baud rate; says nothing on USB, a pty or a socket.
    """

    start_s = 3.0

    def __init__(self, url: str, baud: int = BAUD) -> None:
        if baud == TOUCH_BAUD:
            raise UsageError(f"{url}: {TOUCH_BAUD} baud restarts a board into its boot loader", "use another rate")
        self.name = url
        self.url = url
        self.baud = baud
        self._remote = url.lower().startswith("rfc2217:")
        self.latency_s = NETWORK_LATENCY_S if "://" in url else LOCAL_LATENCY_S
        self._serial: Any = None
        self._identity = ""

    def open(self) -> None:
        """Open the port, raw and for us alone. Raises DeviceError: absent, busy (naming who holds it), no right."""
        import serial

        options: dict[str, Any] = {"baudrate": self.baud, "timeout": 0, "write_timeout": WRITE_TIMEOUT_S}
        if self._remote:
            # pyserial's RFC 2217 has no write time-out, and negotiates with the server at every change of a setting
            options = {"baudrate": self.baud, "timeout": REMOTE_POLL_S}
        if "://" not in self.url:
            options["exclusive"] = True
        try:
            self._serial = serial.serial_for_url(self.url, **options)
        except (serial.SerialException, OSError, ValueError) as error:
            raise self._explain(error) from error
        if "://" not in self.url:
            self._identity = usb_identities().get(os.path.realpath(self.url), "")

    def _explain(self, error: Exception) -> DeviceError:
        number = getattr(error, "errno", None)
        text = str(error)
        path = Path(self.url)
        if "://" in self.url:
            reason = re.sub(r"^.*?: ", "", text) if "Could not open port" in text else text
            return DeviceError(f"{self.url}: cannot be opened: {reason}", "check address and that the server listens")
        if not path.exists():
            return DeviceError(f"{self.url}: there is no such port", "is the board plugged in?")
        if number == 13 or "Permission denied" in text:
            return DeviceError(f"{self.url}: no right to open it", "add yourself to group dialout and log in again")
        holders = port_holders(path)
        if holders or number in (11, 16) or "exclusively lock" in text:
            who = ", ".join(holders) or "another process"
            return DeviceError(f"{self.url}: is in use by {who}", "end it, or wait until it is done")
        return DeviceError(f"{self.url}: cannot be opened: {text}", "is it a serial port?")

    def reopen(self) -> None:
        """Wait for the port to come back after a restart or a pulled cable; a USB board may come back renamed."""
        self.close()
        until = time.monotonic() + RETURN_S
        while True:
            try:
                self._follow()
                return self.open()
            except DeviceError as error:
                if time.monotonic() >= until:
                    raise DeviceError(f"the line was lost, and {error.message}", f"{error.hint}; {KEPT}") from error
                time.sleep(RETURN_POLL_S)

    def _follow(self) -> None:
        """Turn to the port at which the same USB board, by its serial number, is now; stay while there is none."""
        if not self._identity or Path(self.url).exists():
            return
        found = [path for path, identity in usb_identities().items() if identity == self._identity]
        if len(found) == 1:
            self.name = self.url = found[0]

    def read(self, timeout: float) -> bytes:
        """Bytes from the line."""
        port = self._port()
        try:
            if self._remote:
                return self._read_remote(port, timeout)
            port.timeout = timeout
            data = port.read(1)
            if data:
                port.timeout = 0
                data += port.read(READ_BYTES)
            return bytes(data)
        except Exception as error:
            raise self._lost(error) from error

    @staticmethod
    def _read_remote(port: Any, timeout: float) -> bytes:
        until = time.monotonic() + timeout
        while not (data := port.read(1)):
            if time.monotonic() >= until:
                return b""
        return bytes(data + port.read(port.in_waiting))

    def write(self, data: bytes) -> None:
        """Bytes to the line."""
        try:
            self._port().write(data)
        except Exception as error:
            raise self._lost(error) from error

    def _port(self) -> Any:
        if self._serial is None:
            raise LineLost("the port is closed")
        return self._serial

    def _lost(self, error: Exception) -> LineLost:
        import serial

        if isinstance(error, LineLost):
            return error
        if isinstance(error, (serial.SerialException, OSError, TypeError, AttributeError)):
            return LineLost(str(error) or type(error).__name__)
        raise error

    def close(self) -> None:
        """Close the port."""
        port, self._serial = self._serial, None
        if port is not None:
            with contextlib.suppress(Exception):
                port.close()


def usb_identities() -> dict[str, str]:
    """Serial ports of USB boards with a serial number of their own: device path to ``vvvv:pppp number``."""
    from serial.tools import list_ports

    return {
        os.path.realpath(info.device): f"{info.vid:04x}:{info.pid:04x} {info.serial_number}"
        for info in list_ports.comports()
        if info.vid is not None and info.pid is not None and info.serial_number
    }


def port_holders(path: Path) -> list[str]:
    """Processes that have the port open, as ``name (pid N)``; those of other users cannot be seen."""
    real, holders = os.path.realpath(path), []
    for folder in Path("/proc").glob("[0-9]*/fd"):
        pid = folder.parent.name
        if int(pid) == os.getpid():
            continue
        try:
            if any(os.path.realpath(link) == real for link in folder.iterdir()):
                name = (folder.parent / "comm").read_text().strip()
                holders.append(f"{name} (pid {pid})")
        except OSError:
            continue
    return holders
