"""An emulated Linux board as a whole machine: QEMU with Debian's kernel, reached over SSH or a serial line.

``python -m ecgdeploy.devices.linux_machine`` boots one to look at and prints how to log in.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ecgdeploy.devices.linux_image import ADDRESS, USER, Image, file, system_image
from ecgdeploy.devices.process import _die_with_parent
from ecgdeploy.devices.ssh import SshRemote
from ecgdeploy.errors import DeviceError
from ecgdeploy.toolchains.debian import Tree
from ecgdeploy.toolchains.initrd import cpio

QEMU = "qemu-system-aarch64"
BOOT_S = 240.0  # generous: the emulator shares its processor with others
POLL_S = 0.25
CONSOLE_TAIL = 600
MEMORY_MIB = 512
KERNEL_OPTIONS = "quiet loglevel=4 panic=-1 audit=0 mitigations=off nokaslr cryptomgr.notests"
SYSTEM_OPTIONS = "systemd.show_status=0 systemd.log_level=warning systemd.mask=systemd-udevd.service"


@dataclass(frozen=True)
class Login:
    """How to reach a booted board."""

    host: str
    known_hosts: Path
    key: Path


def free_port() -> int:
    """A TCP port of this computer that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Machine:
    """QEMU running an image; a context manager that ends it.

    Parameters
    ----------
    image : Image
        Kernel and RAM disk.
    arguments : sequence of str
        QEMU's arguments for the machine: ``-M``, ``-cpu``, devices.
    extra : Tree
        Files for this start only, such as keys or the program to serve.
    append : str
        Kernel options.
    """

    def __init__(self, image: Image, arguments: Sequence[str], extra: Tree, append: str) -> None:
        self._image, self._arguments, self._extra, self._append = image, arguments, extra, append
        self._process: subprocess.Popen[bytes] | None = None
        self._stack = contextlib.ExitStack()
        self.folder = Path()

    def __enter__(self) -> Machine:
        """Start QEMU."""
        program = shutil.which(QEMU)
        if program is None:
            raise DeviceError(f"{QEMU} is not installed, no board can be emulated", "apt install qemu-system-arm")
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="ecgdeploy-board-")))
        initrd = self.folder / "initrd"
        # the kernel takes one archive after the other
        initrd.write_bytes(self._image.initrd.read_bytes() + cpio(self._extra))
        command = [
            program, *self._arguments, "-kernel", str(self._image.kernel), "-initrd", str(initrd),
            "-append", f"{KERNEL_OPTIONS} {self._append}", "-display", "none", "-monitor", "none", "-no-reboot",
        ]  # fmt: skip
        if self._image.dtb is not None:
            command += ["-dtb", str(self._image.dtb)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=(self.folder / "qemu.log").open("wb"),
            stderr=subprocess.STDOUT, cwd=self.folder, preexec_fn=_die_with_parent,
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        """Switch the board off."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._stack.close()

    def console(self) -> str:
        """The end of what the board wrote to its console, and QEMU to its errors."""
        said = ""
        for name in ("console.log", "qemu.log"):
            with contextlib.suppress(OSError):
                said += (self.folder / name).read_bytes()[-CONSOLE_TAIL:].decode("utf-8", "replace")
        return " ".join(said.split())

    def check(self, until: float) -> None:
        """Refuse to wait any longer when the machine ended or `until` (a monotonic time) has passed."""
        if self._process is None or self._process.poll() is not None:
            raise DeviceError("the emulated board ended", self.console())
        if time.monotonic() > until:
            raise DeviceError("the emulated board did not come up in time", self.console())


class SystemBoard(Machine):
    """QEMU's ``virt`` machine with systemd and SSH; `login` says how to reach it once it is entered.

    Parameters
    ----------
    model : str
        What the board calls itself.
    cpu : str
        QEMU's name of the processor.
    """

    def __init__(self, model: str = "Raspberry Pi 4 Model B", cpu: str = "cortex-a53") -> None:
        self.host_key, self._user_key = key_pair(), key_pair()
        self.port = free_port()
        extra = {
            "etc/ssh/ssh_host_ed25519_key": file(self.host_key[0], 0o600),
            "etc/ssh/keys": file(self._user_key[1] + "\n"),
        }
        forward = f"hostfwd=tcp:127.0.0.1:{self.port}-{ADDRESS}:22"
        arguments = [
            "-M", "virt", "-cpu", cpu, "-m", str(MEMORY_MIB), "-serial", "file:console.log",
            "-netdev", f"user,id=net,restrict=on,{forward}", "-device", "virtio-net-device,netdev=net",
        ]  # fmt: skip
        super().__init__(system_image(model), arguments, extra, f"console=ttyAMA0 {SYSTEM_OPTIONS}")
        self.boot_s = 0.0

    @property
    def login(self) -> Login:
        """How to reach it as the user ``pi``."""
        return Login(f"{USER}@127.0.0.1:{self.port}", self.folder / "known_hosts", self.folder / "id_test")

    def __enter__(self) -> SystemBoard:
        """Boot, and wait until every unit has started."""
        started = time.monotonic()
        super().__enter__()
        try:
            self.trust(self.host_key[1])
            key = self.login.key
            key.touch(0o600)
            key.write_text(self._user_key[0])
            while not self._greets():
                self.check(started + BOOT_S)
            with self.remote() as remote:
                state = remote.run("systemctl is-system-running --wait", timeout=BOOT_S).output.strip()
            self.boot_s = time.monotonic() - started
            if state != "running":
                raise DeviceError(f"the emulated board is '{state}'", self.console())
        except BaseException:
            self.__exit__()
            raise
        return self

    def trust(self, public: str) -> None:
        """Write the known hosts file of this computer: `public` is the key that the board should have."""
        self.login.known_hosts.write_text(f"[127.0.0.1]:{self.port} {public}\n")

    def remote(self) -> SshRemote:
        """A connection, to be used in a ``with`` statement."""
        login = self.login
        return SshRemote(login.host, login.known_hosts, login.key)

    def _greets(self) -> bool:
        """Whether a server answers: QEMU accepts connections long before the board listens."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=POLL_S) as connection:
                connection.settimeout(5.0)
                if connection.recv(4) == b"SSH-":
                    return True
        except OSError:
            pass
        time.sleep(POLL_S)
        return False


def key_pair() -> tuple[str, str]:
    """A new key pair: private and public part as OpenSSH writes them."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), public.decode()


def main() -> None:
    """Boot a board and keep it until its user presses Enter."""
    with SystemBoard(*sys.argv[1:]) as board:
        login = board.login
        print(f"up after {board.boot_s:.0f} s; log in with:")
        user, port = login.host.rsplit(":", 1)
        print(f"ssh -o UserKnownHostsFile={login.known_hosts} -i {login.key} -p {port} {user}")
        print(f"ecgdeploy flash PROJECT --host {login.host} --known-hosts {login.known_hosts} --key {login.key}")
        input("Enter switches it off\n")


if __name__ == "__main__":
    main()
