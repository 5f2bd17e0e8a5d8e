"""`ecgdeploy data fetch` against a server on the loopback: whole files with the right sum, or one clear line."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from click.testing import CliRunner

from ecgdeploy.cli.data import data
from ecgdeploy.ecg.datasets import dataset
from ecgdeploy.ecg.fetch import Unreachable, fetch
from ecgdeploy.ecg.record import Annotations
from ecgdeploy.ecg.sources import mitbih
from ecgdeploy.ecg.tasks import load_task
from ecgdeploy.ecg.wfdb_annotation import write_annotations
from ecgdeploy.errors import DataError, UsageError

from .conftest import write_mitbih

MITDB = dataset("mitdb")


@dataclass
class Mirror:
    """What the server has, what it does wrong, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    cut_after: dict[str, int] = field(default_factory=dict)  # break the first answer to a file after so many bytes
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""

    def publish(self, **changes: str) -> None:
        sums = {name: hashlib.sha256(content).hexdigest() for name, content in self.files.items()} | changes
        self.files["SHA256SUMS.txt"] = "".join(f"{value} {name}\n" for name, value in sums.items()).encode()


@pytest.fixture
def mirror(monkeypatch):
    monkeypatch.delenv("ECGDEPLOY_OFFLINE", raising=False)
    state = Mirror()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name, wanted = self.path.lstrip("/"), self.headers.get("Range")
            state.asked.append((name, wanted))
            content = state.files.get(name)
            if content is None:
                self.send_error(404)
                return
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and state.ranges else 0
            if start >= len(content) > 0:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start : start + state.cut_after.pop(name, len(content))])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    content = np.random.default_rng(4).bytes(300_000)
    state.files = {"100.hea": b"a header", "100.dat": content, "x_mitdb/x_108.hea": b"below"}
    state.publish()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def test_every_file_arrives_whole_and_a_second_run_fetches_nothing(mirror, tmp_path):
    calls = []
    done = fetch(MITDB, tmp_path, only=("*",), base_url=mirror.url, progress=lambda *call: calls.append(call))
    assert set(done.received) == {"100.hea", "100.dat", "x_mitdb/x_108.hea"}
    for name in done.received:
        assert (tmp_path / name).read_bytes() == mirror.files[name]
    assert not list(tmp_path.rglob("*.part"))
    assert max(call[0] for call in calls) == 300_000
    mirror.asked.clear()
    again = fetch(MITDB, tmp_path, only=("*",), base_url=mirror.url)
    assert (set(again.kept), again.received) == (set(done.received), ())
    assert mirror.asked == [("SHA256SUMS.txt", None)]


def test_only_the_files_that_the_reader_needs_are_fetched_unless_asked_for(mirror, tmp_path):
    assert set(fetch(MITDB, tmp_path, base_url=mirror.url).received) == {"100.hea", "100.dat"}


def test_an_interrupted_file_is_continued_where_it_stopped(mirror, tmp_path):
    (tmp_path / "100.dat.part").write_bytes(mirror.files["100.dat"][:120_000])
    fetch(MITDB, tmp_path, only=("100.dat",), base_url=mirror.url)
    assert (tmp_path / "100.dat").read_bytes() == mirror.files["100.dat"]
    assert ("100.dat", "bytes=120000-") in mirror.asked


def test_a_connection_that_breaks_is_taken_up_again(mirror, tmp_path):
    mirror.cut_after["100.dat"] = 65_536
    fetch(MITDB, tmp_path, only=("100.*",), base_url=mirror.url)
    assert (tmp_path / "100.dat").read_bytes() == mirror.files["100.dat"]
    assert [wanted for name, wanted in mirror.asked if name == "100.dat"] == [None, "bytes=65536-"]


@pytest.mark.parametrize("part", [b"x" * 500, b"x" * 400_000], ids=["other bytes", "longer than the file"])
@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_a_part_that_is_not_the_file_is_thrown_away(mirror, tmp_path, part, ranges):
    mirror.ranges = ranges
    (tmp_path / "100.dat.part").write_bytes(part)
    fetch(MITDB, tmp_path, only=("100.dat",), base_url=mirror.url)
    assert (tmp_path / "100.dat").read_bytes() == mirror.files["100.dat"]


def test_two_programs_that_fetch_the_same_file_at_once_fetch_it_once(mirror, tmp_path):
    """The second comes while the first is in the middle of it."""
    seconds, asked = [], []

    def second():
        seconds.append(fetch(MITDB, tmp_path, only=("100.dat",), base_url=mirror.url))

    other = threading.Thread(target=second)

    def progress(got, *_):
        if not asked and got:
            asked.append(got)
            other.start()
            while other.is_alive() and [name for name, _ in mirror.asked].count("SHA256SUMS.txt") < 2:
                other.join(0.01)

    assert fetch(MITDB, tmp_path, only=("100.dat",), base_url=mirror.url, progress=progress).received == ("100.dat",)
    other.join()
    assert asked and len(seconds) == 1
    assert (tmp_path / "100.dat").read_bytes() == mirror.files["100.dat"]
    assert [name for name, _ in mirror.asked].count("100.dat") == 1
    assert not list(tmp_path.glob("*.part"))


def test_a_file_whose_sum_stays_wrong_never_appears(mirror, tmp_path):
    mirror.publish(**{"100.dat": "0" * 64})
    with pytest.raises(DataError, match=r"100\.dat: SHA-256"):
        fetch(MITDB, tmp_path, only=("100.dat",), base_url=mirror.url)
    assert not (tmp_path / "100.dat").exists()


def test_a_damaged_file_on_disk_is_fetched_again(mirror, tmp_path):
    fetch(MITDB, tmp_path, base_url=mirror.url)
    (tmp_path / "100.hea").write_bytes(b"damaged!")
    assert fetch(MITDB, tmp_path, base_url=mirror.url).received == ("100.hea",)
    assert (tmp_path / "100.hea").read_bytes() == b"a header"


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "a/../../outside"])
def test_a_sums_file_cannot_write_outside_the_folder(mirror, tmp_path, name):
    mirror.files["SHA256SUMS.txt"] = f"{'0' * 64} {name}\n".encode()
    with pytest.raises(DataError, match="is no sums file"):
        fetch(MITDB, tmp_path / "in", base_url=mirror.url)
    assert [path.name for path in tmp_path.rglob("*")] == ["in"]


def test_what_cannot_be_fetched_is_said_in_one_line(mirror, tmp_path, monkeypatch):
    with pytest.raises(DataError, match="mitdb has no file 999"):
        fetch(MITDB, tmp_path, only=("999.*",), base_url=mirror.url)
    with pytest.raises(DataError, match="answers 404"):
        fetch(MITDB, tmp_path, base_url=f"{mirror.url}/nowhere")
    with pytest.raises(DataError, match="sph is not on PhysioNet"):
        fetch(dataset("sph"), tmp_path)
    with pytest.raises(UsageError, match="unknown data set 'mitbd'"):
        dataset("mitbd")
    monkeypatch.setenv("ECGDEPLOY_OFFLINE", "1")
    with pytest.raises(Unreachable, match="ECGDEPLOY_OFFLINE is set"):
        fetch(MITDB, tmp_path, base_url=mirror.url)


def test_a_server_that_is_not_there_is_unreachable(monkeypatch, tmp_path):
    monkeypatch.delenv("ECGDEPLOY_OFFLINE", raising=False)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen: as long as it is bound, nobody else does
        with pytest.raises(Unreachable, match="not reachable"):
            fetch(MITDB, tmp_path, base_url=f"http://127.0.0.1:{nobody.getsockname()[1]}", timeout_s=2)


def test_the_beat_task_downloads_the_database_where_the_internet_is(mirror, tmp_path, monkeypatch, caplog):
    for name in mitbih.RECORDS:
        write_mitbih(tmp_path / "made", name, 900)
        write_annotations(tmp_path / "made" / f"{name}.atr", Annotations.at([300, 600], ["N", "V"]))
    mirror.files = {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()} | {"100.xws": b"unneeded"}
    mirror.files |= {"RECORDS": b"100", "ANNOTATORS": b"atr"}
    mirror.publish()
    monkeypatch.delenv("ECGDEPLOY_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("ecgdeploy.ecg.fetch.PHYSIONET", mirror.url)
    mirror.files = {f"mitdb/1.0.0/{name}": content for name, content in mirror.files.items()}
    task = load_task("mitbih-beats")
    assert (task.name, task.synthetic) == ("mitbih-beats", False)
    assert "downloading" in caplog.text
    assert len(task.test()) == 2 * len(mitbih.DS2)
    assert not any("xws" in name for name, _ in mirror.asked)
    asked = len(mirror.asked)
    load_task("mitbih-beats")
    assert len(mirror.asked) == asked


def test_the_beat_task_is_synthetic_where_the_internet_is_not(tmp_path, monkeypatch):
    monkeypatch.delenv("ECGDEPLOY_DATA", raising=False)
    monkeypatch.delenv("ECGDEPLOY_OFFLINE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("ecgdeploy.ecg.fetch.PHYSIONET", "http://127.0.0.1:9")
    assert load_task("mitbih-beats").synthetic


def test_the_command_fetches_and_says_what_it_did(mirror, tmp_path):
    arguments = ["fetch", "mitdb", "--to", str(tmp_path), "--only", "100.*", "--base-url", mirror.url, "--json"]
    result = CliRunner().invoke(data, arguments, standalone_mode=False)
    assert result.exception is None, result.output
    assert '"received": 2' in result.stdout
