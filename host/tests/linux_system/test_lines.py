"""The bundle's program on serial lines of Debian's kernel: an emulated Raspberry Pi's UART, a USB gadget."""

from __future__ import annotations

import json
import os

import pytest
from conftest import command_line, image_or_skip

from ecgdeploy.devices.linux_serial import GADGET, RASPI3B, SerialBoard

MEASURED_WINDOWS = 40


@pytest.fixture(scope="module", params=[RASPI3B, GADGET], ids=lambda line: line.name)
def line_board(request, good):
    """A machine that serves the preset on its line."""
    files = {path.name: path.read_bytes() for path in (good.folder / "bundle").iterdir()}
    machine = image_or_skip(lambda: SerialBoard(request.param, files))
    with machine:
        print(f"\n{request.param.name}: the program answers {machine.boot_s:.0f} s after power on")
        yield machine


def test_the_golden_vectors_are_answered_over_the_line(line_board, good):
    golden = json.loads((good.folder / "bundle" / "golden.json").read_text())
    with line_board.open() as device:
        assert device.hello.build_id == good.build_id
        for window in golden["windows"]:
            inputs = b"".join(map(bytes.fromhex, window["inputs"]))
            assert [output.hex() for output in device.infer(inputs).outputs] == window["outputs"]


def test_real_beats_are_measured_over_the_line(line_board, good, tmp_path):
    if not os.environ.get("ECGDEPLOY_DATA"):
        pytest.skip("needs MIT-BIH: set ECGDEPLOY_DATA to a folder with it")
    status, output, errors = command_line(
        {}, "measure", "--board", "rpi4", "--engine", "static", "--port", line_board.url, "--limit", "2",
        "--project", str(good.folder), "--output", str(tmp_path), "--json",
    )  # fmt: skip
    assert status == 0, errors
    result = json.loads(output)["bit_exact"]
    assert result["identical"] == result["compared"] >= MEASURED_WINDOWS
