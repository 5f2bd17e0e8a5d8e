"""The shape of a board file: what may stand in it, in which unit, and what follows from it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

VidPid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Bytes = Annotated[int, Field(gt=0)]


class Facts(BaseModel):
    """Base of every table: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Core(Facts):
    """The processor the firmware is compiled for.

    Attributes
    ----------
    cpu : str
        GCC's ``-mcpu`` name.
    arch : str
        ``arm`` (Cortex-M), ``aarch64``.
    fpu : str
        GCC's ``-mfpu`` name, empty where there is none or where the architecture implies it.
    float_abi : str
        GCC's ``-mfloat-abi`` for ``arm``.
    dsp : bool
        The Armv7E-M DSP extension (SMLAD and friends) is there.
    clock_hz : int
        Core clock in hertz as the board's framework sets it.
    cores : int
        How many cores of this kind run the model's process.
    """

    cpu: str
    arch: Literal["arm", "aarch64"]
    fpu: str = ""
    float_abi: Literal["", "soft", "softfp", "hard"] = ""
    dsp: bool = False
    clock_hz: Bytes
    cores: int = Field(default=1, gt=0)

    @property
    def compile_flags(self) -> tuple[str, ...]:
        """Compiler flags that choose this core, in a fixed order."""
        if self.arch == "aarch64":
            return (f"-mcpu={self.cpu}",)
        flags = [f"-mcpu={self.cpu}", "-mthumb"]
        if self.fpu:
            flags.append(f"-mfpu={self.fpu}")
        if self.float_abi:
            flags.append(f"-mfloat-abi={self.float_abi}")
        return tuple(flags)


class Reserved(Facts):
    """Memory that the board's framework takes before the application gets any.

    Attributes
    ----------
    what : str
        Who takes it.
    bytes : int
        Size in bytes.
    """

    what: str
    bytes: Bytes


class Region(Facts):
    """One memory: where it starts, how large it is, what of it is taken.

    Attributes
    ----------
    origin : int
        First address the application may use.
    bytes : int
        Size of the region an application image may fill, in bytes.
    reserved : tuple of Reserved
        Deductions; `usable` is what is left.
    """

    origin: int = Field(ge=0)
    bytes: Bytes
    reserved: Annotated[tuple[Reserved, ...], Field(strict=False)] = ()

    @property
    def usable(self) -> int:
        """Bytes left for the application after all reservations."""
        return self.bytes - sum(item.bytes for item in self.reserved)


class Memory(Facts):
    """Flash and RAM of a microcontroller board, and the stack the application's main loop runs on.

    Attributes
    ----------
    flash, ram : Region
        The two memories.
    stack_bytes : int
        Stack of the main loop, in bytes: the framework's on the board, the linker script's on its twin.
    """

    flash: Region
    ram: Region
    stack_bytes: Bytes


class Usb(Facts):
    """USB identities, ``vvvv:pppp`` in lower-case hexadecimal.

    Attributes
    ----------
    application : tuple of str
        While the firmware runs.
    bootloader : tuple of str
        After the 1200-baud touch or a double press of reset.
    """

    application: Annotated[tuple[VidPid, ...], Field(strict=False)] = ()
    bootloader: Annotated[tuple[VidPid, ...], Field(strict=False)] = ()


class PlatformIO(Facts):
    """How PlatformIO knows this board.

    Attributes
    ----------
    platform : str
        Platform with its version pin, as in ``platformio.ini``.
    board : str
        PlatformIO's board id.
    framework : str
        PlatformIO's framework id.
    build_flags, build_unflags : tuple of str
        Flags this board needs added or taken away.
    uploader : str
        PlatformIO package that the upload needs; empty where none is downloaded.
    first_time : str
        What a board fresh from its box needs before any firmware runs; empty where nothing.
    """

    platform: str
    board: str
    framework: str
    build_flags: Annotated[tuple[str, ...], Field(strict=False)] = ()
    build_unflags: Annotated[tuple[str, ...], Field(strict=False)] = ()
    uploader: str = ""
    first_time: str = ""


class Upload(Facts):
    """Ways to put an image on the board, the default first.

    Attributes
    ----------
    methods : tuple of str
        ``bossac``, ``dfu``, ``pyocd``, ``jlink``, ``uf2``, ``stlink``, ``ssh``.
    touch_1200 : bool
        Opening and closing the port at 1200 baud starts the bootloader.
    targets : dict of str to str
        Name that a debug-probe program (``pyocd``, ``jlink``) has for the chip.
    """

    methods: Annotated[
        tuple[Literal["bossac", "dfu", "pyocd", "jlink", "uf2", "stlink", "ssh"], ...], Field(strict=False)
    ]
    touch_1200: bool = False
    targets: dict[Literal["pyocd", "jlink"], str] = {}


class Linux(Facts):
    """Facts of a board that runs Linux.

    Attributes
    ----------
    ram_bytes : int
        Smallest memory this board is sold with, in bytes.
    isa : str
        Instruction set of the cores; code above it dies with SIGILL.
    tty : str
        Serial device the runner speaks on by default.
    energy : str
        Where the board tells its power: ``ina3221``, ``pmic`` (an estimate), ``none``.
    throttling : str
        Where it tells that it throttled: ``vcgencmd``, ``thermal``.
    model_match : str
        Text that ``/proc/device-tree/model`` contains on this board.
    gpu : str
        What the board's GPU is used through: ``tensorrt``, or nothing.
    """

    ram_bytes: Bytes
    isa: Literal["armv8.0-a", "armv8.2-a"]
    tty: str
    energy: Literal["ina3221", "pmic", "none"]
    throttling: Literal["vcgencmd", "thermal"]
    model_match: str
    gpu: Literal["", "tensorrt"] = ""


class Twin(Facts):
    """The emulator that stands in for the board.

    Attributes
    ----------
    family : str
        Port the firmware is built with for the twin (``firmware/port/FAMILY``).
    emulator : str
        Program that runs it.
    machine : str
        QEMU's ``-M`` name; empty for user-mode emulation.
    cpu : str
        QEMU's ``-cpu`` name; empty where the machine fixes it.
    flash_origin, ram_origin : int
        Where the twin has memory; the *sizes* are the board's own.
    """

    family: Name
    emulator: Literal["qemu-system-arm", "qemu-aarch64-static"]
    machine: str = ""
    cpu: str = ""
    flash_origin: int = Field(default=0, ge=0)
    ram_origin: int = Field(default=0, ge=0)


class Engines(Facts):
    """Inference engines this board can run, the default first."""

    hardware: Annotated[tuple[Literal["static", "tflm", "litert"], ...], Field(strict=False, min_length=1)]
    emulated: Annotated[tuple[Literal["static", "tflm", "litert"], ...], Field(strict=False, min_length=1)]


class Board(Facts):
    """One board: the content of ``boards/NAME.toml``.

    Attributes
    ----------
    schema : int
        Version of this file format.
    name : str
        The name on the command line; the file's stem.
    title : str
        The name on the box.
    kind : str
        ``mcu`` or ``linux``.
    family : str
        Boards that share a port and a project kind.
    sources : dict of str to str
        Dotted fact (or table) to where it was looked up.
    """

    schema_version: Literal[1] = Field(alias="schema")
    name: Name
    title: str
    kind: Literal["mcu", "linux"]
    family: Name
    core: Core
    memory: Memory | None = None
    linux: Linux | None = None
    usb: Usb = Usb()
    platformio: PlatformIO | None = None
    upload: Upload
    engines: Engines
    twin: Twin
    sources: dict[str, str]

    def default_engine(self, emulate: bool) -> str:
        """The engine that ``build`` takes when none is asked for."""
        return (self.engines.emulated if emulate else self.engines.hardware)[0]

    def target_family(self, emulate: bool) -> str:
        """Family whose port and project kind a build uses: the twin's when emulated."""
        return self.twin.family if emulate else self.family
