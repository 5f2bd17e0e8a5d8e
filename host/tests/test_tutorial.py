"""The tutorial works as it stands: its commands, from an empty folder, with nothing but the wheel installed."""

from __future__ import annotations

import json
import re
import subprocess
from importlib.util import find_spec
from shutil import which

import pytest
from wheel_install import CLONE, build_wheel, environment, install

TUTORIAL = CLONE / "docs" / "tutorial.md"
FENCE = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
SAVED_AS = re.compile(r"save it as `([\w.]+)`")


def blocks():
    """(language, text, name of the file it is to be saved as) of every code block, in order."""
    page, place = TUTORIAL.read_text(), 0
    for match in FENCE.finditer(page):
        names = SAVED_AS.findall(page[place : match.start()])
        yield match[1], match[2], names[-1] if names else None
        place = match.end()


def test_the_tutorial_has_the_commands_of_the_whole_journey():
    commands = " ".join(text for language, text, _ in blocks() if language == "bash")
    for name in ("init", "train", "quantize", "verify", "build", "measure", "report", "gate"):
        assert f"ecgdeploy {name}" in commands


@pytest.mark.train
@pytest.mark.slow
def test_every_command_of_the_tutorial_runs_from_an_empty_folder_with_the_wheel_alone(tmp_path):
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm", "cmake", "ninja"):
        if which(tool) is None:
            pytest.skip(f"{tool} is not installed: ecgdeploy doctor says how")
    if find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed: pip install '.[train]'")
    home = install(build_wheel(tmp_path / "wheel"), tmp_path / "installed")
    folder = tmp_path / "empty"
    folder.mkdir()
    # no recordings, so that they are synthetic everywhere this runs; a network nowhere
    variables = environment(home, ECGDEPLOY_OFFLINE="1", ECGDEPLOY_THREADS="1", TF_CPP_MIN_LOG_LEVEL="3")
    where = subprocess.run(
        ["python", "-c", "import ecgdeploy; print(ecgdeploy.__file__)"],
        cwd=folder, env=variables, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.startswith(str(home))
    ran, printed = [], ""
    for language, text, name in blocks():
        if name is not None:
            (folder / name).write_text(text)
        elif language == "bash":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", text],
                cwd=folder, env=variables, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
            ran += text.split("\n")
            printed += done.stdout
    assert len([line for line in ran if line.startswith("ecgdeploy ")]) >= 10
    assert "SYNTHETIC" in printed
    result = json.loads((folder / "runs" / "measure" / "result.json").read_text())
    assert result["provenance"]["synthetic"] is True
    assert result["bit_exact"]["identical"] == result["bit_exact"]["compared"] > 0
    assert "bit-exact" in printed and "MISSED" not in printed
    assert str(CLONE) not in (folder / "report" / "report.html").read_text()
