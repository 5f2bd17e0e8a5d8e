"""Boards from a file, one lock a port."""

import os

import pytest

from ecgdeploy.devices.inventory import Target, lease, read_inventory
from ecgdeploy.errors import DataError, DeviceError


def inventory(tmp_path, text):
    path = tmp_path / "boards.yaml"
    path.write_text(text)
    return path


def test_entries_become_targets(tmp_path):
    path = inventory(tmp_path, "boards:\n- {board: nano33ble, port: /dev/ttyACM0}\n- {board: pico}\n")
    assert read_inventory(path) == [Target("nano33ble", "/dev/ttyACM0"), Target("pico")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("boards: [{board: a, prot: /dev/x}]", "unknown key 'prot'.*did you mean 'port'"),
        ("boards: [{port: /dev/x}]", "entry 1 names no board"),
        ("boards: [{board: a, baud: fast}]", "'baud' must be a int"),
        ("boards: {", "is not YAML"),
        ("ports: []", "no list 'boards'"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_inventory(inventory(tmp_path, text))


def test_each_port_is_leased_once_and_comes_back(tmp_path):
    boards = [Target("a", str(tmp_path / "one")), Target("a", str(tmp_path / "two"))]
    with lease(boards) as first, lease(boards) as second:
        assert {first, second} == set(boards)
        with pytest.raises(DeviceError, match="in use by other programs"), lease(boards, wait_s=0.0):
            pass
    with lease(boards, wait_s=0.0) as again:
        assert again == boards[0]


def test_a_link_to_a_port_is_the_same_port(tmp_path):
    (tmp_path / "port").touch()
    (tmp_path / "by-id").symlink_to(tmp_path / "port")
    with lease([Target("a", str(tmp_path / "port"))]):
        with pytest.raises(DeviceError), lease([Target("a", str(tmp_path / "by-id"))], wait_s=0.0):
            pass


def test_another_user_can_take_a_port_whatever_the_mask_of_who_came_first(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = os.umask(0o077)
    try:
        with lease([Target("a", "/dev/ttyX")]):
            pass
    finally:
        os.umask(before)
    (folder,) = tmp_path.iterdir()
    (lock,) = folder.iterdir()
    assert folder.stat().st_mode & 0o7777 == 0o1777 and lock.stat().st_mode & 0o777 == 0o644


def test_a_lock_that_cannot_be_opened_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "ecgdeploy-ports").touch()
    with pytest.raises(DeviceError, match="ecgdeploy-ports"), lease([Target("a", "/dev/ttyX")], wait_s=0.0):
        pass


def test_twins_need_no_lock():
    with lease([Target("a")]) as first, lease([Target("a")], wait_s=0.0) as second:
        assert first == second
