"""What a client of the link gives back: who answers, what an inference came to, what the line carried."""

from __future__ import annotations

from dataclasses import dataclass

from ecgdeploy.link import protocol


@dataclass(frozen=True)
class TensorInfo:
    """One input or output of the model, as the device says."""

    dtype: str
    bytes: int
    scale: float
    zero_point: int


@dataclass(frozen=True)
class Hello:
    """Who answers, and its limits (the fields of WELCOME)."""

    version: int
    flags: tuple[str, ...]
    build_id: str
    model_sha256: str
    engine: str
    board: str
    engine_status: str
    reset_cause: str
    frame_bytes: int
    window_bytes: int
    replies: int
    inline_output_bytes: int
    reply_s: float
    keepalive_s: float
    unit: str
    static_ram: int
    arena_bytes: int
    stack_bytes: int
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]

    @property
    def input_bytes(self) -> int:
        """Size of all inputs end to end."""
        return sum(tensor.bytes for tensor in self.inputs)

    @classmethod
    def parse(cls, payload: bytes) -> Hello:
        """Read a WELCOME payload; raises ``struct.error`` or ``IndexError`` when it is not one."""
        welcome = protocol.WELCOME.unpack(payload)
        layout = protocol.TENSOR
        tensors = []
        for index in range(welcome["inputs"] + welcome["outputs"]):
            values = layout.unpack(welcome["tail"][index * layout.struct.size :])
            dtype = protocol.DTYPES[values["dtype"]]
            tensors.append(TensorInfo(dtype, values["bytes"], values["scale"], values["zero_point"]))
        return cls(
            version=welcome["version"],
            flags=protocol.flag_names(welcome["flags"]),
            build_id=welcome["build_id"],
            model_sha256=welcome["model_sha256"].hex(),
            engine=welcome["engine"],
            board=welcome["board"],
            engine_status=protocol.by_value(protocol.ENGINE_STATUSES, welcome["engine_status"]).name,
            reset_cause=protocol.by_value(protocol.RESET_CAUSES, welcome["reset_cause"]).name,
            frame_bytes=welcome["frame_bytes"],
            window_bytes=welcome["window_bytes"],
            replies=welcome["replies"],
            inline_output_bytes=welcome["inline_output_bytes"],
            reply_s=welcome["reply_ms"] / 1000,
            keepalive_s=welcome["keepalive_ms"] / 1000,
            unit=protocol.by_value(protocol.TICK_UNITS, welcome["tick_unit"]).name,
            static_ram=welcome["static_ram"],
            arena_bytes=welcome["arena_bytes"],
            stack_bytes=welcome["stack_bytes"],
            inputs=tuple(tensors[: welcome["inputs"]]),
            outputs=tuple(tensors[welcome["inputs"] :]),
        )


@dataclass(frozen=True)
class Inference:
    """One checked result.

    Attributes
    ----------
    outputs : tuple of bytes
        Raw bytes of each output tensor, in order; empty when `status` is not ``ok``.
    input_crc, output_crc : int
        CRC-32 of the input as the engine consumed it (equal to the host's), and of all outputs end to end.
    ticks : int
        Time in begin, feed and finish, in `unit`.
    unit : str
        ``instructions`` (emulation), ``cycles`` or ``nanoseconds``.
    status : str
        ``ok`` or the engine's failure.
    flags : tuple of str
        Measurement flags the device raised: see ``ecgdeploy.measure.validity``.
    stack_used : int
        Stack high-water mark since start in bytes; 0 where the port does not know its stack.
    """

    outputs: tuple[bytes, ...]
    input_crc: int
    output_crc: int
    ticks: int
    unit: str
    status: str
    flags: tuple[str, ...]
    stack_used: int


@dataclass
class LinkStatistics:
    """What the line carried and what it cost, since the client was made."""

    bytes_sent: int = 0
    bytes_received: int = 0
    payload_bytes: int = 0  # inputs and outputs delivered, counted once
    frames_sent: int = 0
    frames_received: int = 0
    bad_frames: int = 0
    retries: int = 0  # commands sent again
    naks: int = 0
    silences: int = 0
    sessions: int = 0
    reopened: int = 0
    rejected: int = 0  # results whose CRCs did not match: done again
    inferences: int = 0
    host_s: float = 0.0  # host time spent on the link, waiting left out

    @property
    def goodput(self) -> float:
        """Payload bytes over all bytes on the wire, both ways."""
        total = self.bytes_sent + self.bytes_received
        return self.payload_bytes / total if total else 0.0
