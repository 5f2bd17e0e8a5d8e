"""TensorRT on a Jetson, opt-in: an engine built there by `trtexec`, kept only when it answers the golden vectors.

Engines are tied to platform, GPU and TensorRT's version, so that they are built where they run, and cached under a name
made of exactly that. Whatever goes wrong leaves the release on the CPU as it was, with the reason.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgdeploy.devices.ssh import Remote
from ecgdeploy.provenance import sha256_bytes, sha256_json

if TYPE_CHECKING:
    from ecgdeploy.flash.linux import Bundle

ONNX, GOLDEN = "model.onnx", "onnx_golden.json"
FIND = "PATH=$PATH:/usr/src/tensorrt/bin command -v trtexec"
BUILD_S, RUN_S = 1800.0, 120.0
# TF32 has ten bits of mantissa: an ECG network should not lose them without being asked
PRECISION = "--noTF32"


@dataclass(frozen=True)
class TensorRt:
    """What came of the attempt.

    Attributes
    ----------
    used : bool
        The engine answers the golden vectors; else the board computes on its CPU, for `reason`.
    key : str
        Name of the engine: hash over ONNX file, TensorRT, L4T and GPU.
    cached : bool
        It had been built before.
    largest : float or None
        Largest difference from the golden outputs.
    median_ms : float or None
        Median time on the GPU that trtexec states for one inference.
    """

    used: bool
    reason: str
    key: str = ""
    cached: bool = False
    largest: float | None = None
    median_ms: float | None = None


class _Refused(Exception):
    """The reason for staying on the CPU."""


def prepare(bundle: Bundle, remote: Remote, base: str) -> TensorRt:
    """Build, check and time the TensorRT engine of a deployed release.

    Parameters
    ----------
    bundle, remote
        The release and the board that serves it.
    base : str
        Folder of the releases on the board.

    Returns
    -------
    TensorRt
        Never an exception for what TensorRT does: the release on the CPU is untouched.

    Raises
    ------
    RemoteError
        The connection broke.
    """
    key = ""
    cached = False
    try:
        if ONNX not in bundle.files:
            raise _Refused(str(bundle.manifest.get("onnx_reason") or "the bundle has no model.onnx"))
        program = remote.run(FIND).output.strip()
        if not program:
            raise _Refused("trtexec is not on the board: install JetPack's TensorRT")
        tool = shlex.quote(program)
        key = engine_key(bundle, remote, tool)
        folder = f"{base}/tensorrt"
        engine = f"{folder}/{key}.engine"
        cached = remote.run(f"test -s {engine}").status == 0
        if not cached:
            _build(remote, tool, f"{base}/current/{ONNX}", folder, engine)
        try:
            largest = _check(bundle, remote, tool, folder, engine)
        except _Refused:
            remote.run(f"rm -f {engine}")
            raise
        done = remote.run(f"{tool} --loadEngine={engine} --warmUp=1000 --duration=10 --iterations=10", timeout=RUN_S)
        found = re.search(r"GPU Compute Time:.*?median = ([0-9.]+) ms", done.output)
        return TensorRt(True, "", key, cached, largest, float(found[1]) if found else None)
    except _Refused as reason:
        return TensorRt(False, f"{reason}; the board computes on its CPU", key, cached)


def engine_key(bundle: Bundle, remote: Remote, tool: str) -> str:
    """What an engine depends on, as 16 hexadecimal digits."""
    version = re.search(r"TensorRT[. ]v?([0-9.]+)", remote.run(f"{tool} --help 2>&1 | head -n 5").output)
    facts = {
        "onnx": sha256_bytes(bundle.files[ONNX]),
        "tensorrt": version[1] if version else remote.run("dpkg-query -W tensorrt libnvinfer8 2>/dev/null").output,
        "l4t": remote.run("head -n 1 /etc/nv_tegra_release").output.strip(),
        "gpu": remote.run("tr '\\0' ' ' < /proc/device-tree/compatible").output.strip(),
        "precision": PRECISION,
    }
    return sha256_json(facts)[:16]


def _build(remote: Remote, tool: str, onnx: str, folder: str, engine: str) -> None:
    command = f"mkdir -p {folder} && {tool} --onnx={onnx} --saveEngine={engine}.partial {PRECISION}"
    done = remote.run(f"{command} && mv {engine}.partial {engine}", timeout=BUILD_S)
    if done.status:
        remote.run(f"rm -f {engine}.partial")
        said = (done.errors.strip() or done.output.strip()).splitlines()[-1:] or [f"status {done.status}"]
        raise _Refused(f"trtexec cannot build an engine: {said[0]}")


def _check(bundle: Bundle, remote: Remote, tool: str, folder: str, engine: str) -> float:
    """Largest difference over the golden vectors."""
    golden = json.loads(bundle.files[GOLDEN])
    worst = 0.0
    for number, window in enumerate(golden["windows"]):
        named = []
        for k, text in enumerate(window["inputs"]):
            path = f"{folder}/input_{k}.bin"
            if remote.run(f"cat > {shlex.quote(path)}", bytes.fromhex(text)).status:
                raise _Refused("the golden inputs could not be written")
            named.append(f"input_{k}:{path}")
        done = remote.run(
            f"{tool} --loadEngine={engine} --loadInputs={','.join(named)} --exportOutput={folder}/out.json "
            f"--iterations=1 --warmUp=0 --duration=0 > /dev/null && cat {folder}/out.json",
            timeout=RUN_S,
        )
        try:
            outputs = {part["name"]: part["values"] for part in json.loads(done.output)}
        except (ValueError, KeyError, TypeError):
            raise _Refused(f"trtexec cannot run its engine (status {done.status})") from None
        worst = max(worst, _distance(outputs, window["outputs"]))
        if not worst <= golden["tolerance"]:
            raise _Refused(f"golden vector {number} is answered {worst:.2g} off, {golden['tolerance']:g} is allowed")
    return worst


def _distance(outputs: dict[str, Any], wanted: Sequence[str]) -> float:
    worst = 0.0
    for k, text in enumerate(wanted):
        theirs = np.frombuffer(bytes.fromhex(text), np.float32).astype(np.float64)
        ours = np.asarray(outputs.get(f"output_{k}", []), dtype=np.float64).ravel()
        if ours.shape != theirs.shape or not np.isfinite(ours).all():
            return float("inf")
        worst = max(worst, float(np.abs(ours - theirs).max()) / max(1.0, float(np.abs(theirs).max())))
    return worst
