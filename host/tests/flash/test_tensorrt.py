"""TensorRT on a Jetson is used only when it answers the golden vectors; else the CPU, and the reason is said."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys

import numpy as np
import pytest

from ecgdeploy.devices.ssh import Done
from ecgdeploy.flash.linux import Bundle
from ecgdeploy.flash.tensorrt import prepare

WINDOWS = 3
# the fake answers twice its input, plus what the file `error` says
TRTEXEC = """
import json, os, struct, sys
here = os.path.dirname(os.path.abspath(__file__))
options = dict(word.lstrip("-").partition("=")[::2] for word in sys.argv[1:])
open(f"{here}/log", "a").write(" ".join(sorted(options)) + "\\n")
if "help" in options:
    print("&&&& RUNNING TensorRT.trtexec [TensorRT v8502] # trtexec --help")
elif "onnx" in options:
    if os.path.exists(f"{here}/broken"):
        sys.exit("no kernel for this layer")
    open(options["saveEngine"], "w").write("engine")
elif "loadInputs" in options:
    data = open(options["loadInputs"].partition(":")[2], "rb").read()
    error = float(open(f"{here}/error").read())
    values = [2 * value + error for value in struct.unpack(f"{len(data) // 4}f", data)]
    json.dump([{"name": "output_0", "dimensions": "1x4", "values": values}], open(options["exportOutput"], "w"))
else:
    print("[I] GPU Compute Time: min = 0.1 ms, max = 0.3 ms, mean = 0.2 ms, median = 0.21 ms, percentile(99%) = 0.3 ms")
"""


class Jetson:
    """This computer's shell, with a fake trtexec; files of the board lie in `root`."""

    name = "jetson"

    def __init__(self, root, l4t="R35"):
        self.root = root
        self.l4t = l4t
        (root / "bin").mkdir(exist_ok=True)
        tool, script = root / "bin/trtexec", root / "bin/trtexec.py"
        script.write_text(TRTEXEC)
        tool.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, str(script)])} "$@"\n')
        tool.chmod(0o755)
        (root / "bin/error").write_text("0.0001")

    def run(self, command, data=b"", timeout=20.0):
        command = command.replace("/etc/nv_tegra_release", shlex.quote(f"{self.root}/l4t"))
        (self.root / "l4t").write_text(self.l4t)
        path = f"{self.root}/bin:{os.environ['PATH']}"
        done = subprocess.run(["sh", "-c", command], cwd=self.root, input=data, capture_output=True, timeout=timeout,
                              check=False, env=os.environ | {"PATH": path})  # fmt: skip
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def built(self):
        """How often an engine was built."""
        return (self.root / "bin/log").read_text().count("onnx")


@pytest.fixture
def jetson(tmp_path):
    (tmp_path / "releases/current").mkdir(parents=True)
    return Jetson(tmp_path)


@pytest.fixture
def bundle():
    random = np.random.default_rng(0)
    windows = []
    for _ in range(WINDOWS):
        inputs = random.standard_normal(4).astype(np.float32)
        windows.append({"inputs": [inputs.tobytes().hex()], "outputs": [(2 * inputs).tobytes().hex()]})
    golden = json.dumps({"tolerance": 1e-3, "windows": windows}).encode()
    return Bundle({"model.onnx": b"onnx", "onnx_golden.json": golden}, {"build_id": "0"}, {})


def test_an_engine_that_answers_the_golden_vectors_is_used_and_cached(jetson, bundle):
    first = prepare(bundle, jetson, "releases")
    assert first.used and not first.cached and first.median_ms == 0.21
    assert 0 < first.largest <= 1e-3 and (jetson.root / f"releases/tensorrt/{first.key}.engine").is_file()
    again = prepare(bundle, jetson, "releases")
    assert again.used and again.cached and again.key == first.key and jetson.built() == 1


def test_another_system_or_network_builds_another_engine(jetson, bundle):
    first = prepare(bundle, jetson, "releases")
    jetson.l4t = "R36"
    second = prepare(bundle, jetson, "releases")
    other = Bundle({**bundle.files, "model.onnx": b"other"}, bundle.manifest, bundle.golden)
    third = prepare(other, jetson, "releases")
    assert len({first.key, second.key, third.key}) == 3 and jetson.built() == 3


def test_an_engine_that_answers_otherwise_is_thrown_away_and_the_cpu_is_named(jetson, bundle):
    (jetson.root / "bin/error").write_text("0.5")
    found = prepare(bundle, jetson, "releases")
    assert not found.used and "golden vector 0" in found.reason and found.reason.endswith("computes on its CPU")
    assert not list((jetson.root / "releases/tensorrt").glob("*.engine"))
    (jetson.root / "bin/error").write_text("nan")
    assert not prepare(bundle, jetson, "releases").used


def test_an_engine_that_cannot_be_built_leaves_the_cpu(jetson, bundle):
    (jetson.root / "bin/broken").write_text("")
    found = prepare(bundle, jetson, "releases")
    assert not found.used and "no kernel for this layer" in found.reason


def test_a_board_without_trtexec_or_a_bundle_without_onnx_leaves_the_cpu(jetson, bundle):
    without = Bundle({}, {"onnx_reason": "the model is not float"}, {})
    assert "not float" in prepare(without, jetson, "releases").reason
    (jetson.root / "bin/trtexec").unlink()
    assert "trtexec is not on the board" in prepare(bundle, jetson, "releases").reason
