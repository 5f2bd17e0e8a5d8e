"""Flashing, from the first look at the ports to the HELLO: what happens, and what each failure says."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fake_board import FakeBoard, FakeComputer

from ecgdeploy.boards import load_board
from ecgdeploy.devices.fake import build_fake
from ecgdeploy.errors import BuildError, DeviceError, EcgDeployError, UsageError
from ecgdeploy.flash import Image, Port, flash, load_image, uploaders
from ecgdeploy.flash.system import Hello

BOARD = load_board("nano33ble")
BUILD_ID = "5eed5eed5eed5eed"


@pytest.fixture(autouse=True)
def uploader_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PlatformIO home that has the uploader."""
    home = tmp_path / "platformio"
    (home / "packages" / BOARD.platformio.uploader).mkdir(parents=True)
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(home))
    return home


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """A built project."""
    folder = tmp_path / "project"
    built = folder / ".pio" / "build" / BOARD.name
    built.mkdir(parents=True)
    (built / "firmware.bin").write_bytes(b"\0" * 64)
    (folder / "manifest.json").write_text(json.dumps({"board": BOARD.name, "build_id": BUILD_ID}))
    return load_image(BOARD, folder)


@pytest.fixture
def computer() -> Iterator[FakeComputer]:
    """A computer with one good board and the serial port that PlatformIO would have picked."""
    made = FakeComputer(FakeBoard(), image_build_id=BUILD_ID, other_ports=[Port("/dev/ttyS0", description="ttyS0")])
    yield made
    made.close()


def refusal(computer: FakeComputer, image: Image, **options: object) -> EcgDeployError:
    with pytest.raises(EcgDeployError) as caught:
        flash(BOARD, image, system=computer, **options)
    assert "\n" not in caught.value.message
    assert caught.value.hint and "\n" not in caught.value.hint
    return caught.value


def test_a_good_board_is_flashed_and_answers_with_the_build_that_was_written(
    computer: FakeComputer, image: Image
) -> None:
    before = computer.boards[0].device
    steps: list[str] = []
    done = flash(BOARD, image, system=computer, progress=steps.append)
    assert done.build_id == BUILD_ID
    assert done.serial == "A1B2"
    assert done.port == computer.boards[0].device
    assert computer.boards[0].written == [image.folder]
    assert f"asking {before} for its bootloader (1200-baud touch)" in steps


def test_the_upload_port_is_always_named_and_is_the_bootloader_not_the_old_port(
    computer: FakeComputer, image: Image
) -> None:
    before = computer.boards[0].device
    flash(BOARD, image, system=computer)
    (command,) = computer.commands
    port = command[command.index("--upload-port") + 1]
    assert port != before
    assert port == os.path.realpath(port)
    assert "nobuild" in command


def test_a_by_id_link_is_resolved_before_it_reaches_the_uploader(
    computer: FakeComputer, image: Image, tmp_path: Path
) -> None:
    link = tmp_path / "usb-Arduino_Nano_33_BLE-if00"
    link.symlink_to(computer.boards[0].device)
    assert flash(BOARD, image, port=str(link), system=computer).build_id == BUILD_ID


def test_a_board_already_in_its_bootloader_is_not_touched(computer: FakeComputer, image: Image) -> None:
    computer.boards[0]._enumerate("bootloader")
    steps: list[str] = []
    assert flash(BOARD, image, system=computer, progress=steps.append).build_id == BUILD_ID
    assert not any("1200" in step for step in steps)


def test_a_bootloader_with_its_own_serial_number_is_known_by_its_usb_socket(
    computer: FakeComputer, image: Image
) -> None:
    computer.boards[0].script.bootloader_serial = "BOOT"
    assert flash(BOARD, image, system=computer).build_id == BUILD_ID


def test_no_board_is_refused_with_the_ports_there_are(image: Image) -> None:
    empty = FakeComputer(other_ports=[Port("/dev/ttyS0", description="ttyS0")])
    error = refusal(empty, image)
    assert "no Arduino Nano 33 BLE found" in error.message
    assert "/dev/ttyS0" in error.hint and "data cable" in error.hint
    assert empty.commands == []


def test_several_boards_are_refused_with_a_list_of_both(computer: FakeComputer, image: Image) -> None:
    computer.boards.append(FakeBoard(serial="C3D4", location="1-3"))
    error = refusal(computer, image)
    assert "2 ports" in error.message and "A1B2" in error.message and "C3D4" in error.message
    assert "--port" in error.hint


def test_with_two_boards_the_named_one_is_flashed_and_the_other_left_alone(
    computer: FakeComputer, image: Image
) -> None:
    other = FakeBoard(serial="C3D4", location="1-3")
    computer.boards.append(other)
    done = flash(BOARD, image, port=computer.boards[0].device, system=computer)
    assert done.serial == "A1B2"
    assert other.written == [] and other.mode == "application"


def test_a_port_that_is_something_else_is_refused_and_not_touched(computer: FakeComputer, image: Image) -> None:
    stranger = FakeBoard(serial="X", location="1-9", application="0403:6001")
    computer.boards.append(stranger)
    error = refusal(computer, image, port=stranger.device)
    assert "0403:6001" in error.message and "2341:805a" in error.message
    assert not stranger.was_touched()


def test_a_port_that_does_not_exist_is_refused_with_a_list(computer: FakeComputer, image: Image) -> None:
    error = refusal(computer, image, port="/dev/ttyACM77")
    assert "/dev/ttyACM77" in error.message and computer.boards[0].device in error.hint


def test_a_board_that_ignores_the_touch_asks_for_a_double_press(computer: FakeComputer, image: Image) -> None:
    computer.boards[0].script.ignores_touch = True
    error = refusal(computer, image)
    assert "did not enter its bootloader" in error.message and "double-press" in error.hint
    assert computer.commands == []


def test_a_port_that_vanishes_after_the_touch_is_told_apart(computer: FakeComputer, image: Image) -> None:
    computer.boards[0].script.vanishes_after_touch = True
    error = refusal(computer, image)
    assert "vanished" in error.message and "cable" in error.hint


def test_another_boards_bootloader_is_never_written(computer: FakeComputer, image: Image) -> None:
    computer.boards[0].script.ignores_touch = True
    stranger = FakeBoard(serial="C3D4", location="1-3", mode="bootloader")
    computer.boards.append(stranger)
    refusal(computer, image, port=computer.boards[0].device)
    assert stranger.written == [] and computer.commands == []


def test_a_failed_upload_says_what_the_uploader_said(computer: FakeComputer, image: Image) -> None:
    computer.boards[0].script.upload_fails = "SAM-BA operation failed: error 1"
    error = refusal(computer, image)
    assert "upload failed (exit 1)" in error.message and "SAM-BA operation failed" in error.message


def test_a_board_that_does_not_come_back_is_not_called_flashed(computer: FakeComputer, image: Image) -> None:
    computer.boards[0].script.vanishes_after_upload = True
    error = refusal(computer, image)
    assert "was written" in error.message and "did not come back" in error.message and "double-press" in error.hint


def test_an_uploader_that_says_done_but_left_the_old_firmware_is_caught_by_hello(
    computer: FakeComputer, image: Image
) -> None:
    computer.boards[0].script.keeps_old_firmware = True
    error = refusal(computer, image)
    assert "other firmware" in error.message and BUILD_ID in error.message and "0" * 16 in error.message
    assert isinstance(error, DeviceError) and error.exit_code == 3


def test_a_busy_port_names_the_process_and_is_not_touched(computer: FakeComputer, image: Image) -> None:
    held = os.open(computer.boards[0].device, os.O_RDWR | os.O_NOCTTY)
    try:
        error = refusal(computer, image)
    finally:
        os.close(held)
    assert "in use by" in error.message and f"(pid {os.getpid()})" in error.message
    assert computer.commands == []


def test_a_missing_uploader_package_is_found_before_the_board_is_touched(
    computer: FakeComputer, image: Image, uploader_installed: Path
) -> None:
    (uploader_installed / "packages" / BOARD.platformio.uploader).rmdir()
    error = refusal(computer, image)
    assert isinstance(error, BuildError)
    assert BOARD.platformio.uploader in error.message and "pio pkg install" in error.hint
    assert not computer.boards[0].was_touched()


def test_a_method_that_the_board_does_not_offer_is_refused_with_those_it_does(
    computer: FakeComputer, image: Image
) -> None:
    error = refusal(computer, image, method="uf2")
    assert isinstance(error, UsageError) and "bossac" in error.hint


def test_a_missing_debug_probe_program_is_named(
    computer: FakeComputer, image: Image, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "pyocd is not installed" in refusal(computer, image, method="pyocd").message


def test_a_probe_method_names_the_chip_and_leaves_the_serial_port_alone(image: Image) -> None:
    hexfile = replace(image, file=image.file.with_suffix(".hex"))
    words = uploaders.command(BOARD, uploaders.choose_method(BOARD, "pyocd"), image.folder, hexfile.file, None)
    assert words[:3] == ["pyocd", "load", "--target"] and words[-1].endswith("firmware.hex")
    words = uploaders.command(BOARD, uploaders.choose_method(BOARD, "jlink"), image.folder, hexfile.file, None)
    assert "loadfile" in Path(words[-1]).read_text()


def test_a_project_for_another_board_is_refused(image: Image) -> None:
    with pytest.raises(BuildError, match="made for board 'nano33ble', not 'pico'"):
        load_image(load_board("pico"), image.folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"board": "nano33ble"}'])
def test_a_damaged_manifest_is_refused(image: Image, text: str) -> None:
    (image.folder / "manifest.json").write_text(text)
    with pytest.raises(BuildError, match="is damaged"):
        load_image(BOARD, image.folder)


def test_a_project_for_the_emulated_twin_is_refused(image: Image) -> None:
    manifest = {"board": BOARD.name, "build_id": BUILD_ID, "emulated": True}
    (image.folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BuildError, match="made for the emulated nano33ble"):
        load_image(BOARD, image.folder)


def test_a_project_that_was_not_built_says_how_to_build_it(image: Image) -> None:
    image.file.unlink()
    with pytest.raises(BuildError, match=r"not built.*pio run -d"):
        load_image(BOARD, image.folder)


PICO = load_board("pico")


@pytest.fixture
def uf2(tmp_path: Path) -> Image:
    """A built project for a board with a UF2 bootloader."""
    folder = tmp_path / "pico-project"
    built = folder / ".pio" / "build" / PICO.name
    built.mkdir(parents=True)
    (built / "firmware.uf2").write_bytes(b"UF2\n")
    (folder / "manifest.json").write_text(json.dumps({"board": PICO.name, "build_id": BUILD_ID}))
    return load_image(PICO, folder, "uf2")


def pico_computer(tmp_path: Path, build_id: str = BUILD_ID) -> FakeComputer:
    identity = {"application": PICO.usb.application[0], "bootloader": PICO.usb.bootloader[0]}
    return FakeComputer(FakeBoard(**identity, drive=tmp_path / "RPI-RP2", build_id=build_id))


def test_a_uf2_board_is_touched_copied_to_and_asked_who_it_is(tmp_path: Path, uf2: Image) -> None:
    computer = pico_computer(tmp_path)
    try:
        done = flash(PICO, uf2, method="uf2", system=computer)
    finally:
        computer.close()
    assert done.build_id == BUILD_ID and done.method == "uf2"
    assert [path.name for path in computer.boards[0].written] == ["firmware.uf2"]
    assert computer.commands == []


def test_a_uf2_board_whose_drive_does_not_come_up_says_how_to_start_the_bootloader(tmp_path: Path, uf2: Image) -> None:
    computer = pico_computer(tmp_path)
    computer.boards[0].script.ignores_touch = True
    with pytest.raises(DeviceError, match="no UF2 drive is mounted") as caught:
        flash(PICO, uf2, method="uf2", system=computer)
    computer.close()
    assert "BOOTSEL" in caught.value.hint


def test_two_uf2_drives_are_refused_by_name(tmp_path: Path) -> None:
    for name in ("RPI-RP2", "NICENANO"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "INFO_UF2.TXT").write_text("UF2 Bootloader")
    drives = uploaders.uf2_drives((tmp_path,))
    assert uploaders.one_drive(drives[:1]) == tmp_path / "NICENANO"
    with pytest.raises(DeviceError, match=r"2 UF2 drives are mounted: .*NICENANO.*RPI-RP2"):
        uploaders.one_drive(drives)


class FirmwareBoard(FakeBoard):
    """A board that, once written, runs the real firmware: a process of this computer behind a pseudo terminal."""

    process: subprocess.Popen | None = None

    def _enumerate(self, mode: str) -> None:
        super()._enumerate(mode)
        if mode == "application" and self.written:
            self.process = subprocess.Popen([str(build_fake("host")), "--pty"], stderr=subprocess.PIPE, text=True)
            assert self.process.stderr is not None
            self.device = self.process.stderr.readline().strip()

    def close(self) -> None:
        super().close()
        if self.process is not None:
            self.process.kill()
            self.process.communicate()


class FirmwareComputer(FakeComputer):
    """HELLO over the real link."""

    def holders(self, device: str) -> tuple[str, ...]:
        del device  # the firmware's own process holds its end
        return ()

    def hello(self, device: str) -> Hello:
        return self.real.hello(device)


@pytest.fixture
def linked() -> Iterator[FirmwareComputer]:
    """A computer whose board answers over the real link."""
    made = FirmwareComputer(FirmwareBoard())
    yield made
    made.close()


def test_the_firmware_answers_over_the_real_link(linked: FirmwareComputer, image: Image) -> None:
    done = flash(BOARD, replace(image, build_id="unknown"), system=linked)  # what a firmware without a build id says
    assert done.build_id == "unknown" and done.port == linked.boards[0].device


def test_other_firmware_is_caught_over_the_real_link(linked: FirmwareComputer, image: Image) -> None:
    assert f"other firmware: build unknown, not {BUILD_ID}" in refusal(linked, image).message


def test_a_firmware_that_says_nothing_is_refused_with_what_to_do(image: Image) -> None:
    class Mute(FakeComputer):
        def hello(self, device: str) -> Hello:
            raise DeviceError(f"{device} does not answer", "is the firmware running?")

    mute = Mute(FakeBoard(), image_build_id=BUILD_ID)
    try:
        error = refusal(mute, image)
    finally:
        mute.close()
    assert "does not answer" in error.message
