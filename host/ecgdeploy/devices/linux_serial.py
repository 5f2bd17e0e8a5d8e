"""Emulated Linux boards with a serial line only: a Raspberry Pi 3's mini-UART, and a USB gadget's two ends.

The program is the board's own, its line a character device of Debian's kernel; the other end of the line is a TCP port
of this computer, so that any command reaches it as ``socket://127.0.0.1:PORT``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from ecgdeploy.devices.device import Device, open_device
from ecgdeploy.devices.linux_image import file, serial_image
from ecgdeploy.devices.linux_machine import BOOT_S, POLL_S, Machine, free_port
from ecgdeploy.errors import DeviceError

FOLDER = "board"
PROGRAM = f"/{FOLDER}/firmware"


@dataclass(frozen=True)
class Line:
    """One kind of serial line and the machine that has it.

    Attributes
    ----------
    name : str
    modules : tuple of str
        Kernel modules to load; one with a question mark may be built into the kernel.
    start : str
        Shell lines before the program starts.
    tty : str
        What the program serves.
    machine : tuple of str
        QEMU's arguments; ``{port}`` is the TCP port of the line's other end.
    dtb, append : str
        Device tree of the kernel package, and kernel options.
    """

    name: str
    modules: tuple[str, ...]
    start: str
    tty: str
    machine: tuple[str, ...]
    dtb: str
    append: str


_OTHER_END = "tcp:127.0.0.1:{port},server=on,wait=off"
# the first serial port, which Debian's device tree gives to Bluetooth, takes the kernel's early messages
RASPI3B = Line(
    "raspi3b", (), "ln -s ttyS1 /dev/serial0", "/dev/serial0",
    ("-M", "raspi3b", "-serial", "file:console.log", "-serial", _OTHER_END),
    "bcm2837-rpi-3-b.dtb", "console=ttyAMA0 earlycon=pl011,mmio32,0x3f201000 keep_bootcon",
)  # fmt: skip
# the gadget and the computer that it is plugged into are one machine; what arrives at the computer's end is passed on;
# held open, since the console forgets its settings when it is closed
_BRIDGE = """while [ ! -c /dev/ttyACM0 ] || [ ! -c /dev/hvc0 ]; do sleep 0.2; done
exec 3<>/dev/ttyACM0 4<>/dev/hvc0
stty raw -echo <&3
stty raw -echo <&4
cat <&3 >&4 &
cat <&4 >&3 &"""
GADGET = Line(
    "USB gadget", ("virtio_mmio", "virtio_console", "dummy_hcd", "cdc_acm", "usb_f_acm", "g_serial"),
    _BRIDGE, "/dev/ttyGS0",
    ("-M", "virt", "-cpu", "cortex-a53", "-m", "512", "-nic", "none", "-serial", "file:console.log", "-device",
     "virtio-serial-device", "-chardev", "socket,id=line,host=127.0.0.1,port={port},server=on,wait=off",
     "-device", "virtconsole,chardev=line"),
    "", "console=ttyAMA0",
)  # fmt: skip


class SerialBoard(Machine):
    """A machine that serves `program` on a line; `url` is the line's other end.

    Parameters
    ----------
    line : Line
    program : mapping of str to bytes
        Files of a bundle, ``firmware`` among them.
    """

    def __init__(self, line: Line, program: Mapping[str, bytes]) -> None:
        self.line = line
        self.port = free_port()
        applets = "sh cat sleep stty ln"
        script = [
            "#!/usr/bin/busybox sh",
            "export PATH=/usr/bin",
            *(f"/usr/bin/busybox ln -sf busybox /usr/bin/{name}" for name in applets.split()),
            line.start,
            f"exec {PROGRAM} --serve {line.tty}",
        ]
        extra = {f"{FOLDER}/{name}": file(data, 0o755) for name, data in program.items()}
        extra[f"{FOLDER}/start"] = file("\n".join(script) + "\n", 0o755)
        image = serial_image(line.modules, f"/usr/bin/busybox sh /{FOLDER}/start", line.dtb)
        arguments = [argument.replace("{port}", str(self.port)) for argument in line.machine]
        super().__init__(image, arguments, extra, f"{line.append} rdinit=/init")
        self.boot_s = 0.0

    @property
    def url(self) -> str:
        """Port to give to any command."""
        return f"socket://127.0.0.1:{self.port}"

    def __enter__(self) -> SerialBoard:
        """Boot, and wait until the program answers: the line takes bytes long before anything reads them."""
        started = time.monotonic()
        super().__enter__()
        try:
            while not self._answers():
                self.check(started + BOOT_S)
        except BaseException:
            self.__exit__()
            raise
        self.boot_s = time.monotonic() - started
        return self

    def open(self) -> Device:
        """The device, to be used in a ``with`` statement."""
        return open_device(port=self.url)

    def _answers(self) -> bool:
        try:
            with self.open():
                return True
        except DeviceError:
            time.sleep(POLL_S)
            return False
