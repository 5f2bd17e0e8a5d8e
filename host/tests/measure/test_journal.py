"""The journal keeps what was answered through any kill, and gives each answer once."""

import fcntl
import os
import random
import signal
import subprocess
import sys

import pytest

from ecgdeploy.errors import DataError, UsageError
from ecgdeploy.measure.journal import Journal

RUN = {"model": "a" * 8, "windows": 3}


def filled(path, count=5):
    with Journal.open(path, RUN) as journal:
        for index in range(count):
            journal.append(index, {"outputs": [f"{index:02x}"], "ticks": index * 7})
    return path.read_bytes()


def entries(journal, count):
    return [journal[index] for index in range(count)]


def test_what_was_written_is_there_after_reopening(tmp_path):
    path = tmp_path / "journal.jsonl"
    filled(path)
    with Journal.open(path, RUN, resume=True) as journal:
        assert len(journal) == 5 and 4 in journal and 5 not in journal
        assert journal[3] == {"outputs": ["03"], "ticks": 21}


@pytest.mark.parametrize("lost", range(1, 60, 7))
def test_a_torn_last_line_is_cut_off_and_measured_again(tmp_path, lost):
    path = tmp_path / "journal.jsonl"
    whole = filled(path)
    path.write_bytes(whole[:-lost])
    with Journal.open(path, RUN, resume=True) as journal:
        assert len(journal) == 4
        journal.append(4, {"outputs": ["04"], "ticks": 28})
    assert path.read_bytes() == whole


def test_a_damaged_line_in_the_middle_counts_as_missing(tmp_path):
    path = tmp_path / "journal.jsonl"
    lines = filled(path).splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"ticks":7', b'"ticks":8')
    path.write_bytes(b"".join(lines))
    with Journal.open(path, RUN, resume=True) as journal:
        assert journal.damaged == 1 and 1 not in journal and 2 in journal
        journal.append(1, {"outputs": ["01"], "ticks": 7})
    with Journal.open(path, RUN, resume=True) as journal:
        assert entries(journal, 5)[1]["ticks"] == 7


def test_no_answer_counts_twice(tmp_path):
    with Journal.open(tmp_path / "j", RUN) as journal:
        journal.append(0, {})
        with pytest.raises(ValueError, match="there already"):
            journal.append(0, {})


def test_a_journal_of_another_run_is_refused_and_says_in_what(tmp_path):
    filled(tmp_path / "j")
    with pytest.raises(UsageError, match="differs in windows"):
        Journal.open(tmp_path / "j", {**RUN, "windows": 4}, resume=True)


def test_beginning_anew_keeps_the_old_journal_beside_it(tmp_path):
    whole = filled(tmp_path / "j")
    with Journal.open(tmp_path / "j", RUN) as journal:
        assert len(journal) == 0
    assert (tmp_path / "j.previous").read_bytes() == whole


def test_two_programs_cannot_write_one_journal(tmp_path):
    with Journal.open(tmp_path / "j", RUN), pytest.raises(UsageError, match="another program"):
        Journal.open(tmp_path / "j", RUN, resume=True)


def test_a_journal_put_aside_while_it_was_being_opened_is_not_written(tmp_path, monkeypatch):
    """Another program begins anew, and ends, between this one's opening and locking of the file."""
    filled(tmp_path / "j")
    lock = fcntl.flock

    def after_the_other(descriptor, how):
        monkeypatch.setattr("fcntl.flock", lock)
        filled(tmp_path / "j", 3)
        lock(descriptor, how)

    monkeypatch.setattr("fcntl.flock", after_the_other)
    with pytest.raises(UsageError, match="another program"):
        Journal.open(tmp_path / "j", RUN)
    with Journal.open(tmp_path / "j", RUN, resume=True) as journal:
        assert len(journal) == 3


def test_a_file_that_is_no_journal_is_refused_and_kept(tmp_path):
    path = tmp_path / "j"
    path.write_text("my notes\n")
    with pytest.raises(DataError, match="not a journal"):
        Journal.open(path, RUN, resume=True)
    assert path.read_text() == "my notes\n"


# A measurement in small: the firmware as a process, every answer journalled, the results written when all are there.
# Every ten answers it reads a line that lets it go on, so that it cannot have ended before the signal comes.
WORKER = """
import json, random, sys
from pathlib import Path
from ecgdeploy.devices import open_device
from ecgdeploy.measure.journal import Journal
folder, image, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
source = random.Random(5)
data = [source.randbytes(256) for _ in range(count)]
with Journal.open(folder / "journal.jsonl", {"run": 1}, resume=True) as journal:
    missing = [i for i in range(count) if i not in journal]
    with open_device(process=[image]) as device:
        for i, answer in zip(missing, device.infer_many(data[i] for i in missing), strict=True):
            journal.append(i, {"outputs": [o.hex() for o in answer.outputs], "crc": answer.input_crc})
            if i % 10 == 0:
                print(i, flush=True)
                sys.stdin.readline()
    results = [journal[i] for i in range(count)]
(folder / "results.json").write_text(json.dumps(results))
"""


def test_a_run_killed_five_times_ends_like_an_undisturbed_one(tmp_path):
    from ecgdeploy.devices.fake import build_fake

    count, source = 400, random.Random(11)
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    image = build_fake("host")
    kills = 0
    for name, deaths in (("disturbed", 5), ("undisturbed", 0)):
        folder = tmp_path / name
        folder.mkdir()
        command = [sys.executable, str(worker), str(folder), str(image), str(count)]
        for _ in range(deaths):
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
                for _ in range(source.randrange(1, 8)):
                    process.stdin.write(b"\n")  # one ahead: the signal finds it anywhere within ten answers
                    assert process.stdout.readline()
                os.kill(process.pid, signal.SIGKILL)
            kills += process.returncode == -signal.SIGKILL
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    assert kills == 5
    assert (tmp_path / "disturbed/results.json").read_bytes() == (tmp_path / "undisturbed/results.json").read_bytes()
