"""The command line starts quickly: nothing heavy is imported before it is needed; Tab completes."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys

import pytest

from ecgdeploy.cli import COMMANDS

HEAVY = ("tensorflow", "ai_edge_litert", "tflite_micro", "keras", "matplotlib", "scipy", "sklearn", "wfdb", "pydantic")
HELP_CPU_SECONDS = 0.3
# what the seconds are on the machine they were stated for: so many starts of a Python that does nothing (12 ms there)
HELP_STARTS = 25


def run(*args, **environment):
    return subprocess.run(
        [sys.executable, "-m", "ecgdeploy", *args],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from ecgdeploy.cli import app\n"
        "app.main(['--help'], standalone_mode=False)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(name in done.stdout for name in COMMANDS)


def test_no_command_imports_a_heavy_package_before_it_runs():
    code = (
        "import sys\n"
        "from ecgdeploy.cli import COMMANDS, app\n"
        "for name in COMMANDS:\n"
        "    app.get_command(None, name)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_costs_less_than_the_stated_cpu_time():
    """Processor time, not wall-clock time; the least of some runs, so that a busy or a slow machine does not decide."""

    def least(*words):
        spent = []
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return min(spent)

    assert least("-m", "ecgdeploy", "--help") < max(HELP_CPU_SECONDS, HELP_STARTS * least("-c", "pass"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed_for_each_shell(shell):
    done = run("completion", shell)
    assert done.returncode == 0
    assert "_ECGDEPLOY_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    ("line", "expected"),
    [("ecgdeploy bui", "build"), ("ecgdeploy boards nano", "nano33ble_sense"), ("ecgdeploy build --board rpi", "rpi4")],
)
def test_tab_completes_commands_and_board_names(line, expected):
    words = line.split()
    done = run(COMP_WORDS=line, COMP_CWORD=str(len(words) - 1), _ECGDEPLOY_COMPLETE="bash_complete")
    assert f"plain,{expected}" in done.stdout.splitlines()


def test_an_unknown_command_names_the_nearest_and_exits_2():
    done = run("bilud")
    assert done.returncode == 2
    assert "did you mean 'build'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_ends_in_4_when_the_demo_cannot_run(tmp_path):
    """Through the real entry point: click itself does not end the process here."""
    done = run("doctor", "--json", PATH=str(tmp_path))
    assert done.returncode == 4
    assert not json.loads(done.stdout)["ok"]
