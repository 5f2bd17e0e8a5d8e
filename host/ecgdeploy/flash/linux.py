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
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ecgdeploy.devices.ssh import Remote, RemoteError
from ecgdeploy.errors import EcgDeployError
from ecgdeploy.flash.golden import check_golden, check_release
from ecgdeploy.flash.service import SERVICE, Failure, Service, must
from ecgdeploy.projects.bundle import SERVICE_BASE

BASE = "ecgdeploy"  # in the user's home, where no service serves the release
PROGRAM = "firmware"
SPARE_BYTES = 4_000_000
HEALTH_ROUNDS = 3
HEALTH_EVERY_S = 2.0
STABILITY_S = 20.0
# exit statuses of the program (firmware/port/linux/ecgd_linux.h) and of a shell whose program a signal ended
EXIT_GOLDEN, EXIT_NO_GOLDEN, SIGNAL = 65, 66, 128
REQUIRED = {"firmware", "golden.json", "manifest.json"}


@dataclass(frozen=True)
class Deployed:
    """A board that serves the release it was given."""

    host: str
    release: str
    previous: str | None
    golden_windows: int
    service: str | None = None


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


def deploy(
    bundle: Bundle,
    remote: Remote,
    progress: Callable[[str], None] | None = None,
    *,
    service: bool = True,
    stability_s: float = STABILITY_S,
    pause: Callable[[float], None] = time.sleep,
) -> Deployed:
    """Make a board serve a bundle, or leave it serving what it served.

    Parameters
    ----------
    bundle, remote
        What goes where.
    progress : callable, optional
        Gets a line at every stage.
    service : bool
        Install and start the systemd service, which serves the board's serial port for ever; needs root there. Else
        the release lies in the user's home and runs while somebody is connected.
    stability_s : float
        How long the new release is watched, in seconds.
    pause : callable
        Waits that many seconds; tests give one that does not.

    Raises
    ------
    RemoteError
        With one of the codes of docs/howto/linux-boards.md.
    """
    release = bundle.release
    progress = progress or _silent
    progress(f"{remote.name}: checking the board")
    base = base_of(service)
    preflight(bundle, remote, base)
    host = Service(remote, pause) if service else None
    if host is not None:
        host.prepare()
    previous = _release(remote, f"{base}/current")
    if previous != release:
        progress(f"{remote.name}: copying release {release}")
        _push(bundle, remote, base)
        progress(f"{remote.name}: golden vectors")
        partial = f"{base}/releases/{release}.partial/{PROGRAM}"
        _self_test(remote, partial)
        check_golden(bundle, remote, partial)
        must(remote, f"cd {base}/releases && rm -rf {release} && mv {release}.partial {release}", "transfer")
        _switch(remote, base, release, previous)
    program = f"{base}/current/{PROGRAM}"
    rounds = max(HEALTH_ROUNDS, round(stability_s / HEALTH_EVERY_S))
    try:
        if host is not None:
            progress(f"{remote.name}: starting the service")
            host.start(release)
            program = host.program
        progress(f"{remote.name}: release {release} serves; watching it for {stability_s:g} s")
        for _ in range(rounds):
            check_golden(bundle, remote, program)
            if host is not None:
                host.check()
            if stability_s > 0:
                pause(HEALTH_EVERY_S)
    except EcgDeployError as error:
        back = _release(remote, f"{base}/previous")
        if host is not None:
            host.roll_back(release, back, error)
        _roll_back(remote, base, release, back, error)
    _prune(remote, base)
    return Deployed(remote.name, release, previous if previous != release else None, len(bundle.golden["windows"]),
                    SERVICE if service else None)


def base_of(service: bool) -> str:
    """Folder of the releases on a board."""
    return SERVICE_BASE if service else BASE


def preflight(bundle: Bundle, remote: Remote, base: str = BASE) -> None:
    """Refuse a board that cannot run the bundle, or has no room for it in `base`, before anything is copied.

    Raises
    ------
    RemoteError
        ``architecture``, ``isa``, ``glibc``, ``board`` or ``disk``.
    """
    manifest = bundle.manifest
    # the disk that the releases' folder lies on, or will lie on
    place = f'"$(d={base}; while [ ! -d "$d" ]; do d=$(dirname "$d"); done; echo "$d")"'
    asked = (
        "uname -m; getconf GNU_LIBC_VERSION 2>/dev/null || echo none; "
        "cat /proc/device-tree/model 2>/dev/null | tr -d '\\0'; echo; "
        "grep -m1 -i '^features' /proc/cpuinfo || echo; "
        f"df -Pk {place} | tail -n 1"
    )
    lines = (must(remote, asked, "transfer").splitlines() + [""] * 5)[:5]
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
        raise RemoteError("disk", f"{remote.name} has {free or 'unknown'} KiB free for {base}, "
                          f"{need // 1024} are needed", "free disk on the board")


def _silent(line: str) -> None:
    """Progress that nobody watches."""


def _release(remote: Remote, link: str) -> str | None:
    """Release that a link points at, None where there is none."""
    name = remote.run(f"readlink {link}").output.strip()
    return name.rsplit("/", 1)[-1] or None


def _push(bundle: Bundle, remote: Remote, base: str) -> None:
    folder = f"{base}/releases/{bundle.release}.partial"
    must(remote, f"rm -rf {folder} && mkdir -p {folder}", "transfer")
    for name, data in bundle.files.items():
        target = shlex.quote(f"{folder}/{name}")
        done = remote.run(f"cat > {target}", data)
        if done.status:
            remote.run(f"rm -rf {folder}")
            full = "No space left" in done.errors
            raise RemoteError("disk" if full else "transfer", f"{remote.name}: {name} was not written: "
                              f"{done.errors.strip() or done.status}", "free disk, then try again")
    must(remote, f"chmod -R a+rX {folder} && chmod 755 {folder}/{PROGRAM}", "transfer")
    if remote.run(f"cd {folder} && sha256sum --check --strict --quiet SHA256SUMS").status:
        remote.run(f"rm -rf {folder}")
        raise RemoteError("digest", f"{remote.name}: what arrived is not what was sent", "check its card and memory")


def _self_test(remote: Remote, program: str) -> None:
    """The program's own test of its golden vectors, with the ways in which a program cannot even start."""
    done = remote.run(f"{program} --self-test")
    if done.status == 0:
        return
    said = (done.errors.strip().splitlines() or [f"status {done.status}"])[-1]
    code = {EXIT_GOLDEN: "golden", EXIT_NO_GOLDEN: "digest", SIGNAL + signal.SIGILL: "isa"}.get(done.status, "start")
    raise RemoteError(code, f"{remote.name}: {said}", "the model, the runtime or the board is damaged")


def _prune(remote: Remote, base: str) -> None:
    """Remove all releases but the one that serves and the one before."""
    remote.run(
        f"cd {base}/releases && for r in *; do case \"$r\" in "
        "$(basename \"$(readlink ../current)\")|$(basename \"$(readlink ../previous)\")) ;; "
        '*) rm -rf "./$r" ;; esac; done'
    )


def _switch(remote: Remote, base: str, release: str, previous: str | None) -> None:
    if previous:
        _link(remote, base, "previous", previous)
    _link(remote, base, "current", release)


def _link(remote: Remote, base: str, name: str, release: str) -> None:
    """Point a link at a release; a rename, so that there is no moment without one."""
    must(remote, f"cd {base} && ln -sfn releases/{release} {name}.new && mv -T {name}.new {name}", "transfer")


def _roll_back(remote: Remote, base: str, release: str, previous: str | None, cause: EcgDeployError) -> NoReturn:
    """Back to the release before, where no service does it."""
    failure = Failure(remote.name, release, previous, cause)
    if previous is None or previous == release:
        must(remote, f"rm -f {base}/current", "transfer")
        raise failure.first()
    try:
        _link(remote, base, "current", previous)
        check_release(remote, f"{base}/current/{PROGRAM}", previous)
    except EcgDeployError as error:
        raise failure.not_undone(error) from error
    raise failure.undone() from cause
