"""A release served by systemd: started, watched, and put back by systemd's own rollback unit when it fails."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess

import pytest
from test_deploy_linux import (
    built,  # noqa: F401
    connect,
    deploy_to,
    make_board,  # noqa: F401
    pytestmark,  # noqa: F401
    refusal,
)

from ecgdeploy import projects
from ecgdeploy.devices import Device, open_device
from ecgdeploy.projects.sources import render_template

SOCKET = "/run/ecgdeploy/link.sock"


@pytest.fixture(scope="module")
def newer(tmp_path_factory):
    """Another release that runs on the same board."""
    return projects.build("beat-cnn", "rpi_zero2w", "static", True, tmp_path_factory.mktemp("newer") / "project")


def answering(board):
    """Release that answers over the service's socket."""
    with connect(board) as remote, Device(remote.line(f"/opt/ecgdeploy/current/firmware --connect {SOCKET}")) as device:
        return device.hello.build_id


def test_the_service_serves_the_release(built, make_board, monkeypatch):  # noqa: F811
    board = make_board()
    done = deploy_to(board, built.folder / "bundle", service=True)
    assert (done.release, done.service) == (built.build_id, "ecgdeploy.service")
    assert answering(board) == built.build_id
    units = board.place("/etc/systemd/system")
    assert {path.name for path in units.iterdir()} == {"ecgdeploy.service", "ecgdeploy-rollback.service"}
    assert any(command.endswith("systemctl enable --quiet ecgdeploy.service") for command in board.commands)
    # the same board is then measured
    monkeypatch.setenv("ECGDEPLOY_KNOWN_HOSTS", str(board.known_hosts))
    monkeypatch.setenv("ECGDEPLOY_SSH_KEY", str(board.user_key))
    with open_device(port=f"ssh://tester@127.0.0.1:{board.port}") as device:
        assert device.hello.build_id == built.build_id


@pytest.mark.parametrize("facts", [{"systemctl": "false"}, {"sudo": "false"}])
def test_a_board_where_no_service_can_be_installed_says_so(built, make_board, facts):  # noqa: F811
    board = make_board(**facts)
    assert refusal(board, built.folder / "bundle", service=True) == "service"
    assert not board.place("/opt/ecgdeploy").exists()


def test_a_first_release_that_does_not_start_leaves_none(built, make_board):  # noqa: F811
    board = make_board()
    board.sabotage = lambda command: "exit 1" if "systemctl restart" in command else command
    assert refusal(board, built.folder / "bundle", service=True) == "start"
    assert not board.place("/opt/ecgdeploy/current").is_symlink()


@pytest.mark.parametrize("fault", ["does not start", "is restarted", "stops", "has no self-test"])
def test_a_newer_release_that_fails_is_rolled_back_by_the_rollback_unit(built, newer, make_board, fault):  # noqa: F811
    board = make_board()
    deploy_to(board, built.folder / "bundle", service=True)

    def sabotage(command):
        newest = board.place("/opt/ecgdeploy/current").resolve().name == newer.build_id
        if newest and fault == "has no self-test" and "systemctl restart" in command:
            (board.place("/opt/ecgdeploy/current") / "golden.bin").unlink(missing_ok=True)  # ExecStartPre fails
        if newest and fault == "does not start" and "systemctl restart" in command:
            return "exit 1"
        if newest and fault == "is restarted" and "is-active" in command:
            (board.run / "restarts").write_text("1")
        if newest and fault == "stops" and "is-active" in command:
            return "exit 3"
        return command

    board.sabotage = sabotage
    assert refusal(board, newer.folder / "bundle", service=True) == "rolled_back"
    assert any("systemctl start ecgdeploy-rollback.service" in command for command in board.commands)
    assert answering(board) == built.build_id


def test_systemd_may_have_rolled_back_before_us(built, newer, make_board):  # noqa: F811
    board = make_board()
    deploy_to(board, built.folder / "bundle", service=True)

    def sabotage(command):
        if "is-active" in command and board.place("/opt/ecgdeploy/current").resolve().name == newer.build_id:
            return "systemctl start ecgdeploy-rollback.service; exit 3"
        return command

    board.sabotage = sabotage
    assert refusal(board, newer.folder / "bundle", service=True) == "rolled_back"
    assert not any("systemctl start ecgdeploy-rollback" in command for command in board.commands)
    assert answering(board) == built.build_id


def test_a_way_back_that_fails_too_is_told(built, newer, make_board):  # noqa: F811
    board = make_board()
    deploy_to(board, built.folder / "bundle", service=True)

    def sabotage(command):
        if "systemctl restart" in command:
            shutil.rmtree(board.place(f"/opt/ecgdeploy/releases/{built.build_id}"), ignore_errors=True)
            return "exit 1"
        return command

    board.sabotage = sabotage
    assert refusal(board, newer.folder / "bundle", service=True) == "rollback_failed"


def test_the_rollback_refuses_where_there_is_nothing_to_go_back_to(tmp_path):
    script = tmp_path / "rollback.sh"
    script.write_bytes(render_template("linux_bundle/rollback.sh.j2", base=shlex.quote(str(tmp_path))))
    (tmp_path / "systemctl").write_text("#!/bin/sh\necho $* >> systemctl.log\n")
    (tmp_path / "systemctl").chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}

    def run():
        return subprocess.run(["sh", script], env=environment, capture_output=True, check=False).returncode

    assert run() == 1  # nothing deployed
    for name in ("one", "two"):
        (tmp_path / "releases" / name).mkdir(parents=True)
        (tmp_path / "releases" / name / "firmware").write_text("")
        (tmp_path / "releases" / name / "firmware").chmod(0o755)
    (tmp_path / "current").symlink_to("releases/two")
    assert run() == 1  # no release before
    (tmp_path / "previous").symlink_to("releases/one")
    assert run() == 0 and (tmp_path / "current").readlink().name == "one"
    assert "restart ecgdeploy.service" in (tmp_path / "systemctl.log").read_text()
    assert run() == 1  # it is the one before already
