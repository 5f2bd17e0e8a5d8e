"""One inference under way, from its input bytes to a checked result."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

from ecgdeploy.link import protocol
from ecgdeploy.link.values import Hello, Inference


class Rejected(Exception):
    """A result that does not belong to what was sent; the inference is done again."""


@dataclass(eq=False)
class Request:
    """An inference that was asked for.

    Attributes
    ----------
    id, data, crc
        Its number, its input and the input's CRC-32.
    queued : bool
        Its last DATA command has been made.
    repeats : int
        How often it was done again because its result was wrong.
    done : Inference or None
        The checked result.
    """

    id: int
    data: bytes
    crc: int
    queued: bool = False
    repeats: int = 0
    done: Inference | None = None
    _result: dict[str, Any] | None = None
    _outputs: bytearray = field(default_factory=bytearray)

    def restart(self) -> None:
        """Begin again from the first byte, in a new session."""
        self.queued, self._result = False, None
        self._outputs.clear()

    def take_result(self, payload: bytes) -> None:
        """RESULT. Raises Rejected when it is of another input, ``struct.error`` when it is too short."""
        result = protocol.RESULT.unpack(payload)
        if result["id"] != self.id or result["input_crc"] != self.crc:
            raise Rejected("the engine was fed other bytes than were sent")
        self._result = result
        self._outputs[:] = result["tail"]

    def take_output(self, payload: bytes) -> None:
        """OUTPUT: the next bytes of outputs that did not fit into RESULT. Raises ``struct.error`` when too short."""
        output = protocol.OUTPUT.unpack(payload)
        if output["offset"] == len(self._outputs):
            self._outputs += output["tail"]

    @property
    def next_output(self) -> int | None:
        """Offset of the first output byte that is still to be read; None when there is none or no RESULT yet."""
        if self._result is None or len(self._outputs) >= self._result["output_bytes"]:
            return None
        return len(self._outputs)

    def finish(self, hello: Hello) -> int:
        """Check and set `done`; returns the output's size. Raises Rejected."""
        result = self._result
        assert result is not None
        ok = result["status"] == 0
        outputs, at = [], 0
        for tensor in hello.outputs if ok else ():
            outputs.append(bytes(self._outputs[at : at + tensor.bytes]))
            at += tensor.bytes
        if ok and (at != len(self._outputs) or zlib.crc32(self._outputs) != result["output_crc"]):
            raise Rejected("the outputs do not match their CRC")
        self.done = Inference(
            outputs=tuple(outputs),
            input_crc=result["input_crc"],
            output_crc=result["output_crc"],
            ticks=result["ticks"],
            unit=hello.unit,
            status=protocol.by_value(protocol.ENGINE_STATUSES, result["status"]).name,
            flags=protocol.flag_names(result["flags"]),
            stack_used=result["stack_used"],
        )
        return at
