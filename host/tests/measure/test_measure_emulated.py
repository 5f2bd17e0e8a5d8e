"""A whole measurement on the emulated board, on synthetic ECG: right, resumable, and refused when it should be."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ecgdeploy import zoo
from ecgdeploy.devices import open_device
from ecgdeploy.ecg.tasks import load_task
from ecgdeploy.errors import DataError, DeviceError
from ecgdeploy.measure.run import Request, measure
from ecgdeploy.projects import build

TASK = "mitbih-beats-synthetic"


@pytest.fixture(scope="module")
def firmware(tmp_path_factory):
    return build(zoo.preset("beat-cnn").int8, "nano33ble", engine="static", emulate=True,
                 output=tmp_path_factory.mktemp("measure") / "firmware")


def request_for(firmware, folder: Path, limit: int = 2, **changes) -> Request:
    preset = zoo.preset("beat-cnn")
    task = load_task(TASK)
    values = {
        "model": preset.int8, "float_model": preset.float32, "name": "beat-cnn",
        "test": task.test(limit_per_record=limit), "build": firmware,
        "open_device": lambda: open_device(elf=firmware.elf, expect_model=firmware.manifest["model"]["sha256"]),
        "folder": folder, "record_of": task.reader.record,
    }
    return Request(**(values | changes))


def test_every_window_is_answered_bit_identically_and_the_table_says_synthetic(firmware, tmp_path):
    from rich.console import Console

    from ecgdeploy.reports.page import render_page
    from ecgdeploy.reports.table import render

    request = request_for(firmware, tmp_path)
    result = measure(request).as_dict()
    assert result["bit_exact"] == {"compared": len(request.test), "identical": len(request.test)}
    assert result["validity"] == ("emulated",)
    assert result["latency"]["unit"] == "instructions" and result["latency"]["minimum"] > 100_000
    assert sum(map(sum, result["columns"]["device"]["confusion"])) == len(request.test)
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(render(result))
    text, page = console.export_text(), render_page(result)
    assert "SYNTHETIC" in text and "Synthetic ECG" in page
    names = r"http://(www\.w3\.org|purl\.org|creativecommons\.org)/|https://matplotlib\.org/"
    assert not re.search("https?://", re.sub(names, "", page)), "the page loads nothing from elsewhere"
    assert "milliseconds" not in text


def test_only_test_records_are_scored(firmware, tmp_path):
    with pytest.raises(DataError, match="scoring was given train data"):
        measure(request_for(firmware, tmp_path, test=load_task(TASK).train()))


def test_a_device_with_another_model_is_refused(firmware, tmp_path):
    request = request_for(firmware, tmp_path,
                          open_device=lambda: open_device(elf=firmware.elf, expect_model="0" * 64))
    with pytest.raises(DeviceError, match="model"):
        measure(request)


def command(folder: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "ecgdeploy", "measure", "--emulate", "--engine", "static", "--task", TASK,
            "--limit", "6", "--output", str(folder), "--json", *more]


# An emulator that is killed once it has answered so many bytes: some dozens of windows, wherever in an answer that is.
MORTAL = """
import os, signal, subprocess, sys
emulator = subprocess.Popen([sys.argv[1], *sys.argv[3:]], stdout=subprocess.PIPE)
left = int(sys.argv[2])
while left > 0 and (data := os.read(emulator.stdout.fileno(), left)):
    left -= os.write(1, data)
emulator.kill()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_emulator_loses_nothing_and_resume_gives_the_undisturbed_result(tmp_path):
    environment = os.environ | {"ECGDEPLOY_BUILD_DIR": str(tmp_path / "build")}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run(command(whole), env=environment, check=True, capture_output=True, timeout=600)
    mortal = tmp_path / "bin" / "qemu-system-arm"
    mortal.parent.mkdir()
    (mortal.parent / "mortal.py").write_text(MORTAL)
    start = [sys.executable, str(mortal.parent / "mortal.py"), str(shutil.which(mortal.name)), "2000"]
    mortal.write_text(f'#!/bin/sh\nexec {shlex.join(start)} "$@"\n')
    mortal.chmod(0o755)
    path = f"{mortal.parent}{os.pathsep}{os.environ['PATH']}"
    killed = subprocess.run(
        command(broken), env=environment | {"PATH": path}, capture_output=True, text=True, timeout=600, check=False
    )
    assert killed.returncode == 3, killed.stderr
    assert len([line for line in killed.stderr.splitlines() if line.startswith("ecgdeploy:")]) == 1
    assert "killed by SIGKILL" in killed.stderr and "--resume" in killed.stderr
    measured = (broken / "journal.jsonl").read_bytes().count(b'"kind":"answer"')
    assert measured >= 5
    resumed = subprocess.run(command(broken, "--resume"), env=environment, check=True, capture_output=True, timeout=600)
    exact = json.loads(resumed.stdout)["bit_exact"]
    assert exact["compared"] == exact["identical"] > measured
    for name in ("results.jsonl", "result.json"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
