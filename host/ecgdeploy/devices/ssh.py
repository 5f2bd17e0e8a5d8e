"""A Linux board over SSH: commands, files, and the firmware's line over a channel. Host keys are checked strictly.

The firmware is a program that speaks the link's protocol on its standard input and output, so that a channel of the
connection is the line; nothing listens on the board's network.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ecgdeploy.errors import BuildError, DeviceError, UsageError
from ecgdeploy.link.transport import LineLost, Transport

PORT = 22
CONNECT_S = 15.0
COMMAND_S = 120.0
CHUNK = 32768
# what was switched to last: the systemd service's release, or one in the user's home
FIND_PROGRAM = "ls -td /opt/ecgdeploy/current ecgdeploy/current 2>/dev/null | head -n 1"


class RemoteError(DeviceError):
    """A board over the network failed; `code` names the way, in one word that scripts can rely on."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(f"{message} [{code}]", hint)
        self.code = code


@dataclass(frozen=True)
class Done:
    """A finished command: exit status and what it wrote."""

    status: int
    output: str
    errors: str


class Remote(Protocol):
    """What a deployment needs of a board."""

    name: str

    def run(self, command: str, data: bytes = b"", timeout: float = COMMAND_S) -> Done:
        """Run a shell command with `data` as its input."""

    def line(self, program: str) -> Transport:
        """The line to a program's standard input and output."""


def parse_host(text: str) -> tuple[str | None, str, int]:
    """``[ssh://][user@]host[:port]`` as (user, host, port).

    Raises
    ------
    UsageError
        It is none.
    """
    match = re.fullmatch(r"(?:ssh://)?(?:([^@\s/:]+)@)?([A-Za-z0-9._-]+)(?::(\d{1,5}))?/?", text)
    if match is None or not 0 < int(match.group(3) or PORT) < 65536:
        raise UsageError(f"'{text}' names no board on the network", "write user@host or user@host:port")
    return match.group(1), match.group(2), int(match.group(3) or PORT)


class SshRemote:
    """A board reached through SSH; a context manager.

    Parameters
    ----------
    host : str
        ``[ssh://][user@]host[:port]``.
    known_hosts, key : Path, optional
        Instead of the user's own known hosts and keys.

    Raises
    ------
    RemoteError
        On entering: ``unreachable``, ``host_key`` or ``login``.
    BuildError
        paramiko is not installed.
    """

    def __init__(self, host: str, known_hosts: Path | None = None, key: Path | None = None) -> None:
        self.user, self.host, self.port = parse_host(host)
        self.known_hosts, self.key = known_hosts, key
        self.name = f"{self.host}:{self.port}"
        self._client: Any = None

    def __enter__(self) -> SshRemote:
        """Connect."""
        try:
            import paramiko
        except ImportError as error:
            raise BuildError("paramiko is not installed", "pip install 'ecgdeploy[flash]'") from error
        client = paramiko.SSHClient()
        if self.known_hosts is None:
            client.load_system_host_keys()
        else:
            client.load_host_keys(str(self.known_hosts))
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        try:
            client.connect(
                self.host,
                self.port,
                username=self.user,
                key_filename=str(self.key) if self.key else None,
                allow_agent=self.key is None,
                look_for_keys=self.key is None,
                timeout=CONNECT_S,
                banner_timeout=CONNECT_S,
                auth_timeout=CONNECT_S,
            )
        except paramiko.BadHostKeyException as error:
            raise RemoteError("host_key", f"{self.name}: the host key has changed",
                              "another board, or an attack: compare keys, then edit ~/.ssh/known_hosts") from error
        except paramiko.AuthenticationException as error:
            raise RemoteError("login", f"{self.name}: login refused", "install your key: ssh-copy-id") from error
        except paramiko.SSHException as error:
            if "not found in known_hosts" in str(error):
                raise RemoteError("host_key", f"{self.name}: unknown host key",
                                  "connect once with ssh and compare the fingerprint") from error
            transport = client.get_transport()
            if transport is not None and transport.initial_kex_done:  # it spoke with us: the key did not please
                raise RemoteError("login", f"{self.name}: login refused: {error}",
                                  "install your key: ssh-copy-id") from error
            raise RemoteError("unreachable", f"{self.name}: {error}", "is its SSH server running?") from error
        except (OSError, EOFError) as error:
            raise RemoteError("unreachable", f"{self.name}: {error}", "is it on, and on this network?") from error
        self._client = client
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
        if self._client is not None:
            self._client.close()

    def _channel(self, command: str) -> Any:
        try:
            channel = self._client.get_transport().open_session(timeout=CONNECT_S)
            channel.exec_command(command)
        except Exception as error:
            raise RemoteError("unreachable", f"{self.name}: connection lost: {error}", "try again") from error
        return channel

    def run(self, command: str, data: bytes = b"", timeout: float = COMMAND_S) -> Done:
        """Run a shell command with `data` as its input.

        Raises
        ------
        RemoteError
            ``unreachable`` when the connection breaks, ``timeout`` when the command does not end.
        """
        channel = self._channel(command)
        channel.settimeout(timeout)
        try:
            with contextlib.suppress(OSError):  # a full disk ends the reader first; its status tells
                channel.sendall(data)
            channel.shutdown_write()
            output = b"".join(iter(lambda: channel.recv(CHUNK), b""))
            errors = b"".join(iter(lambda: channel.recv_stderr(CHUNK), b""))
            status = channel.recv_exit_status()
        except TimeoutError as error:
            raise RemoteError("timeout", f"{self.name}: no answer for {timeout:g} s", "look at the board") from error
        except OSError as error:
            raise RemoteError("unreachable", f"{self.name}: connection lost: {error}", "try again") from error
        finally:
            channel.close()
        return Done(status, output.decode("utf-8", "replace"), errors.decode("utf-8", "replace"))

    def line(self, program: str) -> Transport:
        """The line to a program's standard input and output."""
        return ChannelTransport(self, program)


class ChannelTransport(Transport):
    """A line over an SSH channel on which `program` runs."""

    latency_s = 2.0
    start_s = 20.0

    def __init__(self, remote: SshRemote, program: str) -> None:
        self.remote, self.program = remote, program
        self.name = f"{remote.name} {program}"
        self._channel: Any = None

    def open(self) -> None:
        """Start the program."""
        self._channel = self.remote._channel(self.program)

    def read(self, timeout: float) -> bytes:
        """Bytes from the program."""
        channel = self._open_channel()
        channel.settimeout(max(timeout, 1e-3))
        try:
            data = channel.recv(CHUNK)
        except TimeoutError:
            return b""
        if not data:
            raise LineLost(self.post_mortem() or "the program ended")
        return bytes(data)

    def write(self, data: bytes) -> None:
        """Bytes to the program."""
        channel = self._open_channel()
        channel.settimeout(CONNECT_S)
        try:
            channel.sendall(data)
        except OSError as error:
            raise LineLost(self.post_mortem() or f"the program's input is closed: {error}") from error

    def _open_channel(self) -> Any:
        if self._channel is None:
            raise LineLost("the line is closed")
        return self._channel

    def close(self) -> None:
        """End the program by closing its input."""
        channel, self._channel = self._channel, None
        if channel is not None:
            with contextlib.suppress(Exception):
                channel.close()

    def post_mortem(self) -> str:
        """The end of what the program wrote to its errors."""
        said = b""
        channel = self._channel
        while channel is not None and channel.recv_stderr_ready():
            said += channel.recv_stderr(CHUNK)
        return " ".join(said[-300:].decode("utf-8", "replace").split())


def own_remote(host: str, known_hosts: Path | None = None, key: Path | None = None) -> SshRemote:
    """The board, with what `$ECGDEPLOY_KNOWN_HOSTS` and `$ECGDEPLOY_SSH_KEY` say where nothing is given."""
    return SshRemote(host, known_hosts or _from("ECGDEPLOY_KNOWN_HOSTS"), key or _from("ECGDEPLOY_SSH_KEY"))


def _from(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None


def current_program(remote: Remote) -> str:
    """The program of the release that a board serves.

    Raises
    ------
    RemoteError
        ``start``: nothing was deployed.
    """
    found = remote.run(FIND_PROGRAM).output.strip()
    if not found:
        raise RemoteError("start", f"{remote.name}: no release is deployed", "ecgdeploy flash FOLDER --host USER@HOST")
    return f"{found}/firmware"


class SshLine(Transport):
    """``ssh://user@host``: the deployed firmware of a board, over its own connection."""

    latency_s = ChannelTransport.latency_s
    start_s = ChannelTransport.start_s

    def __init__(self, url: str, known_hosts: Path | None = None, key: Path | None = None) -> None:
        self._remote = own_remote(url, known_hosts, key)
        self._line: Transport | None = None
        self.name = f"ssh {self._remote.name}"

    def open(self) -> None:
        """Connect and start the program."""
        self._remote.__enter__()
        self._line = self._remote.line(current_program(self._remote))
        self._line.open()

    def read(self, timeout: float) -> bytes:
        """Bytes from the program."""
        if self._line is None:
            raise LineLost("the line is closed")
        return self._line.read(timeout)

    def write(self, data: bytes) -> None:
        """Bytes to the program."""
        if self._line is None:
            raise LineLost("the line is closed")
        self._line.write(data)

    def close(self) -> None:
        """End the program and the connection."""
        line, self._line = self._line, None
        if line is not None:
            line.close()
        self._remote.__exit__()

    def post_mortem(self) -> str:
        """The end of what the program wrote to its errors."""
        return self._line.post_mortem() if self._line is not None else ""
