"""A Linux board for tests: a real SSH server (paramiko's) in a thread, a home folder, the firmware under QEMU."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import paramiko
from paramiko.common import cMSG_CHANNEL_SUCCESS

# places of a real board, which lie in the fake one's folder
PLACES = ("/opt/ecgdeploy", "/etc/systemd/system", "/run/ecgdeploy")
SYSTEMCTL = Path(__file__).with_name("fake_systemctl.py")
FAKES = {
    "uname": "echo {machine}",
    "getconf": "echo glibc {glibc}",
    "df": 'echo "$2" > "$FAKE_HOME/df.asked"; echo Filesystem; echo /dev/root 1 1 {free_kib} 1% /',
    "id": "[ \"$1\" = -u ] && echo {uid} || echo tester",
    "sudo": "shift; {sudo} && exec \"$@\"",
    "install": 'for word; do shift; [ "$word" != tester ] || word=$(/usr/bin/id -un); set -- "$@" "$word"; done; '
    'exec /usr/bin/install "$@"',
    "journalctl": "echo a line of the journal",
    "systemctl": "{systemctl} && exec {python} {script} \"$@\"",
}


class Server(paramiko.Transport):
    """Runs a command once the client has been told that it was taken.

    Its thread would else tell how the command ended before the server's own thread tells that.
    """

    def __init__(self, client: socket.socket) -> None:
        super().__init__(client)
        self.taken: list[threading.Thread] = []

    def _send_user_message(self, data: paramiko.Message) -> None:
        super()._send_user_message(data)
        if data.asbytes()[:1] == cMSG_CHANNEL_SUCCESS:
            while self.taken:
                self.taken.pop().start()


class Board(paramiko.ServerInterface):
    """Listens on a port of this computer; `facts` are what the board says of itself."""

    def __init__(self, home: Path, emulator: list[str], **facts: str) -> None:
        self.home, self.emulator = home, emulator
        self.facts = {
            "machine": "aarch64", "glibc": "2.36", "free_kib": "9999999", "uid": "1000", "sudo": "true",
            "systemctl": "true", "python": shlex.quote(sys.executable), "script": shlex.quote(str(SYSTEMCTL)),
        } | facts  # fmt: skip
        self.run = Path(tempfile.mkdtemp(prefix="board"))  # a socket's path has to be short
        self.commands: list[str] = []
        self.sabotage = lambda command: command
        self.key = paramiko.ECDSAKey.generate()
        self.user_key = home / "id_test"
        self.home.mkdir(parents=True, exist_ok=True)
        paramiko.ECDSAKey.generate().write_private_key_file(str(self.user_key))
        (self.run / "run/ecgdeploy").mkdir(parents=True)
        self.place("/etc/systemd/system").mkdir(parents=True)
        fakes = home / "bin"
        fakes.mkdir()
        for name, body in FAKES.items():
            (fakes / name).write_text("#!/bin/sh\n" + body.format(**self.facts) + "\n")
            (fakes / name).chmod(0o755)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.known_hosts = home / "known_hosts"
        self.trust(self.key)
        self.transports: list[Server] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def trust(self, key: paramiko.PKey) -> None:
        """Write the client's known hosts file."""
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {key.get_name()} {key.get_base64()}\n")

    def close(self) -> None:
        """Switch the board off."""
        # close() alone leaves the port listening for as long as the serving thread waits in accept()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for transport in self.transports:
            transport.close()
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self.run / "pid").read_text()), signal.SIGKILL)
        shutil.rmtree(self.run, ignore_errors=True)

    def place(self, path: str) -> Path:
        """Where a path of the board lies."""
        (word,) = shlex.split(self.placed(path))
        return Path(word)

    def placed(self, command: str) -> str:
        """A command for the shell, with the board's paths as they are here."""
        for name in PLACES:
            root = self.run if name.startswith("/run") else self.home
            command = re.sub(rf"(?<!\w){name}", shlex.quote(f"{root}{name}").replace("\\", r"\\"), command)
        return command

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                transport = Server(client)
                transport.add_server_key(self.key)
                self.transports.append(transport)
                with contextlib.suppress(paramiko.SSHException, EOFError):
                    transport.start_server(server=self)

    def check_auth_publickey(self, username, key):  # noqa: ARG002
        """Anybody, unless the board is strict."""
        return paramiko.AUTH_FAILED if "strict" in self.facts else paramiko.AUTH_SUCCESSFUL

    def get_allowed_auths(self, username):  # noqa: ARG002
        """Keys only."""
        return "publickey"

    def check_channel_request(self, kind, chanid):  # noqa: ARG002
        """Sessions."""
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel, command):
        """Run the command in the home folder, an aarch64 program under the emulator."""
        run = threading.Thread(target=self._run, args=(channel, command.decode()), daemon=True)
        channel.get_transport().taken.append(run)
        return True

    def _run(self, channel, command: str) -> None:
        self.commands.append(command)
        command = self.sabotage(command)
        if match := re.fullmatch(r"(?:sudo -n )?(\S+/firmware)((?: \S+)*)", command):
            program = self.home / self.place(match[1])
            command = f"exec {shlex.join([*self.emulator, str(program)])}{match[2]}"
        command = self.placed(command)
        process = subprocess.Popen(
            ["sh", "-c", command],
            cwd=self.home,
            env=os.environ
            | {"PATH": f"{self.home / 'bin'}:{os.environ['PATH']}", "FAKE_HOME": str(self.home)}
            | {"FAKE_RUN": str(self.run), "FAKE_EMULATOR": shlex.join(self.emulator)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )

        def feed() -> None:
            with contextlib.suppress(OSError):
                while data := channel.recv(65536):
                    process.stdin.write(data)
            with contextlib.suppress(OSError):
                process.stdin.close()

        def drain(stream, send) -> None:
            with contextlib.suppress(OSError):
                while data := os.read(stream.fileno(), 65536):
                    send(data)

        threads = [
            threading.Thread(target=drain, args=(process.stdout, channel.sendall), daemon=True),
            threading.Thread(target=drain, args=(process.stderr, channel.sendall_stderr), daemon=True),
        ]
        for thread in (threading.Thread(target=feed, daemon=True), *threads):
            thread.start()
        for thread in threads:
            thread.join()
        with contextlib.suppress(OSError, EOFError):
            channel.send_exit_status(process.wait())
            channel.close()
