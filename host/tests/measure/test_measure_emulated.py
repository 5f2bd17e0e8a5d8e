"""A whole measurement on the emulated board, on synthetic ECG: right, resumable, and refused when it should be."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
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
            "--limit", "40", "--output", str(folder), "--json", *more]


def child_emulator(pid: int) -> int | None:
    """The emulator that process `pid` started, if there is one by now."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, fields = stat.read_text().rsplit(")", 1)
        except OSError:
            continue
        if "(qemu-system-arm" in name and int(fields.split()[1]) == pid:
            return int(stat.parent.name)
    return None


def test_a_killed_emulator_loses_nothing_and_resume_gives_the_undisturbed_result(tmp_path):
    environment = os.environ | {"ECGDEPLOY_BUILD_DIR": str(tmp_path / "build")}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run(command(whole), env=environment, check=True, capture_output=True, timeout=600)
    process = subprocess.Popen(command(broken), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    journal, emulator, deadline = broken / "journal.jsonl", None, time.monotonic() + 600
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02)  # leaves the processor to the process
        emulator = emulator or child_emulator(process.pid)
        if emulator and journal.exists() and journal.read_bytes().count(b"\n") > 5:
            os.kill(emulator, signal.SIGKILL)
            break
    _, error = process.communicate(timeout=600)
    assert process.returncode == 3, error.decode()
    assert len([line for line in error.decode().splitlines() if line.startswith("ecgdeploy:")]) == 1
    assert "--resume" in error.decode()
    measured = journal.read_bytes().count(b'"kind":"answer"')
    assert measured >= 5
    resumed = subprocess.run(command(broken, "--resume"), env=environment, check=True, capture_output=True, timeout=600)
    exact = json.loads(resumed.stdout)["bit_exact"]
    assert exact["compared"] == exact["identical"] > measured
    for name in ("results.jsonl", "result.json"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
