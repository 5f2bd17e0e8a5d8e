"""``make fuzz``: libFuzzer with address and undefined-behaviour sanitizers on the C parser and on the application.

The seed corpus is made by `seeds`, the same bytes that the differential test gives to both parsers. Prints one JSON
object.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from ecgdeploy.errors import BuildError
from ecgdeploy.link import protocol
from ecgdeploy.link.codec import encode
from ecgdeploy.resources import assets

SANITIZE = "-fsanitize=fuzzer,address,undefined"
# target -> sources under firmware/
TARGETS = {
    "parser": ("fuzz/fuzz_parser.c", "link/ecgd_link.c"),
    "application": (
        "fuzz/fuzz_app.c", "link/ecgd_link.c", "app/ecgd_app.c", "app/ecgd_stack.c", "port/host/library.c",
        "fake/ecgd_fake_engine.c",
    ),
}  # fmt: skip
# a frame of the parser target's capacity, and some bytes around it; short inputs are many inputs
LONGEST_INPUT = 320


@dataclass(frozen=True)
class Outcome:
    """What fuzzing one target came to."""

    target: str
    executions: int
    seconds: float
    executions_per_minute: int
    finding: str | None


def seeds() -> list[bytes]:
    """Good, damaged and nearly good streams; always the same."""
    source = random.Random(1)
    streams = [b"", b"\0", b"\0\0\0", b"\x01\0", b"\xff" * 300 + b"\0"]
    for message in protocol.MESSAGES:
        for size in (0, 1, 16, 253, 254, 255, 280):
            payload = source.choice((bytes(size), source.randbytes(size), b"\1" * size))
            whole = encode(message.id, 3, source.randrange(65536), source.randrange(1 << 32), payload)
            at = source.randrange(len(whole))
            streams += [
                whole,
                whole[:at] + whole[at + 1 :],
                whole[:at] + bytes([whole[at] ^ 1 << source.randrange(8)]) + whole[at + 1 :],
                whole[:-1] + whole,
                source.randbytes(20) + b"\0" + whole,
            ]
    return streams


def fuzz(target: str, seconds: int, folder: Path, runs: int = 0) -> Outcome:
    """Fuzz one target for a time, or for a number of executions.

    Raises
    ------
    BuildError
        clang is missing, or the target does not compile.
    """
    if shutil.which("clang") is None:
        raise BuildError("clang is not installed, the fuzzers cannot be built", "apt install clang")
    firmware, binary, corpus = assets() / "firmware", folder / f"fuzz-{target}", folder / f"corpus-{target}"
    corpus.mkdir(parents=True, exist_ok=True)
    for index, seed in enumerate(seeds()):
        (corpus / f"seed-{index:03}").write_bytes(seed)
    command = ["clang", "-std=c11", "-O2", "-g", SANITIZE, "-fno-sanitize-recover=undefined", "-DECGD_FRAME_BYTES=300u"]
    command += [f"-I{firmware / name}" for name in ("include", "link", "app")]
    command += [*(str(firmware / name) for name in TARGETS[target]), "-o", str(binary)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        raise BuildError(f"fuzz target {target}: {(made.stderr.splitlines() or ['?'])[0]}", "see firmware/fuzz")
    options = [f"-max_len={LONGEST_INPUT}", f"-runs={runs}" if runs else f"-max_total_time={seconds}", "-seed=1"]
    options += ["-print_final_stats=1", f"-artifact_prefix={folder}/", "-reload=0"]
    start = time.monotonic()
    done = subprocess.run([str(binary), *options, str(corpus)], capture_output=True, text=True, check=False)
    took = time.monotonic() - start
    log = folder / f"{target}.log"
    log.write_text(done.stderr)
    count = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    executions = int(count[1]) if count else 0
    error = re.search(r"^(?:==\d+==\s*)?ERROR: .*$|^.*runtime error: .*$", done.stderr, re.MULTILINE)
    finding = None if done.returncode == 0 else f"{error[0] if error else 'failed'}; see {log}"
    return Outcome(target, executions, round(took, 1), round(60 * executions / took), finding)


def main() -> int:
    """Command line of ``make fuzz``."""
    parser = argparse.ArgumentParser(description="fuzz the firmware's link")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"))
    options = parser.parse_args()
    outcomes = []
    for target in TARGETS:
        outcomes.append(fuzz(target, options.seconds, options.folder))
        sys.stderr.write(f"{json.dumps(asdict(outcomes[-1]))}\n")
    sys.stdout.write(json.dumps({outcome.target: asdict(outcome) for outcome in outcomes}) + "\n")
    return 1 if any(outcome.finding for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
