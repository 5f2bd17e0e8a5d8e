"""Every kind of line pyserial opens, with the firmware (a process of this computer) at the other end."""

import contextlib
import os
import random
import socket
import subprocess
import sys
import threading

import pytest
import serial

from ecgdeploy.devices import open_device
from ecgdeploy.devices.fake import build_fake, expected
from ecgdeploy.errors import DeviceError, UsageError

SOURCE = random.Random(3)
DATA = [SOURCE.randbytes(256) for _ in range(30)]
RIGHT = [expected(item) for item in DATA]


@contextlib.contextmanager
def firmware(*options):
    """The process, and what it says about where it is to be reached."""
    process = subprocess.Popen([str(build_fake("host")), *options], stderr=subprocess.PIPE, text=True)
    try:
        yield process, process.stderr.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def answers(device):
    return [result.outputs[0] for result in device.infer_many(DATA)]


def test_a_pseudo_terminal():
    with firmware("--pty") as (_, path), open_device(port=path) as device:
        assert answers(device) == RIGHT


def test_a_second_host_can_open_the_port_after_the_first():
    with firmware("--pty") as (_, path):
        for _ in range(2):
            with open_device(port=path) as device:
                assert device.infer(DATA[0]).outputs[0] == RIGHT[0]


def test_a_socket():
    with firmware("--listen", "0") as (_, number), open_device(port=f"socket://127.0.0.1:{number}") as device:
        assert answers(device) == RIGHT


def rfc2217_server(listener, command):
    """What ser2net does: a port server (RFC 2217) in front of the firmware's standard input and output."""
    from serial.rfc2217 import PortManager

    settings = serial.serial_for_url("loop://")  # somewhere for the settings to go: a pipe has none
    connection, _ = listener.accept()
    lock = threading.Lock()

    class Wire:
        def write(self, data):
            with lock:
                connection.sendall(data)

    manager = PortManager(settings, Wire())
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def back():
        while data := os.read(process.stdout.fileno(), 4096):
            with contextlib.suppress(OSError):
                Wire().write(b"".join(manager.escape(data)))

    reader = threading.Thread(target=back, daemon=True)
    reader.start()
    with contextlib.suppress(OSError):
        while data := connection.recv(4096):
            process.stdin.write(b"".join(manager.filter(data)))
    process.stdin.close()
    reader.join()
    process.wait()
    process.stdout.close()
    connection.close()
    settings.close()


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # pyserial's own
def test_a_remote_port_behind_rfc2217():
    listener = socket.create_server(("127.0.0.1", 0))
    server = threading.Thread(target=rfc2217_server, args=(listener, [str(build_fake("host"))]), daemon=True)
    server.start()
    with open_device(port=f"rfc2217://127.0.0.1:{listener.getsockname()[1]}") as device:
        assert answers(device) == RIGHT
    server.join(20)
    listener.close()
    assert not server.is_alive()


def test_a_pulled_cable_is_plugged_in_again_and_nothing_is_lost():
    with firmware("--listen", "0") as (process, number):
        with open_device(port=f"socket://127.0.0.1:{number}") as device:
            results = device.infer_many(DATA)
            got = [next(results).outputs[0] for _ in range(5)]
            process.kill()
            process.wait()
            with firmware("--listen", number):
                got += [result.outputs[0] for result in results]
            assert device.statistics.reopened >= 1
    assert got == RIGHT


def test_a_board_that_comes_back_by_another_name_is_found_by_its_usb_serial_number(monkeypatch):
    ports = {}
    monkeypatch.setattr("ecgdeploy.devices.serial_port.usb_identities", lambda: dict(ports))
    with firmware("--pty") as (first, path), firmware("--pty") as (_, other), firmware("--pty") as (_, third):
        ports |= {path: "2341:805a A", other: "2341:805a B"}
        with open_device(port=path) as device:
            assert device.infer(DATA[0]).outputs[0] == RIGHT[0]
            del ports[path]
            ports[third] = "2341:805a A"
            first.kill()
            first.wait()
            assert device.infer(DATA[1]).outputs[0] == RIGHT[1]
            assert device._client.transport.name == third


def test_nothing_listens():
    with socket.socket() as bound:  # and not listening: as long as it is bound, nobody else can listen there
        bound.bind(("127.0.0.1", 0))
        number = bound.getsockname()[1]
        with pytest.raises(DeviceError, match=f"127.0.0.1:{number}: cannot be opened") as caught:
            open_device(port=f"socket://127.0.0.1:{number}").__enter__()
    assert caught.value.exit_code == 3


def test_no_such_port():
    with pytest.raises(DeviceError, match="/dev/ttyNone0: there is no such port"):
        open_device(port="/dev/ttyNone0").__enter__()


def test_a_loop_is_recognised():
    with pytest.raises(DeviceError, match="echoes what is sent"):
        open_device(port="loop://").__enter__()


def test_a_port_with_nothing_behind_it():
    main, other = os.openpty()
    with pytest.raises(DeviceError, match="nothing answers within"):
        open_device(port=os.ttyname(other)).__enter__()
    os.close(main)
    os.close(other)


def test_a_busy_port_names_the_process_that_holds_it():
    holder = (
        "import fcntl, os, sys, termios; f = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY);"
        "fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB); print('held', flush=True); sys.stdin.read()"
    )
    with firmware("--pty") as (_, path):
        with subprocess.Popen(
            [sys.executable, "-c", holder, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout.readline() == "held\n"
            with pytest.raises(DeviceError, match=rf"in use by .*\(pid {process.pid}\)"):
                open_device(port=path).__enter__()
            process.communicate("")


def test_the_rate_that_starts_a_boot_loader_is_refused():
    with pytest.raises(UsageError, match="boot loader"):
        open_device(port="/dev/ttyACM0", baud=1200)


def test_exactly_one_way_to_the_device_is_asked_for():
    with pytest.raises(UsageError, match="exactly one"):
        open_device()
    with pytest.raises(UsageError, match="exactly one"):
        open_device(port="x", process=["y"])


def test_another_firmware_after_a_restart_is_not_taken_for_the_first():
    other = build_fake("host", BUILD_ID='"other"')
    with firmware("--listen", "0") as (process, number):
        with open_device(port=f"socket://127.0.0.1:{number}") as device:
            results = device.infer_many(DATA)
            next(results)
            process.kill()
            process.wait()
            swapped = subprocess.Popen([str(other), "--listen", number], stderr=subprocess.PIPE)
            try:
                assert swapped.stderr.readline()
                with pytest.raises(DeviceError, match="another firmware answers after the restart: build other"):
                    list(results)
            finally:
                swapped.kill()
                swapped.communicate()
