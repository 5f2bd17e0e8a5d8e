"""``make chaos``: the real firmware behind a line that fails in every way, against an oracle that knows each answer.

Prints one JSON object: ``frames`` that met the line, answers ``accepted_wrong``, ``lost``, ``duplicated``; ``retries``.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from ecgdeploy.devices.fake import build_fake, expected
from ecgdeploy.devices.loopback import LoopbackTransport
from ecgdeploy.link.client import Client
from ecgdeploy.link.faults import FaultyTransport, Rates

# three frames an inference, the window smaller than a frame: everything that can be interrupted is
INPUT_BYTES, FRAME_BYTES, OUTPUT_BYTES = 600, 256, 8
HOLE_EVERY = 10
BATCH = 500


@dataclass
class Tally:
    """What a run of chaos found."""

    frames: int = 0
    accepted_wrong: int = 0
    lost: int = 0
    duplicated: int = 0
    retries: int = 0
    inferences: int = 0
    sessions: int = 0
    reopened: int = 0
    rejected: int = 0

    @property
    def clean(self) -> bool:
        """Nothing wrong, lost or duplicated."""
        return not (self.accepted_wrong or self.lost or self.duplicated)


def run(frames: int, rates: Rates, seed: int = 1, hole_every: int = 0) -> tuple[Tally, dict[str, int]]:
    """Inferences until `frames` frames have met the line.

    Returns
    -------
    Tally
        What came of them.
    dict
        How often each fault happened.
    """
    library = build_fake(
        "library", FAKE_INPUT_BYTES=INPUT_BYTES, FRAME_BYTES=f"{FRAME_BYTES}u", FAKE_OUTPUT_BYTES=OUTPUT_BYTES
    )
    board = LoopbackTransport(library, keepalives=1)
    line = FaultyTransport(board, rates, seed, restart=board.restart, hole_every=hole_every)
    client = Client(line, randbits=random.Random(seed).getrandbits)
    source, tally = random.Random(seed), Tally()
    _connect(client)
    while client.statistics.frames_sent + line.answers < frames:
        sent: list[bytes] = []

        def inputs(batch: list[bytes] = sent) -> Iterator[bytes]:
            for _ in range(BATCH):
                batch.append(source.randbytes(INPUT_BYTES))
                yield batch[-1]

        answers = [answer.outputs for answer in client.infer_many(inputs())]
        right = [(expected(data, OUTPUT_BYTES),) for data in sent]
        tally.lost += max(0, len(right) - len(answers))
        tally.duplicated += max(0, len(answers) - len(right))
        tally.accepted_wrong += sum(a != b for a, b in zip(answers, right, strict=False))
        tally.inferences += len(answers)
    use = client.statistics
    tally.frames, tally.retries = use.frames_sent + line.answers, use.retries
    tally.sessions, tally.reopened, tally.rejected = use.sessions, use.reopened, use.rejected
    return tally, dict(line.counts)


def _connect(client: Client) -> None:
    """The first HELLO too may meet a pulled cable."""
    from ecgdeploy.errors import DeviceError

    for attempt in range(10):
        try:
            client.connect()
            return
        except DeviceError:
            if attempt == 9:
                raise


def main() -> int:
    """Command line of ``make chaos``."""
    parser = argparse.ArgumentParser(description="the link under faults")
    parser.add_argument("--frames", type=int, default=500_000)
    parser.add_argument("--rate", type=float, default=0.01, help="of each fault")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    mixed, faults = run(options.frames, Rates.all(options.rate), options.seed)
    sys.stderr.write(f"mixed faults at {options.rate:g} each: {json.dumps(asdict(mixed))} {json.dumps(faults)}\n")
    holes, faults = run(options.frames, Rates(), options.seed, hole_every=HOLE_EVERY)
    sys.stderr.write(f"{HOLE_EVERY}th write loses 64 bytes: {json.dumps(asdict(holes))} {json.dumps(faults)}\n")
    total = {key: value + asdict(holes)[key] for key, value in asdict(mixed).items()}
    sys.stdout.write(json.dumps({**total, "mixed": asdict(mixed), "holes": asdict(holes)}) + "\n")
    return 0 if mixed.clean and holes.clean else 1


if __name__ == "__main__":
    sys.exit(main())
