"""Board files: every one loads, states its sources, and a fault in one is a single helpful line."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from ecgdeploy.boards import board_names, crosscheck, load_board, load_board_file
from ecgdeploy.cli.boards import boards as boards_command
from ecgdeploy.errors import UsageError
from ecgdeploy.resources import assets

EXPECTED = {
    "nano33ble", "nano33ble_sense", "nano33ble_sense_rev2", "nrf52840_dk", "portenta_h7_m7", "nicla_sense_me",
    "nucleo_f446re", "pico", "rpi4", "rpi5", "rpi_zero2w", "jetson_orin", "jetson_nano",
}  # fmt: skip
UNSOURCED = {"schema", "name", "title", "kind", "family", "sources", "engines"}  # our own decisions and labels


def test_all_boards_of_the_issues_are_there():
    assert set(board_names()) >= EXPECTED


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_fact_of_a_board_has_a_source(name):
    board = load_board(name)
    facts = board.model_dump(by_alias=True, exclude_unset=True, exclude=None)
    for table, value in facts.items():
        if table in UNSOURCED:
            continue
        names = [f"{table}.{key}" for key in value] if isinstance(value, dict) else [table]
        for dotted in names:
            assert table in board.sources or dotted in board.sources, f"{dotted} of {name} has no source"


def test_the_nano_has_the_memory_the_issue_states():
    memory = load_board("nano33ble").memory
    assert memory is not None
    assert (memory.flash.bytes, memory.ram.bytes) == (983_040, 262_144)
    assert memory.ram.usable == 262_144 - 512 - 1_024 - 32_768 - 8_192
    assert load_board("nano33ble").twin.machine == "mps2-an386"
    assert load_board("nano33ble").core.compile_flags == (
        "-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=softfp",
    )  # fmt: skip


def test_an_unknown_board_names_the_nearest():
    with pytest.raises(UsageError, match="unknown board 'nano33bel'") as caught:
        load_board("nano33bel")
    assert caught.value.hint == "did you mean 'nano33ble'?"


FAULTS = [
    ('clock_hz = 64_000_000', 'clock_hertz = 64_000_000', "unknown key 'core.clock_hertz'", "did you mean 'clock_hz'?"),
    ('bytes = 983_040', 'bytez = 983_040', "unknown key 'memory.flash.bytez'", "did you mean 'bytes'?"),
    ('what = "interrupt stack"', 'whot = "interrupt stack"', "unknown key 'memory.ram.reserved.1.whot'", "'what'"),
    ('title = "Arduino Nano 33 BLE"\n', '', "key 'title' is missing", "new-board.md"),
    ('bytes = 983_040', 'bytes = "1 MB"', "memory.flash.bytes = '1 MB'", "new-board.md"),
    ('bytes = 983_040', 'bytes = -1', "memory.flash.bytes = -1", "new-board.md"),
    ('name = "nano33ble"', 'name = "nano33bl"', "name is 'nano33bl'", "nano33bl.toml"),
    ('kind = "mcu"', 'kind = "linux"', "needs the table [linux]", "new-board.md"),
    ('usb = "', 'usbx = "', "sources names 'usbx'", "state the fact"),
    ('bytes = 32_768 }', 'bytes = 999_999 }', "takes all of memory.ram.bytes", "reservations"),
    ('schema = 1', 'schema = ', "not TOML", "mend"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message", "hint"), FAULTS)
def test_a_fault_in_a_board_file_is_one_line_naming_file_and_key(tmp_path, old, new, message, hint):
    text = (assets() / "boards" / "nano33ble.toml").read_text()
    assert old in text
    path = tmp_path / "nano33ble.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        load_board_file(path)
    assert "nano33ble.toml" in caught.value.message
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert hint in caught.value.hint


def test_a_board_file_outside_the_package_can_be_named_by_path(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text((assets() / "boards" / "nano33ble.toml").read_text().replace('name = "nano33ble"', 'name = "mine"'))
    assert load_board(str(path)).name == "mine"
    with pytest.raises(UsageError, match="no board file"):
        load_board(str(tmp_path / "absent.toml"))


def test_boards_command_lists_and_shows():
    listing = CliRunner().invoke(boards_command, [])
    assert listing.exit_code == 0
    assert all(name in listing.stdout for name in EXPECTED)
    one = json.loads(CliRunner().invoke(boards_command, ["nano33ble", "--json"]).stdout)
    assert one["memory"]["flash"]["bytes"] == 983_040
    assert "memory.flash" in one["sources"]
    shown = CliRunner().invoke(boards_command, ["rpi4"]).stdout
    assert "linux.tty = /dev/serial0" in shown


def platformio_says(tmp_path, monkeypatch, platform, board, **changes):
    facts = {
        "build": {"cpu": "cortex-m4", "f_cpu": "64000000L", "hwids": [["0x2341", "0x805A"], ["0x2341", "0x005A"]]},
        "upload": {"maximum_size": 983040, "maximum_ram_size": 262144},
    }
    for table, values in changes.items():
        facts[table] |= values
    folder = tmp_path / "platforms" / platform / "boards"
    folder.mkdir(parents=True)
    (folder / f"{board}.json").write_text(json.dumps(facts))
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path))


def test_facts_are_cross_checked_where_the_platform_is_installed(tmp_path, monkeypatch):
    platformio_says(tmp_path, monkeypatch, "nordicnrf52", "nano33ble")
    compared = crosscheck(load_board("nano33ble"))
    assert {row.fact: row.verdict for row in compared} == dict.fromkeys(
        ("memory.flash.bytes", "memory.ram.bytes", "core.cpu", "core.clock_hz", "usb"), "equal"
    )


@pytest.mark.parametrize(
    ("changes", "fact", "verdict"),
    [
        ({"upload": {"maximum_size": 1048576}}, "memory.flash.bytes", "stricter"),
        ({"upload": {"maximum_ram_size": 65536}}, "memory.ram.bytes", "differs"),
        ({"build": {"cpu": "cortex-m33"}}, "core.cpu", "differs"),
        ({"build": {"hwids": [["0x2341", "0x9999"]]}}, "usb", "differs"),
    ],
)
def test_a_fact_that_differs_from_platformio_is_told(tmp_path, monkeypatch, changes, fact, verdict):
    platformio_says(tmp_path, monkeypatch, "nordicnrf52", "nano33ble", **changes)
    assert {row.fact: row.verdict for row in crosscheck(load_board("nano33ble"))}[fact] == verdict
    shown = CliRunner().invoke(boards_command, ["nano33ble"]).stdout
    assert f"cross-check {fact}: {verdict}" in shown


def test_without_the_platform_nothing_is_compared(tmp_path, monkeypatch):
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path))
    assert crosscheck(load_board("nano33ble")) is None
    assert crosscheck(load_board("rpi4")) is None
