"""Deploy a bundle to a Linux board: checked before, verified there, switched atomically, rolled back when it fails.

Sequence: bundle's sums -> board's architecture, C library, disk, model -> ``releases/ID.partial`` -> sums on the board
-> golden vectors through the link -> rename -> ``current`` (``previous`` is kept) -> HELLO with the build id and the
golden vectors again, several times -> else back to the release before. Each failure has its own code.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.devices import Device
from ecgdeploy.devices.ssh import Remote, RemoteError
from ecgdeploy.errors import DeviceError, EcgDeployError

BASE = "ecgdeploy"
PROGRAM = "firmware"
SPARE_BYTES = 4_000_000
HEALTH_ROUNDS = 3
REQUIRED = {"firmware", "golden.json", "manifest.json"}


@dataclass(frozen=True)
class Deployed:
    """A board that serves the release it was given."""

    host: str
    release: str
    previous: str | None
    golden_windows: int


@dataclass(frozen=True)
class Bundle:
    """A bundle as read and verified: file name to content, its manifest and golden vectors."""

    files: dict[str, bytes]
    manifest: dict[str, Any]
    golden: dict[str, Any]

    @property
    def release(self) -> str:
        """The release's name: the build id."""
        return str(self.manifest["build_id"])


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle and verify it against its sums.

    Raises
    ------
    RemoteError
        ``bundle``: a file is missing, damaged, or not in the sums.
    """
    hint = "build it again: ecgdeploy build --board BOARD"
    try:
        sums = (folder / "SHA256SUMS").read_text().splitlines()
        listed = {line.split("  ", 1)[1]: line.split("  ", 1)[0] for line in sums}
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
    except (OSError, IndexError, UnicodeDecodeError) as error:
        raise RemoteError("bundle", f"{folder} is no bundle: {error}", hint) from error
    for name in sorted(REQUIRED | set(listed)):
        if name not in files:
            raise RemoteError("bundle", f"{folder / name} is missing", hint)
        if hashlib.sha256(files[name]).hexdigest() != listed.get(name):
            raise RemoteError("bundle", f"{folder / name} is not the file that was built", hint)
    if extra := set(files) - set(listed) - {"SHA256SUMS"}:
        raise RemoteError("bundle", f"{folder / min(extra)} does not belong to the bundle", hint)
    return Bundle(files, json.loads(files["manifest.json"]), json.loads(files["golden.json"]))


def deploy(bundle: Bundle, remote: Remote, progress: Callable[[str], None] | None = None) -> Deployed:
    """Make a board serve a bundle, or leave it serving what it served.

    Raises
    ------
    RemoteError
        With `code`: ``architecture``, ``isa``, ``glibc``, ``board``, ``disk``, ``transfer``, ``digest``, ``start``,
        ``golden``, ``rolled_back``, ``rollback_failed``, ``unreachable``, ``timeout``.
    """
    release = bundle.release
    progress = progress or _silent
    progress(f"{remote.name}: checking the board")
    preflight(bundle, remote)
    previous = _release(remote, "current")
    if previous != release:
        progress(f"{remote.name}: copying release {release}")
        _push(bundle, remote)
        progress(f"{remote.name}: golden vectors")
        _golden(bundle, remote, f"{BASE}/releases/{release}.partial/{PROGRAM}")
        _must(remote, f"cd {BASE}/releases && rm -rf {release} && mv {release}.partial {release}", "transfer")
        _switch(remote, release, previous)
    progress(f"{remote.name}: the new release serves; watching it")
    try:
        for _ in range(HEALTH_ROUNDS):
            _golden(bundle, remote, f"{BASE}/current/{PROGRAM}")
    except EcgDeployError as error:
        _roll_back(remote, release, _release(remote, "previous"), error)
    return Deployed(remote.name, release, previous if previous != release else None, len(bundle.golden["windows"]))


def preflight(bundle: Bundle, remote: Remote) -> None:
    """Refuse a board that cannot run the bundle, before anything is copied.

    Raises
    ------
    RemoteError
        ``architecture``, ``isa``, ``glibc``, ``board`` or ``disk``.
    """
    manifest = bundle.manifest
    asked = (
        "uname -m; getconf GNU_LIBC_VERSION 2>/dev/null || echo none; "
        "cat /proc/device-tree/model 2>/dev/null | tr -d '\\0'; echo; "
        "grep -m1 -i '^features' /proc/cpuinfo || echo; df -Pk . | tail -n 1"
    )
    lines = (_must(remote, asked, "transfer").splitlines() + [""] * 5)[:5]
    machine, libc, model, features, disk = (line.strip() for line in lines)
    name = manifest["board"]
    if machine != manifest["architecture"]:
        raise RemoteError("architecture", f"{remote.name} is {machine}, the bundle is {manifest['architecture']}",
                          "use a 64-bit system, or build for this board")
    if manifest.get("isa") == "armv8.2-a" and "atomics" not in features.split():
        raise RemoteError("isa", f"{remote.name} lacks Armv8.1 atomics", f"the bundle is for {name}")
    found = re.search(r"(\d+)\.(\d+)", libc)
    least = tuple(map(int, manifest["least_glibc"].split(".")))
    if found is None or (int(found[1]), int(found[2])) < least:
        raise RemoteError("glibc", f"{remote.name} has C library '{libc}', the bundle needs {manifest['least_glibc']}",
                          "use Debian 12 (JetPack 6), or engine static built on the board")
    if model and manifest.get("model_match") and manifest["model_match"] not in model:
        raise RemoteError("board", f"{remote.name} is a {model}, the bundle is for {name}", "build for that board")
    free = disk.split()[3] if len(disk.split()) > 3 else ""
    need = sum(map(len, bundle.files.values())) + SPARE_BYTES
    if not free.isdigit() or int(free) * 1024 < need:
        raise RemoteError("disk", f"{remote.name} has {free or 'unknown'} KiB free, {need // 1024} are needed",
                          "remove old releases from ~/ecgdeploy/releases")


def _must(remote: Remote, command: str, code: str) -> str:
    done = remote.run(command)
    if done.status:
        said = (done.errors.strip().splitlines() or [f"status {done.status}"])[-1]
        code = "disk" if "No space left" in done.errors else code
        raise RemoteError(code, f"{remote.name}: {said}", "free disk, or look at the board")
    return done.output


def _silent(line: str) -> None:
    """Progress that nobody watches."""


def _release(remote: Remote, link: str) -> str | None:
    """Release that a link points at, None where there is none."""
    name = remote.run(f"readlink {BASE}/{link}").output.strip()
    return name.rsplit("/", 1)[-1] or None


def _push(bundle: Bundle, remote: Remote) -> None:
    folder = f"{BASE}/releases/{bundle.release}.partial"
    _must(remote, f"rm -rf {folder} && mkdir -p {folder}", "transfer")
    for name, data in bundle.files.items():
        target = shlex.quote(f"{folder}/{name}")
        done = remote.run(f"cat > {target}", data)
        if done.status:
            remote.run(f"rm -rf {folder}")
            full = "No space left" in done.errors
            raise RemoteError("disk" if full else "transfer", f"{remote.name}: {name} was not written: "
                              f"{done.errors.strip() or done.status}", "free disk, then try again")
    _must(remote, f"chmod 755 {folder}/{PROGRAM}", "transfer")
    if remote.run(f"cd {folder} && sha256sum --check --strict --quiet SHA256SUMS").status:
        remote.run(f"rm -rf {folder}")
        raise RemoteError("digest", f"{remote.name}: what arrived is not what was sent", "check its card and memory")


def _golden(bundle: Bundle, remote: Remote, program: str) -> None:
    manifest, golden = bundle.manifest, bundle.golden
    try:
        with Device(remote.line(program), expect_model=manifest["model_sha256"]) as device:
            if device.hello.build_id != bundle.release:
                raise RemoteError("golden", f"{remote.name} runs {device.hello.build_id}, not {bundle.release}", "")
            for number, window in enumerate(golden["windows"]):
                outputs = device.infer(b"".join(map(bytes.fromhex, window["inputs"]))).outputs
                if not _near(outputs, window, golden["steps"], golden["tolerance"]):
                    raise RemoteError("golden", f"{remote.name}: golden vector {number} is answered otherwise",
                                      "the model, the runtime or the board is damaged")
    except RemoteError:
        raise
    except DeviceError as error:
        raise RemoteError("start", f"{remote.name}: {error.message}", error.hint) from error


def _near(outputs: Any, window: dict[str, list[str]], steps: float, tolerance: float) -> bool:
    for output, wanted, dtype in zip(outputs, window["outputs"], window["dtypes"], strict=True):
        ours, theirs = np.frombuffer(output, dtype), np.frombuffer(bytes.fromhex(wanted), dtype)
        if ours.shape != theirs.shape:
            return False
        limit = tolerance if np.issubdtype(ours.dtype, np.floating) else steps
        if not bool(np.all(np.abs(ours.astype(np.float64) - theirs.astype(np.float64)) <= limit)):
            return False
    return True


def _switch(remote: Remote, release: str, previous: str | None) -> None:
    if previous:
        _link(remote, "previous", previous)
    _link(remote, "current", release)


def _link(remote: Remote, name: str, release: str) -> None:
    """Point a link at a release; a rename, so that there is no moment without one."""
    _must(remote, f"cd {BASE} && ln -sfn releases/{release} {name}.new && mv -T {name}.new {name}", "transfer")


def _roll_back(remote: Remote, release: str, previous: str | None, cause: EcgDeployError) -> None:
    why = f"release {release} failed on {remote.name}: {cause.message}"
    try:
        if previous is None or previous == release:
            _must(remote, f"rm -f {BASE}/current", "transfer")
            now = "no release"
        else:
            _link(remote, "current", previous)
            with Device(remote.line(f"{BASE}/current/{PROGRAM}")) as device:
                if device.hello.build_id != previous:
                    raise RemoteError("start", f"it runs {device.hello.build_id}", "")
            now = f"release {previous}"
    except EcgDeployError as error:
        raise RemoteError("rollback_failed", f"{why}; and so did the way back: {error.message}",
                          "log in and repair ~/ecgdeploy/current") from error
    raise RemoteError("rolled_back", f"{why}; the board serves {now} again", cause.hint) from cause
