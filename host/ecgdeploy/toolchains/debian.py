"""Files of Debian's arm64 packages, fetched with apt into the user's cache, without root and without a chroot.

apt runs with a private configuration: the sources are this computer's own, everything else (architecture, lists,
state, archives) lies in the cache, so that nothing of the system is touched and no foreign architecture is added to it.
Packages are unpacked, never configured: what their scripts would have done is in the few files that a caller adds.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecgdeploy.errors import BuildError
from ecgdeploy.provenance import sha256_json, write_atomic

ARCHITECTURE = "arm64"
TIMEOUT_S = 600
PROGRAMS = ("apt-get", "apt-cache", "dpkg-deb")
MERGED = ("bin", "sbin", "lib", "lib64")  # folders that Debian keeps in /usr
# configured by scripts that do not run here, or of no use on a board that lives for minutes
LEFT_OUT = re.compile(r"(perl|libperl|dpkg|debconf|adduser|gpgv|tar|ucf|libdb5|libgmp|libgdbm|libsemanage|libsepol)")
NOT_UNPACKED = re.compile(
    r"usr/share/(doc|man|info|locale|lintian|bash-completion|zsh|i18n|perl5|bug|polkit-1|common-licenses)(/|$)"
    r"|usr/lib/(udev/hwdb\.d|systemd/catalog)(/|$)"
)


@dataclass(frozen=True)
class Node:
    """One file of a root: its mode with the type bits, and its content or the target of a link."""

    mode: int
    data: bytes = b""


Tree = dict[str, Node]  # path without a leading slash to node; folders included


def cache_folder() -> Path:
    """Where packages and roots are kept: ``$ECGDEPLOY_CACHE``, ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    root = os.environ.get("ECGDEPLOY_CACHE") or os.environ.get("XDG_CACHE_HOME")
    return Path(root or Path.home() / ".cache") / "ecgdeploy" / f"debian-{ARCHITECTURE}"


def packages(names: Sequence[str], alone: Sequence[str] = ()) -> list[Path]:
    """The packages `names` with all that they depend on, and those of `alone` without.

    A metapackage in `alone` (such as ``linux-image-arm64``) stands for the package that it depends on. What was fetched
    once is used again without asking the network; delete the cache folder for newer versions.

    Returns
    -------
    list of Path
        Verified ``.deb`` files in the cache.

    Raises
    ------
    BuildError
        apt is missing, or the packages cannot be had.
    """
    folder = cache_folder()
    request = folder / "requests" / f"{sha256_json({'names': sorted(names), 'alone': sorted(alone)})[:16]}.json"
    if (known := _known(request, folder / "archives")) is not None:
        return known
    with _alone(folder):
        if (known := _known(request, folder / "archives")) is not None:
            return known  # another program fetched them meanwhile
        found = _fetch(folder, names, alone)
        digests = {path.name: _digest(path) for path in found}
        write_atomic(request, json.dumps(digests, indent=1, sort_keys=True))
    return sorted(found)


def _known(request: Path, archives: Path) -> list[Path] | None:
    """What was fetched for a request, None where that is not all there."""
    try:
        known = json.loads(request.read_text())
        if all(_digest(archives / name) == digest for name, digest in known.items()):
            return [archives / name for name in sorted(known)]
    except (OSError, ValueError):
        pass
    return None


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """apt's files are for one program at a time; another one waits."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / "lock").open("w")
    except OSError as error:
        raise BuildError(f"{folder}: {error.strerror}", "set ECGDEPLOY_CACHE to another folder") from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _fetch(folder: Path, names: Sequence[str], alone: Sequence[str]) -> list[Path]:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        raise BuildError(f"{', '.join(missing)}: not on this computer", "a root is made on Debian or Ubuntu")
    archives = folder / "archives"
    try:
        for name in ("state/lists/partial", "archives/partial", "requests"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "status").write_text("")
    except OSError as error:
        raise BuildError(f"{folder}: {error.strerror}", "set ECGDEPLOY_CACHE to another folder") from error
    configuration = folder / "apt.conf"
    configuration.write_text(
        f'APT::Architecture "{ARCHITECTURE}";\nAPT::Architectures {{ "{ARCHITECTURE}"; }};\n'
        f'Dir::State "{folder}/state";\nDir::State::status "{folder}/status";\nDir::Cache "{folder}";\n'
        f'Dir::Log "{folder}";\nAPT::Install-Recommends "false";\nAcquire::Languages "none";\n'
        'APT::Sandbox::User "root";\nAcquire::Retries "3";\nDebug::NoLocking "true";\n'
    )
    _apt(configuration, archives, "apt-get", "-qq", "update")
    planned = _apt(configuration, archives, "apt-get", "-qq", "--simulate", "install", *names)
    _apt(configuration, archives, "apt-get", "-qq", "-y", "--download-only", "install", *names)
    found = [archives / _file_name(*match) for match in re.findall(r"^Inst (\S+) \((\S+) .*\[(\w+)\]\)", planned, re.M)]
    for name in alone:
        shown = _apt(configuration, archives, "apt-cache", "show", "--no-all-versions", name)
        meta = re.search(r"^Depends: (linux-image-\S+)", shown, re.M)
        if meta is not None:
            shown = _apt(configuration, archives, "apt-cache", "show", "--no-all-versions", meta[1])
        facts = dict(re.findall(r"^(Package|Version|Architecture): (\S+)", shown, re.M))
        _apt(configuration, archives, "apt-get", "-qq", "download", facts["Package"])
        found.append(archives / _file_name(facts["Package"], facts["Version"], facts["Architecture"]))
    if gone := [path.name for path in found if not path.is_file()]:
        raise BuildError(f"apt did not fetch {gone[0]}", "is the network there?")
    return [path for path in found if not LEFT_OUT.match(path.name)]


def _file_name(name: str, version: str, architecture: str) -> str:
    """What apt calls the archive of a package."""
    return f"{name.split(':')[0]}_{version.replace(':', '%3a')}_{architecture}.deb"


def _apt(configuration: Path, cwd: Path, program: str, *arguments: str) -> str:
    try:
        done = subprocess.run(
            [program, *arguments], env=os.environ | {"APT_CONFIG": str(configuration), "LC_ALL": "C"}, cwd=cwd,
            capture_output=True, text=True, timeout=TIMEOUT_S, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{program}: {error}", "is the network there?") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("E:")] or ["failed"]
        raise BuildError(
            f"{program} {' '.join(arguments[:3])}: {said[0]}", f"packages for {ARCHITECTURE} need a Debian mirror"
        )
    return done.stdout


def unpack(debs: Iterable[Path]) -> Tree:
    """The files of packages as one tree with a merged ``/usr``; documentation and translations stay behind.

    Raises
    ------
    BuildError
        A package is damaged.
    """
    tree: Tree = {name: Node(0o120777, f"usr/{name}".encode()) for name in MERGED}
    for deb in debs:
        try:
            packed = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(deb)], capture_output=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise BuildError(f"{deb.name} cannot be unpacked: {error}", f"delete {deb.parent} and try again") from error
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            for member in archive:
                _add(tree, archive, member)
    return tree


def _add(tree: Tree, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    path = merged(member.name)
    if not path or path in MERGED or NOT_UNPACKED.match(path):
        return
    if member.isdir():
        tree[path] = Node(0o040000 | member.mode)
    elif member.issym():
        tree[path] = Node(0o120777, member.linkname.encode())
    elif member.islnk():
        target = merged(member.linkname)
        if target in tree:
            tree[path] = tree[target]
    elif member.isfile():
        content = archive.extractfile(member)
        assert content is not None
        tree[path] = Node(0o100000 | member.mode, content.read())


def merged(name: str) -> str:
    """A package's path in a root with a merged ``/usr``."""
    path = name.removeprefix("./").strip("/")
    return f"usr/{path}" if path.split("/")[0] in MERGED and "/" in path else path


def write_folder(tree: Tree, folder: Path) -> None:
    """Write a tree as files and links below `folder`; owners are the caller, no device nodes."""
    for path, node in sorted(tree.items()):
        target = folder / path
        kind = node.mode & 0o170000
        if kind == 0o040000:
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        if kind == 0o120000:
            target.symlink_to(node.data.decode())
        else:
            target.write_bytes(node.data)
            target.chmod(node.mode & 0o777)
