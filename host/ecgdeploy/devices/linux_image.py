"""Kernel and root of an emulated Linux board, from Debian's packages: with systemd and SSH, or with a serial line only.

The root is a RAM disk: every start is a clean board. What packages' scripts would have configured is written here.
"""

from __future__ import annotations

import hashlib
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ecgdeploy.projects.sources import render_template
from ecgdeploy.provenance import sha256_json, write_atomic
from ecgdeploy.toolchains.debian import Node, Tree, cache_folder, packages, unpack, write_folder
from ecgdeploy.toolchains.initrd import cpio, module_order

RECIPE = 1  # part of the key: raise it when what is written here changes in a way the key cannot see
USER, UID = "pi", 1000
ADDRESS = "10.0.2.15"
DISK_MIB = 48
CLOUD_KERNEL, FULL_KERNEL = "linux-image-cloud-arm64", "linux-image-arm64"
SYSTEM = (
    "systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "libc-bin", "libc6", "libstdc++6", "libgcc-s1", "dash",
    "coreutils", "grep", "sed", "util-linux", "mount", "base-files", "base-passwd", "login", "busybox-static",
)  # fmt: skip
SERIAL = ("libc6", "libgcc-s1", "libstdc++6", "busybox-static")
USERLAND = ("libc6", "libgcc-s1", "libstdc++6")
NETWORK_MODULES = ("virtio?", "virtio_ring?", "virtio_mmio", "virtio_net")
# nothing of these is needed to serve a release, and each costs seconds of emulated time
MASKED = (
    "systemd-logind.service", "getty.target", "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service",
    "systemd-machine-id-commit.service", "ldconfig.service", "systemd-journal-catalog-update.service",
    "systemd-update-done.service", "systemd-sysusers.service", "systemd-firstboot.service", "dev-hugepages.mount",
    "dev-mqueue.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-kernel-config.mount",
    "sys-fs-fuse-connections.mount", "kmod-static-nodes.service", "systemd-modules-load.service",
    "systemd-tmpfiles-setup-dev.service", "proc-sys-fs-binfmt_misc.automount", "systemd-random-seed.service",
    "systemd-pcrphase.service", "systemd-pcrphase-sysinit.service", "systemd-user-sessions.service",
    "systemd-boot-random-seed.service", "systemd-ask-password-console.path", "systemd-ask-password-wall.path",
    "systemd-journal-flush.service", "systemd-sysctl.service", "systemd-remount-fs.service", "tmp.mount",
    "systemd-tmpfiles-clean.timer", "e2scrub_all.timer", "systemd-network-generator.service",
)  # fmt: skip
PAM = ("common-auth", "common-account", "common-password", "common-session", "common-session-noninteractive", "other")
DIRECTORY, FILE, LINK = stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK


@dataclass(frozen=True)
class Image:
    """A kernel, its RAM disk, and where wanted a device tree: files in the cache."""

    kernel: Path
    initrd: Path
    dtb: Path | None
    key: str


def file(text: str | bytes, mode: int = 0o644) -> Node:
    """A plain file."""
    return Node(FILE | mode, text.encode() if isinstance(text, str) else text)


def link(target: str) -> Node:
    """A symbolic link."""
    return Node(LINK | 0o777, target.encode())


def system_image(model: str) -> Image:
    """A board with systemd, SSH and sudo that calls itself `model`.

    Raises
    ------
    BuildError
        Debian's packages cannot be had.
    """
    debs = packages(SYSTEM, (CLOUD_KERNEL,))
    return _image("system", debs, _system_files(model), NETWORK_MODULES, {"serial": ""})


def serial_image(modules: Sequence[str], command: str, dtb: str = "") -> Image:
    """A board with nothing but busybox that ends in `command`; the program is added when it starts.

    Parameters
    ----------
    modules : sequence of str
        Kernel modules to load, in this order.
    command : str
        What the first program becomes.
    dtb : str
        Name of a device tree of the kernel package, such as ``bcm2837-rpi-3-b.dtb``.
    """
    debs = packages(SERIAL, (FULL_KERNEL,))
    return _image("serial", debs, {}, modules, {"serial": command}, dtb)


def userland() -> Path:
    """A folder with Debian's arm64 C and C++ libraries and an Arm board's ``/proc/cpuinfo``, for qemu-user's ``-L``.

    Raises
    ------
    BuildError
        Debian's packages cannot be had.
    """
    from ecgdeploy.projects.linux_litert import CPUINFO

    debs = packages(USERLAND)
    key = _key("userland", debs, {"cpuinfo": CPUINFO})
    folder = cache_folder() / "roots" / key
    if not folder.is_dir():
        tree = unpack(debs) | {"proc/cpuinfo": file(CPUINFO), "sys/devices/system/cpu/online": file("0\n")}
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            made = Path(temporary) / "root"
            write_folder(tree, made)
            try:
                made.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another program was faster
                    raise
    return folder


def _key(kind: str, debs: Sequence[Path], facts: dict) -> str:
    versions = {deb.name: hashlib.sha256(deb.read_bytes()).hexdigest() for deb in debs}
    return f"{kind}-{sha256_json({'recipe': RECIPE, 'debs': versions, 'facts': facts})[:16]}"


def _image(kind: str, debs: Sequence[Path], extra: Tree, modules: Sequence[str], values: dict, dtb: str = "") -> Image:
    init = {"address": ADDRESS, "disk_mib": DISK_MIB, "user": USER, "uid": UID, **values}
    facts = {
        "files": {path: [node.mode, node.data.hex()] for path, node in extra.items()},
        "modules": list(modules),
        "template": render_template("linux_machine/init.j2", modules=[], **init).decode(),
        "dtb": dtb,
    }
    key = _key(kind, debs, facts)
    folder = cache_folder() / "images" / key
    image = Image(folder / "vmlinuz", folder / "initrd", folder / dtb if dtb else None, key)
    if image.initrd.is_file():
        return image
    tree = unpack(debs)
    boot = {path: node for path, node in tree.items() if path.startswith(("boot/", "usr/lib/linux-image-"))}
    kernel_modules = {path: node for path, node in tree.items() if path.startswith("usr/lib/modules/")}
    order = module_order(kernel_modules, modules)
    root = {path: node for path, node in tree.items() if path not in boot and path not in kernel_modules}
    root |= {path: kernel_modules[path] for path in order} | extra
    root["init"] = file(render_template("linux_machine/init.j2", modules=order, **init), 0o755)
    root |= {name: Node(DIRECTORY | 0o755) for name in ("proc", "sys", "dev", "run", "home", "root", "var", "etc")}
    root["tmp"] = Node(DIRECTORY | 0o1777)
    vmlinuz = next(node for path, node in boot.items() if path.startswith("boot/vmlinuz-"))
    write_atomic(image.kernel, vmlinuz.data)
    if image.dtb is not None:
        write_atomic(image.dtb, next(node for path, node in boot.items() if path.endswith(f"/{dtb}")).data)
    write_atomic(image.initrd, cpio(root))  # last: where it is, the rest is
    return image


def _system_files(model: str) -> Tree:
    """What the packages' scripts and an owner would have configured."""
    unit = "etc/systemd/system"
    permit = "".join(f"{kind} required pam_permit.so\n" for kind in ("auth", "account", "password", "session"))
    files = {
        "etc/passwd": f"root:x:0:0::/root:/bin/sh\nsshd:x:101:65534::/run/sshd:/usr/sbin/nologin\n"
        "messagebus:x:103:103::/nonexistent:/usr/sbin/nologin\n"
        f"nobody:x:65534:65534::/:/usr/sbin/nologin\n{USER}:x:{UID}:{UID}::/home/{USER}:/bin/sh\n",
        "etc/group": f"root:x:0:\ntty:x:5:\ndisk:x:6:\nkmem:x:15:\ndialout:x:20:{USER}\nsudo:x:27:{USER}\nvideo:x:44:\n"
        f"users:x:100:\nutmp:x:43:\nadm:x:4:\nsystemd-journal:x:102:{USER}\nnogroup:x:65534:\nmessagebus:x:103:\n{USER}:x:{UID}:\n",
        "etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\n",
        "etc/hostname": "board\n",
        "etc/hosts": "127.0.0.1 localhost board\n",
        "etc/fstab": "",
        "etc/machine-id": hashlib.sha256(model.encode()).hexdigest()[:32] + "\n",
        "etc/board-model": model + "\0",
        "etc/ssh/sshd_config": "Port 22\nHostKey /etc/ssh/ssh_host_ed25519_key\nAuthorizedKeysFile /etc/ssh/keys\n"
        "PasswordAuthentication no\nUsePAM no\nUseDNS no\nPrintMotd no\nPermitRootLogin prohibit-password\n"
        "Subsystem sftp internal-sftp\n",
        "etc/systemd/journald.conf": "[Journal]\nStorage=volatile\nRuntimeMaxUse=4M\n",
        "etc/systemd/system.conf": "[Manager]\nDefaultTimeoutStartSec=180\nDefaultTimeoutStopSec=20\n",
    }
    tree: Tree = {path: file(text) for path, text in files.items()}
    tree["etc/shadow"] = file(f"root:*:1::::::\n{USER}:*:1::::::\nsshd:*:1::::::\n", 0o640)
    tree["etc/sudoers.d/board"] = file(f"{USER} ALL=(ALL) NOPASSWD: ALL\n", 0o440)
    tree |= {f"etc/pam.d/{kind}": file(permit) for kind in PAM}
    tree |= {f"{unit}/{name}": link("/dev/null") for name in MASKED}
    tree[f"{unit}/default.target"] = link("/usr/lib/systemd/system/multi-user.target")
    tree[f"{unit}/multi-user.target.wants/ssh.service"] = link("/usr/lib/systemd/system/ssh.service")
    # alternatives and links that scripts make
    tree["usr/bin/sh"] = link("dash")
    tree["etc/systemd/system/ssh.service.d/board.conf"] = file("[Service]\nExecStartPre=\n")
    tree["var/run"] = link("/run")
    return tree
