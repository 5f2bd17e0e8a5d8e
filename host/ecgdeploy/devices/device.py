"""A connected device: the client of the link, opened by what it is reached through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

from ecgdeploy.devices.process import MACHINE, ProcessTransport, qemu_transport
from ecgdeploy.devices.serial_port import BAUD, SerialTransport
from ecgdeploy.devices.ssh import SshLine
from ecgdeploy.errors import UsageError
from ecgdeploy.link.client import Client
from ecgdeploy.link.transport import Transport
from ecgdeploy.link.values import Hello, Inference, LinkStatistics


class Device:
    """A device under an open session; a context manager. Made by `open_device`."""

    def __init__(self, transport: Transport, expect_model: str | None = None) -> None:
        self._client = Client(transport, expect_model)
        self.name = transport.name

    def __enter__(self) -> Device:
        """Open the line and greet the device."""
        try:
            self._client.connect()
        except BaseException:
            self._client.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the line; an emulator ends."""
        self._client.close()

    @property
    def hello(self) -> Hello:
        """Who answers: build id, model, engine, board, limits, tensors."""
        return self._client.hello

    @property
    def statistics(self) -> LinkStatistics:
        """What the line carried so far."""
        return self._client.statistics

    def infer(self, data: bytes) -> Inference:
        """One inference; see `Client.infer_many`."""
        return self._client.infer(data)

    def infer_many(self, inputs: Iterable[bytes]) -> Iterator[Inference]:
        """Inferences in order, each exactly once, pipelined; see `Client.infer_many`."""
        return self._client.infer_many(inputs)

    def counters(self) -> dict[str, int]:
        """What the device's parser has seen."""
        return self._client.counters()

    def ping(self) -> None:
        """One round trip."""
        self._client.ping()

    def reset(self) -> Hello:
        """Restart the board and greet it again."""
        return self._client.reset()


def open_device(
    *,
    elf: Path | None = None,
    port: str | None = None,
    process: Sequence[str] | None = None,
    expect_model: str | None = None,
    uart: bool = False,
    baud: int = BAUD,
    machine: str = MACHINE,
) -> Device:
    """A device, to be used in a ``with`` statement.

    Parameters
    ----------
    elf : Path, optional
        Image for the emulated twin; QEMU is started and ends with the ``with`` block.
    port : str, optional
        Serial port or pyserial URL of a real board, or ``ssh://user@host`` of a Linux board with a deployed bundle.
    process : sequence of str, optional
        Command of a firmware compiled for this computer, speaking over standard input and output.
    expect_model : str, optional
        SHA-256 of the ``.tflite`` file, as hexadecimal digits; a device with another model is refused.
    uart : bool
        With `elf`: over the emulated UART instead of the semihosting console.
    baud : int
        With `port`: the line's rate.
    machine : str
        With `elf`: QEMU's machine, the `twin.machine` of the board the image is linked for.

    Raises
    ------
    UsageError
        Not exactly one of `elf`, `port` and `process` is given.
    DeviceError
        On entering: nothing there, busy, silent, another model; QEMU is missing.
    """
    if sum(item is not None for item in (elf, port, process)) != 1:
        raise UsageError("a device is reached through exactly one of an image, a port and a process", "give one")
    transport: Transport
    if elf is not None:
        transport = qemu_transport(elf, uart=uart, machine=machine)
    elif port is not None:
        transport = SshLine(port) if port.startswith("ssh://") else SerialTransport(port, baud)
    else:
        assert process is not None
        transport = ProcessTransport(process, f"process {Path(process[0]).name}")
    return Device(transport, expect_model)
