"""The Arduino port's parts that can be wrong without a board: the cycle counter's proof, and bytes out over USB."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable

import pytest

from ecgdeploy.resources import assets

PORT = assets() / "firmware" / "port" / "arduino"
HERTZ = 64_000_000
STALL_MS = 500
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wconversion")


class Cycles(ctypes.Structure):
    """``ecgd_cycles_t``."""

    _fields_ = (("total", ctypes.c_uint64), ("last", ctypes.c_uint32))


CONNECTED = ctypes.CFUNCTYPE(ctypes.c_bool)
TAKE = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.POINTER(ctypes.c_uint8), ctypes.c_size_t)
COUNTER = ctypes.CFUNCTYPE(ctypes.c_uint32)
PAUSE = ctypes.CFUNCTYPE(None)


class Usb(ctypes.Structure):
    """``ecgd_usb_t``."""

    _fields_ = (("connected", CONNECTED), ("take", TAKE), ("milliseconds", COUNTER), ("pause", PAUSE))


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The portable files of the port, compiled for this computer."""
    library = tmp_path_factory.mktemp("port") / "port.so"
    sources = [PORT / "ecgd_cycles.c", PORT / "ecgd_usb_write.c"]
    subprocess.run(["gcc", "-std=c11", *WARNINGS, "-shared", "-fPIC", *sources, "-o", library], check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.ecgd_cycles_extend.restype = ctypes.c_uint64
    loaded.ecgd_cycles_agree.restype = ctypes.c_bool
    loaded.ecgd_usb_write.restype = ctypes.c_size_t
    return loaded


class Clock:
    """A clock that moves on by one microsecond a reading, shown in steps; a counter that follows it at some rate."""

    def __init__(self, cycles_per_microsecond: float, start: int = 0, frozen: bool = False, step: int = 1) -> None:
        self.now = 0
        self.step = step
        self.rate = cycles_per_microsecond
        self.start = start
        self.frozen = frozen

    def microseconds(self) -> int:
        self.now += 0 if self.frozen else 1
        return self.now // self.step * self.step & 0xFFFFFFFF

    def cycles(self) -> int:
        return (self.start + int(self.now * self.rate)) & 0xFFFFFFFF


def agree(port: ctypes.CDLL, clock: Clock) -> bool:
    return bool(port.ecgd_cycles_agree(COUNTER(clock.cycles), COUNTER(clock.microseconds), ctypes.c_uint32(HERTZ)))


@pytest.mark.parametrize("rate", [64.0, 62.0, 66.0])
def test_a_counter_at_the_core_clock_is_accepted(port: ctypes.CDLL, rate: float) -> None:
    assert agree(port, Clock(rate))


@pytest.mark.parametrize("rate", [0.0, 1.0, 32.0, 60.0, 68.0, 128.0])
def test_a_counter_that_stands_still_or_runs_at_another_rate_is_refused(port: ctypes.CDLL, rate: float) -> None:
    assert not agree(port, Clock(rate))


@pytest.mark.parametrize(("rate", "right"), [(64.0, True), (62.0, True), (60.0, False), (68.0, False)])
@pytest.mark.parametrize("begun", [1, 400, 975])
def test_a_clock_of_coarse_steps_tells_as_well(port: ctypes.CDLL, rate: float, right: bool, begun: int) -> None:
    clock = Clock(rate, step=976)  # the tick of an RTOS
    clock.now = begun
    assert agree(port, clock) is right


def test_a_counter_that_wraps_during_the_test_is_accepted(port: ctypes.CDLL) -> None:
    assert agree(port, Clock(64.0, start=2**32 - 1000))


def test_the_64_bit_count_survives_wraps(port: ctypes.CDLL) -> None:
    state = Cycles(0, 0)
    expected = 0
    for step in (5, 2**32 - 10, 2**31, 2**32 - 1, 0, 7):
        expected += step
        assert port.ecgd_cycles_extend(ctypes.byref(state), ctypes.c_uint32(expected & 0xFFFFFFFF)) == expected


class FakeUsb:
    """A USB port that takes pieces only when no transfer is under way, as the core's non-blocking call does."""

    def __init__(self, busy_polls: int = 2, hang_up_after: int | None = None, stuck: bool = False) -> None:
        self.received = bytearray()
        self.pieces: list[int] = []
        self.busy_polls, self.hang_up_after, self.stuck = busy_polls, hang_up_after, stuck
        self.busy = 0
        self.clock = 0

    def connected(self) -> bool:
        return self.hang_up_after is None or len(self.received) < self.hang_up_after

    def take(self, bytes_: ctypes._Pointer, count: int) -> int:
        if self.stuck or self.busy > 0:
            self.busy -= 1
            return 0
        taken = min(count, 40) if len(self.pieces) % 5 == 4 else count  # room is sometimes short
        self.received += bytes(bytes_[:taken])
        self.pieces.append(taken)
        self.busy = self.busy_polls
        return taken

    def pause(self) -> None:
        self.clock += 1


def write(port: ctypes.CDLL, usb: FakeUsb, data: bytes) -> int:
    calls: tuple[Callable, ...] = (
        CONNECTED(usb.connected), TAKE(usb.take), COUNTER(lambda: usb.clock), PAUSE(usb.pause)
    )  # fmt: skip
    return int(port.ecgd_usb_write(ctypes.byref(Usb(*calls)), data, ctypes.c_size_t(len(data))))


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 405, 4096])
def test_every_byte_arrives_once_and_in_order(port: ctypes.CDLL, count: int) -> None:
    usb = FakeUsb()
    data = bytes(index * 7 % 251 for index in range(count))
    assert write(port, usb, data) == count
    assert bytes(usb.received) == data


def test_no_piece_fills_a_packet(port: ctypes.CDLL) -> None:
    usb = FakeUsb()
    write(port, usb, bytes(1000))
    assert max(usb.pieces) < 64


def test_a_host_that_does_not_read_stops_the_write_and_does_not_hang_it(port: ctypes.CDLL) -> None:
    usb = FakeUsb(stuck=True)
    assert write(port, usb, bytes(100)) == 0
    assert STALL_MS < usb.clock < STALL_MS + 5


def test_a_host_that_hangs_up_is_noticed_and_what_was_sent_is_told(port: ctypes.CDLL) -> None:
    usb = FakeUsb(hang_up_after=126)
    assert write(port, usb, bytes(405)) == len(usb.received) == 126
