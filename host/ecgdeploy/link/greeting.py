"""Who answers a HELLO, and whether a session with it may begin."""

from __future__ import annotations

import struct

from ecgdeploy.errors import DeviceError, ProtocolError
from ecgdeploy.link import protocol
from ecgdeploy.link.codec import Frame
from ecgdeploy.link.values import Hello


def refuse_version(frame: Frame, line: str) -> None:
    """Raise ProtocolError when ERROR in answer to HELLO says that the firmware speaks another version."""
    error = protocol.ERROR.unpack(frame.payload)
    code = protocol.by_value(protocol.ERRORS, error["code"])
    if code.name == "version":
        raise ProtocolError(
            f"{line}: the firmware speaks protocol {error['detail']}, not {protocol.VERSION}", code.hint
        )


def accept(frame: Frame, line: str, expect_model: str | None, before: Hello | None) -> Hello:
    """The device behind a WELCOME.

    Parameters
    ----------
    frame : Frame
        The WELCOME.
    line : str
        Name of the line, for messages.
    expect_model : str, optional
        SHA-256 (hexadecimal) that the device's model must have.
    before : Hello, optional
        Who answered earlier in this client's life: after a restart it must be the same build.

    Raises
    ------
    DeviceError
        The engine did not start, or another model or another build answers.
    ProtocolError
        The payload is none of a WELCOME.
    """
    try:
        hello = Hello.parse(frame.payload)
    except (struct.error, IndexError) as error:
        raise ProtocolError(f"{line}: WELCOME cannot be read", "rebuild the firmware") from error
    if hello.engine_status != "ok":
        raise DeviceError(
            f"{line}: the engine did not start ({hello.engine_status})",
            "the model needs more memory than the image gives it: build again with a larger arena",
        )
    if expect_model and hello.model_sha256 != expect_model:
        raise DeviceError(
            f"{line}: the device runs model {hello.model_sha256[:12]}…, not {expect_model[:12]}…",
            "flash the firmware built from this model, or measure the model that is on the device",
        )
    if before is not None and hello.build_id != before.build_id:
        raise DeviceError(
            f"{line}: another firmware answers after the restart: build {hello.build_id}, before {before.build_id}",
            "measure it from the beginning",
        )
    return hello
