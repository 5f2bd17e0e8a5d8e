"""What ``systemctl`` does for one service, for tests: the unit file's ExecStartPre and ExecStart, READY=1, a rollback.

Run by the fake board (ssh_board.py) in the place of the real one. It does not restart what died: a real systemd does.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

HOME, RUN = Path(os.environ["FAKE_HOME"]), Path(os.environ["FAKE_RUN"])
EMULATOR = shlex.split(os.environ["FAKE_EMULATOR"])
UNITS = HOME / "etc/systemd/system"
PID = RUN / "pid"
READY_S = 120.0


def placed(text: str) -> str:
    """Text of a file of the board, for the shell, with paths as they are here."""
    for name in ("/opt/ecgdeploy", "/etc/systemd/system"):
        text = text.replace(name, shlex.quote(f"{HOME}{name}"))
    return text.replace("/run/ecgdeploy", shlex.quote(f"{RUN}/run/ecgdeploy"))


def commands(unit: str, key: str) -> list[list[str]]:
    """Command lines of a unit file's `key`."""
    lines = placed((UNITS / unit).read_text()).splitlines()
    return [shlex.split(line.split("=", 1)[1]) for line in lines if line.startswith(f"{key}=")]


def stop() -> None:
    """Kill the service's process."""
    with contextlib.suppress(OSError, ValueError):
        os.kill(int(PID.read_text()), signal.SIGKILL)
    PID.unlink(missing_ok=True)


def start(unit: str) -> int:
    """Start a unit; its exit status."""
    if "rollback" in unit:
        (shell, script) = commands(unit, "ExecStart")[0]
        return subprocess.run([shell, "-c", placed(Path(script).read_text())], check=False).returncode
    stop()
    for command in commands(unit, "ExecStartPre"):
        if subprocess.run([*EMULATOR, *command], check=False).returncode:
            return 1
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears:
        path = RUN / "notify"
        path.unlink(missing_ok=True)
        ears.bind(str(path))
        ears.settimeout(READY_S)
        process = subprocess.Popen(
            [*EMULATOR, *commands(unit, "ExecStart")[0]],
            env=os.environ | {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "10000000"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(RUN / "stderr").open("wb"),
            start_new_session=True,
        )
        PID.write_text(str(process.pid))
        with contextlib.suppress(TimeoutError):
            return 0 if b"READY=1" in ears.recv(4096) else 1
    return 1


def main(words: list[str]) -> int:
    """Carry out a command line."""
    verb, unit = words[0], words[-1]
    if verb == "show":
        print((RUN / "restarts").read_text() if (RUN / "restarts").exists() else "0")
    elif verb == "is-active":
        return 0 if PID.exists() and Path(f"/proc/{PID.read_text()}").exists() else 3
    elif verb in ("start", "restart") or (verb == "--no-block" and words[1] == "restart"):
        return start(unit)
    elif verb == "stop" or "--now" in words:
        stop()
    elif verb not in ("--version", "daemon-reload", "enable", "reset-failed"):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
