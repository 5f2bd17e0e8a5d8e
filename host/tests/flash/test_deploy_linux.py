"""A bundle is deployed over SSH whole, verified, and taken back when it does not work; each failure has its code."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from ssh_board import Board

from ecgdeploy import projects
from ecgdeploy.cli import app
from ecgdeploy.devices import open_device
from ecgdeploy.devices.ssh import ChannelTransport, RemoteError, SshRemote, parse_host
from ecgdeploy.errors import UsageError
from ecgdeploy.flash.linux import deploy, read_bundle

NEEDED = {
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    "qemu-aarch64-static": "qemu-user-static",
}
MISSING = [name for name in NEEDED if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"needs {MISSING}: sudo apt-get install {' '.join(NEEDED[name] for name in MISSING)}"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The preset's bundle with engine static."""
    return projects.build("beat-cnn", "rpi4", "static", True, tmp_path_factory.mktemp("deploy") / "project")


@pytest.fixture
def make_board(tmp_path, built):
    boards = []

    def make(**facts):
        boards.append(Board(tmp_path / f"home{len(boards)}", built.manifest["facts"]["emulator"], **facts))
        return boards[-1]

    yield make
    for board in boards:
        board.close()


def connect(board):
    return SshRemote(f"tester@127.0.0.1:{board.port}", board.known_hosts, board.user_key)


def refusal(board, folder, service=False):
    """Code of the error that a deployment ends with."""
    with pytest.raises(RemoteError) as caught:
        deploy_to(board, folder, service)
    assert caught.value.exit_code == 3 and f"[{caught.value.code}]" in caught.value.message
    return caught.value.code


def deploy_to(board, folder, service=False):
    with connect(board) as remote:
        return deploy(read_bundle(folder), remote, service=service, stability_s=0, pause=lambda _seconds: None)


def reseal(folder):
    """Write the sums again, after a change that the build itself might have made."""
    names = sorted(path.name for path in folder.iterdir() if path.name != "SHA256SUMS")
    sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(sums))


def changed(bundle, folder, **manifest):
    """A copy of a bundle with other facts in its manifest."""
    shutil.copytree(bundle, folder)
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | manifest))
    reseal(folder)
    return folder


def served(board):
    link = board.home / "ecgdeploy/current"
    return link.resolve().name if link.is_symlink() else None


def test_a_release_is_served_and_answers_over_ssh(built, make_board, monkeypatch):
    board = make_board()
    done = deploy_to(board, built.folder / "bundle")
    assert (done.release, done.previous, done.golden_windows) == (built.build_id, None, 4)
    assert served(board) == built.build_id
    assert not list((board.home / "ecgdeploy/releases").glob("*.partial"))
    files = len(list((built.folder / "bundle").iterdir()))
    again = deploy_to(board, built.folder / "bundle")
    assert again.previous is None and sum("cat >" in command for command in board.commands) == files
    # the same board is then measured through the same link
    monkeypatch.setenv("ECGDEPLOY_KNOWN_HOSTS", str(board.known_hosts))
    monkeypatch.setenv("ECGDEPLOY_SSH_KEY", str(board.user_key))
    with open_device(port=f"ssh://tester@127.0.0.1:{board.port}") as device:
        assert device.hello.build_id == built.build_id
        assert len(device.infer(bytes(device.hello.input_bytes)).outputs[0]) == 3


def test_the_command_line_deploys(built, make_board):
    board = make_board()
    arguments = ["flash", str(built.folder), "--host", f"tester@127.0.0.1:{board.port}", "--json"]
    arguments += ["--known-hosts", str(board.known_hosts), "--key", str(board.user_key)]
    arguments += ["--no-service", "--stability", "0"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["release"] == built.build_id


@pytest.mark.parametrize(
    ("facts", "code"),
    [({"machine": "x86_64"}, "architecture"), ({"glibc": "2.31"}, "glibc"), ({"free_kib": "100"}, "disk")],
)
def test_a_board_that_cannot_run_it_gets_nothing(built, make_board, facts, code):
    board = make_board(**facts)
    with pytest.raises(RemoteError) as caught:
        deploy_to(board, built.folder / "bundle")
    assert caught.value.code == code and caught.value.exit_code == 3
    assert not (board.home / "ecgdeploy").exists()


def test_a_bundle_for_another_architecture_is_refused_before_transfer(built, make_board, tmp_path):
    board = make_board()
    with pytest.raises(RemoteError) as caught:
        deploy_to(board, changed(built.folder / "bundle", tmp_path / "other", architecture="armv7l"))
    assert caught.value.code == "architecture" and not (board.home / "ecgdeploy").exists()
    with pytest.raises(RemoteError) as caught:
        deploy_to(board, changed(built.folder / "bundle", tmp_path / "newer", isa="armv8.2-a"))
    assert caught.value.code == "isa"


def test_a_host_key_that_is_unknown_or_has_changed_is_refused(built, make_board):
    board, other = make_board(), make_board()
    board.trust(other.key)
    with pytest.raises(RemoteError) as caught:
        deploy_to(board, built.folder / "bundle")
    assert caught.value.code == "host_key"
    board.known_hosts.write_text("")
    with pytest.raises(RemoteError) as caught:
        deploy_to(board, built.folder / "bundle")
    assert caught.value.code == "host_key" and board.commands == []


def test_a_board_that_is_off_is_unreachable(built, make_board):
    board = make_board()
    board.close()
    with pytest.raises(RemoteError) as caught:
        deploy_to(board, built.folder / "bundle")
    assert caught.value.code == "unreachable"


def test_any_damage_to_a_bundle_is_refused(built, tmp_path):
    random = np.random.default_rng(4)
    source = built.folder / "bundle"
    for number in range(20):
        folder = shutil.copytree(source, tmp_path / str(number))
        victim = sorted(path for path in folder.iterdir() if path.name != "SHA256SUMS")[number % 3]
        data = bytearray(victim.read_bytes())
        data[random.integers(len(data))] ^= 1 << int(random.integers(8))
        victim.write_bytes(data if number % 4 else data[:-1])
        with pytest.raises(RemoteError) as caught:
            read_bundle(folder)
        assert caught.value.code == "bundle"
    (tmp_path / "0" / "SHA256SUMS").unlink()
    with pytest.raises(RemoteError, match="no bundle"):
        read_bundle(tmp_path / "0")


def test_what_arrives_damaged_is_not_served(built, make_board):
    board = make_board()
    board.sabotage = lambda command: command.replace("cat > ", "tr 'a' 'b' > ")
    with pytest.raises(RemoteError) as caught:
        deploy_to(board, built.folder / "bundle")
    assert caught.value.code == "digest" and served(board) is None


@pytest.mark.parametrize(("service", "folder"), [(True, "opt"), (False, ".")])
def test_the_room_is_asked_for_where_the_releases_will_lie(built, make_board, service, folder):
    board = make_board(free_kib="100")
    (board.home / "opt").mkdir()
    assert refusal(board, built.folder / "bundle", service) == "disk"
    asked = (board.home / "df.asked").read_text().strip()
    assert (board.home / asked).resolve() == (board.home / folder).resolve()


def test_a_full_disk_is_named(built, make_board):
    board = make_board()
    full = "cat >/dev/null; echo 'cat: write error: No space left on device' >&2; exit 1"
    board.sabotage = lambda command: full if command.startswith("cat > ") else command
    with pytest.raises(RemoteError) as caught:
        deploy_to(board, built.folder / "bundle")
    assert caught.value.code == "disk" and served(board) is None


def test_wrong_golden_answers_leave_the_old_release_serving(built, make_board, tmp_path):
    board = make_board()
    deploy_to(board, built.folder / "bundle")
    other = projects.build("beat-cnn", "rpi_zero2w", "static", True, tmp_path / "other")
    folder = shutil.copytree(other.folder / "bundle", tmp_path / "bad")
    golden = json.loads((folder / "golden.json").read_text())
    wrong = golden["windows"][2]["outputs"][0]
    golden["windows"][2]["outputs"][0] = f"{(int(wrong[:2], 16) ^ 1):02x}" + wrong[2:]
    (folder / "golden.json").write_text(json.dumps(golden))
    reseal(folder)
    with pytest.raises(RemoteError) as caught:
        deploy_to(board, folder)
    assert caught.value.code == "golden" and served(board) == built.build_id


def test_a_release_that_fails_once_it_serves_is_rolled_back(built, make_board, tmp_path):
    board = make_board()
    deploy_to(board, built.folder / "bundle")
    other = projects.build("beat-cnn", "rpi_zero2w", "static", True, tmp_path / "other")
    switched = []

    def sabotage(command):
        """The new release dies as soon as `current` points at it."""
        if f"releases/{other.build_id} current.new" in command:
            switched.append(command)
        broken = switched and served(board) == other.build_id
        return "exit 1" if broken and command == "ecgdeploy/current/firmware" else command

    board.sabotage = sabotage
    with pytest.raises(RemoteError) as caught:
        deploy_to(board, other.folder / "bundle")
    assert caught.value.code == "rolled_back" and served(board) == built.build_id


@pytest.mark.parametrize("text", ["", "a b", "user@", "host:0", "host:99999", "ssh://host/path", "-oProxyCommand=x"])
def test_what_names_no_board_is_refused(text):
    with pytest.raises(UsageError):
        parse_host(text)


def test_a_project_whose_image_was_never_bundled_is_refused(tmp_path):
    with pytest.raises(RemoteError) as caught:
        read_bundle(tmp_path)
    assert caught.value.code == "bundle"


def test_a_login_that_is_refused_is_named(built, make_board):
    assert refusal(make_board(strict="yes"), built.folder / "bundle") == "login"


def test_another_board_is_named_before_anything_is_copied(built, make_board):
    board = make_board()
    (board.home / "model").write_text("NVIDIA Jetson Orin Nano")
    board.sabotage = lambda command: command.replace("/proc/device-tree/model", shlex.quote(f"{board.home}/model"))
    assert refusal(board, built.folder / "bundle") == "board"
    assert not (board.home / "ecgdeploy").exists()


def test_a_copy_that_breaks_off_is_a_transfer_error(built, make_board):
    board = make_board()
    board.sabotage = lambda command: "exit 1" if command.startswith("cat > ") else command
    assert refusal(board, built.folder / "bundle") == "transfer" and served(board) is None


@pytest.mark.parametrize(
    ("status", "code"), [(132, "isa"), (65, "golden"), (66, "digest"), (70, "start"), (127, "start")]
)
def test_how_the_self_test_ends_is_told_apart(built, make_board, status, code):
    board = make_board()
    board.sabotage = lambda command: f"exit {status}" if command.endswith("--self-test") else command
    assert refusal(board, built.folder / "bundle") == code and served(board) is None


def test_a_program_that_says_nothing_is_a_time_out_of_the_link(built, make_board, monkeypatch):
    monkeypatch.setattr(ChannelTransport, "start_s", 0.4)
    board = make_board()
    served_program = re.compile(r"\S+/firmware")
    board.sabotage = lambda command: "cat > /dev/null" if served_program.fullmatch(command) else command
    assert refusal(board, built.folder / "bundle") == "link_timeout" and served(board) is None


def test_only_the_release_that_serves_and_the_one_before_are_kept(built, make_board):
    board = make_board()
    old = board.home / "ecgdeploy/releases/0123456789abcdef"
    old.mkdir(parents=True)
    deploy_to(board, built.folder / "bundle")
    assert [path.name for path in old.parent.iterdir()] == [built.build_id]
