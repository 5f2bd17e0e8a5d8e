"""Firmware with an engine that has no model, for tests of the link and of everything above it.

Its output is a hash over every input byte in order, so that one wrong byte shows; `expected` computes the same.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from ecgdeploy.errors import BuildError
from ecgdeploy.resources import assets

WARNINGS = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-Wconversion")
INCLUDES = ("include", "link", "app")
APP_SOURCES = ("link/ecgd_link.c", "app/ecgd_app.c", "app/ecgd_stack.c")
FAKE_ENGINE = "fake/ecgd_fake_engine.c"
PORTS = {
    "mps2": tuple(f"port/mps2/{name}.c" for name in ("startup", "semihosting", "uart", "port")),
    "host": ("port/host/process.c",),
    "library": ("port/host/library.c",),
}
# of the Nano 33 BLE; here only so that the test image has the size of a real one
FLASH_BYTES, RAM_BYTES, STACK_BYTES = 983_040, 262_144, 16_384
CORTEX_M4 = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")
MODEL_SHA256 = bytes([0xFA, 0x4E]).ljust(32, b"\0").hex()


def expected(data: bytes, output_bytes: int = 3) -> bytes:
    """What the fake engine answers to `data`."""
    state = 2166136261
    for byte in data:
        state = (state ^ byte) * 16777619 & 0xFFFFFFFF
    out = bytearray()
    for index in range(output_bytes):
        out.append(state >> 24)
        state = (state ^ index) * 16777619 & 0xFFFFFFFF
    return bytes(out)


def build_fake(port: str, *flags: str, folder: Path | None = None, **defines: int | str) -> Path:
    """Compile the application, a port and the fake engine; the same request is compiled once.

    Parameters
    ----------
    port : str
        ``mps2``, ``host`` (a program) or ``library`` (a shared library, for `ecgdeploy.devices.loopback`).
    flags : str
        More compiler flags (sanitizers).
    folder : Path, optional
        Where the image goes; a folder in the system's temporary directory when not given.
    defines : int or str
        ``ECGD_`` macros without their prefix: ``FAKE_INPUT_BYTES=3000``.

    Raises
    ------
    BuildError
        The compiler is missing or refuses.
    """
    firmware = assets() / "firmware"
    sources = [firmware / name for name in (*APP_SOURCES, *PORTS[port], FAKE_ENGINE)]
    compiler = "arm-none-eabi-gcc" if port == "mps2" else "gcc"
    if shutil.which(compiler) is None:
        package = "gcc-arm-none-eabi libnewlib-arm-none-eabi" if port == "mps2" else "gcc"
        raise BuildError(f"{compiler} is not installed", f"apt install {package}")
    command = [compiler, *WARNINGS, "-O2", "-g", *(f"-I{firmware / name}" for name in INCLUDES), *flags]
    command += [f"-DECGD_{name}={value}" for name, value in sorted(defines.items())]
    if port == "library":
        command += ["-shared", "-fPIC"]
    if port == "mps2":
        symbols = {"ECGD_FLASH_BYTES": FLASH_BYTES, "ECGD_RAM_BYTES": RAM_BYTES, "ECGD_STACK_BYTES": STACK_BYTES}
        command += [*CORTEX_M4, "-ffunction-sections", "-fdata-sections", "-nostartfiles"]
        command += ["--specs=nano.specs", "--specs=nosys.specs", "-Wl,--gc-sections"]
        command += [f"-Wl,--defsym={name}={value}" for name, value in symbols.items()]
        command += ["-T", str(firmware / "port/mps2/mps2.ld")]
    content = hashlib.sha256(repr(command).encode())
    for path in [*sorted(firmware.rglob("*.[ch]")), firmware / "port/mps2/mps2.ld"]:
        content.update(path.read_bytes())
    folder = folder or Path(tempfile.gettempdir()) / f"ecgdeploy-fake-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True)
    image = folder / f"fake-{port}-{content.hexdigest()[:16]}.elf"
    if not image.exists():
        # under another name first: two test processes may build it at once
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as partial:
            pass
        done = _compile(command, sources, Path(partial.name))
        if done.returncode:
            first = (done.stderr.strip().splitlines() or ["no message"])[0]
            raise BuildError(f"the fake firmware does not compile: {first}", "see firmware/")
        Path(partial.name).replace(image)
    return image


def _compile(command: list[str], sources: list[Path], out: Path) -> subprocess.CompletedProcess[str]:
    line = [*command, *map(str, sources), "-o", str(out)]
    return subprocess.run(line, capture_output=True, text=True, check=False)
