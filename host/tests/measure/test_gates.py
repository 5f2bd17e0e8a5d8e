"""Gates: declared beforehand, each with its verdict; a figure that was not measured is a miss, not a pass."""

import copy
import json

import pytest
from click.testing import CliRunner
from test_validity_and_comparison import RUN

from ecgdeploy.cli.gate import gate as command
from ecgdeploy.errors import GateError, UsageError
from ecgdeploy.measure.gates import Gates, declared, judge, read_gates

WHOLE = """
schema = 1
task = "beats"
board = "nano33ble"
[answers]
bit_exact = true
min_windows = 10
least = { accuracy = 0.9, "N.f1" = 0.8 }
largest_loss = { accuracy = 0.02 }
[memory]
max_flash = 1000
max_ram = 200
[cost]
max = 100
unit = "instructions"
"""


@pytest.fixture
def result():
    made = copy.deepcopy(RUN)
    made["provenance"] |= {"engine": "static", "model_sha256": "cc", "records": 2}
    made["columns"]["host float32"] = {"accuracy": 0.91}
    return made


@pytest.fixture
def gates(tmp_path):
    def make(text):
        path = tmp_path / "gates.toml"
        path.write_text(text)
        return read_gates(path)

    return make


def missed(verdicts):
    return [v.gate for v in verdicts if not v.passed]


def test_a_run_that_reaches_every_gate_passes_each_at_its_very_limit(result, gates):
    verdicts = judge(gates(WHOLE), result)
    assert missed(verdicts) == []
    assert len(verdicts) == 12


@pytest.mark.parametrize(
    ("place", "value", "gate"),
    [
        (("validity",), ["output_not_identical"], "valid run"),
        (("provenance", "synthetic"), True, "data"),
        (("provenance", "data", "task"), "others", "task"),
        (("provenance", "board"), "rpi4", "board"),
        (("bit_exact", "identical"), 9, "bit-exact"),
        (("provenance", "windows"), 9, "windows"),
        (("columns", "device", "accuracy"), 0.899, "accuracy"),
        (("columns", "host float32", "accuracy"), 0.93, "accuracy, less than float32 by"),
        (("columns", "host float32"), {}, "accuracy, less than float32 by"),
        (("columns", "device", "per_class"), [], "N.f1"),
        (("memory", "flash_total"), 1001, "flash, bytes"),
        (("memory",), None, "RAM, bytes"),
        (("latency", "median"), 101, "instructions, median"),
        (("latency", "median"), None, "instructions, median"),
        (("latency", "unit"), "cycles", "instructions, median"),
    ],
)
def test_each_gate_is_missed_by_what_it_guards_against(result, gates, place, value, gate):
    *way, last = place
    target = result
    for key in way:
        target = target[key]
    target[last] = value
    assert gate in missed(judge(gates(WHOLE), result))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema = 1\nbord = 'x'", "did you mean 'board'|board"),
        ("schema = 1\n[answers]\nleest = {}", "least"),
        ("schema = 1\n[cost]\nmax = 0\nunit = 'cycles'", "cost.max"),
        ("schema = 1\n[cost]\nmax = 5\nunit = 'seconds'", "cost.unit"),
        ("schema = 1", "declares no gate"),
        ("schema = 2\nboard = 'x'", "schema"),
        ("not toml", "cannot be read"),
    ],
)
def test_a_wrong_gates_file_is_one_line(gates, text, message):
    with pytest.raises(UsageError, match=message) as caught:
        gates(text)
    assert "\n" not in str(caught.value)


def test_a_run_knows_whether_its_gates_were_declared_before(result, gates):
    mine = gates(WHOLE)
    assert declared(mine, result) == "afterwards"
    result["provenance"]["gates"] = {"sha256": mine.sha256, "declared": mine.as_json()}
    assert declared(mine, result) == "before the run"
    assert declared(gates(WHOLE.replace("0.9,", "0.8,")), result) == "changed since"
    assert Gates.model_validate(mine.as_json()).sha256 == mine.sha256


def test_the_command_exits_with_the_gates_that_were_missed(result, tmp_path):
    (tmp_path / "gates.toml").write_text(WHOLE.replace("1000", "999"))
    (tmp_path / "result.json").write_text(json.dumps(result))
    runner = CliRunner()
    done = runner.invoke(command, [str(tmp_path), "--gates", str(tmp_path / "gates.toml"), "--json"])
    assert isinstance(done.exception, GateError) and done.exception.exit_code == 1
    assert "flash, bytes" in str(done.exception)
    assert [v["gate"] for v in json.loads(done.stdout)["verdicts"] if not v["passed"]] == ["flash, bytes"]
    without = runner.invoke(command, [str(tmp_path)])
    assert isinstance(without.exception, UsageError) and "declares no gates" in str(without.exception)
