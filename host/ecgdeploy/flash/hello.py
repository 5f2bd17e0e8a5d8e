"""Ask the firmware behind a serial port who it is, through the link's own client."""

from __future__ import annotations

from ecgdeploy.flash.system import Hello


def ask(device: str) -> Hello:
    """Connect to the firmware on `device` and read its HELLO.

    Raises
    ------
    DeviceError
        Nothing answers, or what answers does not speak the protocol.
    """
    from ecgdeploy.devices import open_device

    with open_device(port=device) as connected:
        hello = connected.hello
        return Hello(str(hello.build_id), str(hello.model_sha256), str(hello.engine))
