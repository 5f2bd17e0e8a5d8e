"""What the file system refuses is one line on the command line, and leaves no half file."""

import errno
import json
import os

import pytest

from ecgdeploy import cli
from ecgdeploy.provenance import write_atomic


def _ends(monkeypatch, capsys, *argv):
    monkeypatch.setattr("sys.argv", ["ecgdeploy", *argv])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err


@pytest.mark.parametrize(
    "argv", [("init", "file"), ("data", "sample", "file"), ("plan", "m.tflite", "--html", "file/x")]
)
def test_a_file_where_a_folder_is_wanted_is_one_line(argv, tmp_path, monkeypatch, capsys):
    from ecgdeploy import zoo

    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "m.tflite").write_bytes(zoo.preset("beat-cnn").int8.read_bytes())
    code, _, err = _ends(monkeypatch, capsys, *argv)
    assert code == 2 and err.count("\n") == 1 and "file" in err and "it is a file where a folder is wanted" in err


def test_a_full_disk_names_the_file_and_leaves_no_part_of_it(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space left") as refused:
        write_atomic(tmp_path / "report.html", "text")
    assert refused.value.filename == str(tmp_path / "report.html") and not list(tmp_path.iterdir())
    assert "free the disk" in cli._of_the_system(refused.value)


def test_a_second_writer_of_a_file_neither_spoils_it_nor_fails(tmp_path, monkeypatch):
    """The other one writes the same file, whole, between this one's first byte and its last step."""
    replace = os.replace
    seen = []

    def other_first(source, target):
        if not seen:
            seen.append(source)
            write_atomic(tmp_path / "engine.so", b"same bytes")
            assert (tmp_path / "engine.so").read_bytes() == b"same bytes"
        replace(source, target)

    monkeypatch.setattr("os.replace", other_first)
    write_atomic(tmp_path / "engine.so", b"same bytes")
    assert (tmp_path / "engine.so").read_bytes() == b"same bytes"
    assert [path.name for path in tmp_path.iterdir()] == ["engine.so"]


@pytest.mark.parametrize("command", [("report",), ("gate",), ("bundle",), ("pareto",), ("compare", "run")])
def test_a_result_that_lacks_a_part_is_one_line(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "result.json").write_text(json.dumps({"schema": "ecgdeploy.measure/1", "columns": {}}))
    code, out, err = _ends(monkeypatch, capsys, *command, "run")
    assert (code, out) == (2, "") and err.count("\n") == 1 and "has no bit_exact" in err


def test_a_float_model_or_port_that_is_not_there_is_said_before_anything_is_built(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, _, err = _ends(monkeypatch, capsys, "measure", "--emulate", "--float-model", "none.tflite")
    assert code == 2 and "no model file none.tflite" in err
    code, _, err = _ends(monkeypatch, capsys, "measure", "--port", "/dev/none-such")
    assert code == 3 and "/dev/none-such" in err
