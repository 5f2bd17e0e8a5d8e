"""A device that is a process of this computer: QEMU's twin of a board, or the firmware compiled for the host."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ecgdeploy.errors import DeviceError
from ecgdeploy.link.transport import LineLost, Transport

QEMU = "qemu-system-arm"
QEMU_PACKAGE = "qemu-system-arm"
MACHINE = "mps2-an386"  # a Cortex-M4F
# 2^7 ns of virtual time an instruction: the emulated counter then resolves single instructions
ICOUNT_SHIFT = 7
EXIT_FAULT = 70  # firmware/port/mps2/startup.c
# a pipe loses nothing: silence is an emulator that waits for a busy processor, and a dead one closes the pipe
EMULATOR_LATENCY_S = 10.0
CHUNK = 65536
STDERR_TAIL = 300
# a process that has closed its output is about to end; a busy computer takes its time over it
END_S = 10.0
_PR_SET_PDEATHSIG = 1
# loaded here: between fork and exec, other threads' locks may be held for ever
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """In the child, before exec: die when the host program dies, so that no emulator is orphaned."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class ProcessTransport(Transport):
    """A line over a process's standard input and output.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    name : str
        What error messages call it.
    restart : bool
        Start it again when the client re-opens the line (a process standing in for a board that was unplugged); else
        a process that has ended is a DeviceError.
    """

    latency_s = 1.0
    start_s = 20.0

    def __init__(self, command: Sequence[str], name: str, restart: bool = False) -> None:
        self.command = list(command)
        self.name = name
        self.restart = restart
        self.process: subprocess.Popen[bytes] | None = None
        self._inbox = bytearray()
        self._stderr = b""

    def open(self) -> None:
        """Start the process."""
        if shutil.which(self.command[0]) is None:
            raise DeviceError(f"{self.name}: {self.command[0]} is not there or cannot be run", "build it first")
        self._inbox.clear()
        self._stderr = b""
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            preexec_fn=_die_with_parent,
        )
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)

    def reopen(self) -> None:
        """The same process if it lives; else a new one, where that is allowed."""
        if self.process is not None and self.process.poll() is None and not self.restart:
            return
        if not self.restart:
            why = self.post_mortem()
            raise DeviceError(
                f"{self.name}: {why or 'the process has ended'}",
                "what was measured is kept: run the same command with --resume",
            )
        self.close()
        self.open()

    def _alive(self) -> subprocess.Popen[bytes]:
        if self.process is None:
            raise LineLost("the process is not running")
        return self.process

    def read(self, timeout: float) -> bytes:
        """Bytes from the process."""
        process = self._alive()
        if not self._inbox:
            assert process.stdout is not None
            select.select([process.stdout], [], [], timeout)
            self._take(process)
        data, self._inbox = bytes(self._inbox), bytearray()
        return data

    def _take(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        try:
            data = os.read(process.stdout.fileno(), CHUNK)
        except BlockingIOError:
            return
        if not data:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(END_S)
            raise LineLost(self.post_mortem() or "the process closed its output")
        self._inbox += data

    def write(self, data: bytes) -> None:
        """Bytes to the process; what it sends meanwhile is taken in, so that the two never wait for each other."""
        process = self._alive()
        assert process.stdin is not None and process.stdout is not None
        at = 0
        while at < len(data):
            try:
                at += os.write(process.stdin.fileno(), data[at:])
            except BlockingIOError:
                readable, _, _ = select.select([process.stdout], [process.stdin], [])
                if readable:
                    self._take(process)
            except BrokenPipeError as error:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(END_S)
                raise LineLost(self.post_mortem() or "the process closed its input") from error

    def close(self) -> None:
        """End the process: first by closing its input, then by force."""
        process, self.process = self.process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        until = time.monotonic() + 0.2
        while process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stderr is not None:
            process.stderr.close()

    def post_mortem(self) -> str:
        """How the process ended, and the end of what it wrote to stderr."""
        process = self.process
        if process is None:
            return ""
        with contextlib.suppress(OSError, ValueError):
            assert process.stderr is not None
            self._stderr += os.read(process.stderr.fileno(), CHUNK)
        code = process.poll()
        said = " ".join(self._stderr[-STDERR_TAIL:].decode("utf-8", "replace").split())
        said = f": {said}" if said else ""
        if code is None:
            return ""
        if code < 0:
            return f"it was killed by {signal.Signals(-code).name}{said}"
        if code == EXIT_FAULT:
            return f"the firmware ran into a processor fault (exit code {code}){said}"
        return f"it ended with exit code {code}{said}"


def qemu_transport(
    elf: Path, uart: bool = False, icount: bool = True, machine: str = MACHINE
) -> ProcessTransport:
    """QEMU's Cortex-M running an image.

    Parameters
    ----------
    elf : Path
        Image linked for the ``mps2`` port.
    uart : bool
        Talk over the emulated UART (11-21 kB/s) instead of the semihosting console. The bytes are the same.
    icount : bool
        Count instructions; without it the device reports that its clock is not a counter.
    machine : str
        QEMU's name of the machine, the `twin.machine` of a board.

    Raises
    ------
    DeviceError
        QEMU or the image is missing.
    """
    program = shutil.which(QEMU)
    if program is None:
        raise DeviceError(f"{QEMU} is not installed, no board can be emulated", f"apt install {QEMU_PACKAGE}")
    if not Path(elf).is_file():
        raise DeviceError(f"{elf}: there is no such image", "run `ecgdeploy build --emulate` first")
    command = [program, "-M", machine, "-display", "none", "-monitor", "none", "-kernel", str(elf)]
    if icount:
        command += ["-icount", f"shift={ICOUNT_SHIFT}"]
    # without a chardev, QEMU's console is its own standard input and output
    command += ["-serial", "stdio" if uart else "none"]
    command += ["-semihosting-config", f"enable=on,target=native,arg={'uart' if uart else 'console'}"]
    transport = ProcessTransport(command, f"emulated board ({Path(elf).name})")
    transport.latency_s = EMULATOR_LATENCY_S
    return transport
