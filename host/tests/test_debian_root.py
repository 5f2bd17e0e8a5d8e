"""Debian's own arm64 userland under qemu-user, made by the project from packages: what a bundle meets on a board."""

from __future__ import annotations

import json
import shutil

import pytest

from ecgdeploy import projects
from ecgdeploy.devices import linux_image, open_device
from ecgdeploy.errors import BuildError
from ecgdeploy.toolchains import debian, initrd, litert_wheel

NEEDED = {
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    "qemu-aarch64-static": "qemu-user-static",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
}
CPIO_HEAD = 110


@pytest.fixture(scope="module")
def root():
    """The root: libraries of Debian's packages, an Arm board's /proc/cpuinfo."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {missing}: sudo apt-get install {' '.join(NEEDED[name] for name in missing)}")
    try:
        return linux_image.userland()
    except BuildError as error:
        pytest.skip(f"Debian's arm64 packages cannot be had ({error.message}): {error.hint}")


@pytest.mark.parametrize("engine", ["static", "litert"])
def test_a_bundle_answers_its_golden_vectors_in_debians_root_on_an_armv8_0_core(root, engine, tmp_path):
    if engine == "litert":
        try:
            litert_wheel.litert_library()
        except BuildError as error:
            pytest.skip(f"LiteRT's aarch64 wheel cannot be had ({error.message}): {error.hint}")
    bundle = projects.build("beat-cnn", "rpi4", engine, False, tmp_path / "project").folder / "bundle"
    golden = json.loads((bundle / "golden.json").read_text())
    command = ["qemu-aarch64-static", "-cpu", "cortex-a53", "-L", str(root), str(bundle / "firmware")]
    with open_device(process=command) as device:
        for window in golden["windows"]:
            inputs = b"".join(map(bytes.fromhex, window["inputs"]))
            (answer,) = device.infer(inputs).outputs
            wanted = bytes.fromhex(window["outputs"][0])
            steps = [abs((a ^ 0x80) - (b ^ 0x80)) for a, b in zip(answer, wanted, strict=True)]
            assert max(steps) <= golden["steps"]


def test_the_root_shows_an_arm_board(root):
    assert "CPU part\t: 0xd03" in (root / "proc/cpuinfo").read_text()
    assert (root / "lib").readlink().as_posix() == "usr/lib"
    assert (root / "lib/ld-linux-aarch64.so.1").resolve().read_bytes()[:4] == b"\x7fELF"


def test_packages_that_cannot_be_had_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("ECGDEPLOY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(debian, "PROGRAMS", ("apt-get-that-is-not-there",))
    with pytest.raises(BuildError, match="apt-get-that-is-not-there"):
        debian.packages(("libc6",))


def test_paths_of_packages_are_merged_into_usr():
    assert debian.merged("./lib/modules/x.ko") == "usr/lib/modules/x.ko"
    assert debian.merged("./bin/dash") == "usr/bin/dash"
    assert debian.merged("./etc/group") == "etc/group"
    assert debian.merged("./lib/") == "lib"


def test_a_ram_disk_lists_every_parent_before_its_files():
    tree = {"a/b/c": linux_image.file("text"), "a/link": linux_image.link("b/c")}
    packed = initrd.cpio(tree, {"a/b": 1000})
    names, owners, at = [], {}, 0
    while at < len(packed):
        assert packed[at : at + 6] == b"070701"
        fields = [int(packed[at + 6 + 8 * k : at + 14 + 8 * k], 16) for k in range(13)]
        size, length = fields[6], fields[11]
        name = packed[at + CPIO_HEAD : at + CPIO_HEAD + length - 1].decode()
        names.append(name)
        owners[name] = fields[2]
        at += CPIO_HEAD + length
        at += -at % 4
        at += size
        at += -at % 4
    assert names == ["a", "a/b", "a/b/c", "a/link", "TRAILER!!!"]
    assert owners == {"a": 0, "a/b": 1000, "a/b/c": 1000, "a/link": 0, "TRAILER!!!": 0}


def test_modules_are_loaded_after_those_they_need():
    def module(depends):
        return linux_image.file(b"\x7fELF\0name=x\0depends=" + depends + b"\0vermagic=6\0")

    kernel = {"m/net.ko": module(b"ring-x,core"), "m/ring-x.ko": module(b"core"), "m/core.ko": module(b"")}
    assert initrd.module_order(kernel, ["net", "builtin?"]) == ["m/core.ko", "m/ring-x.ko", "m/net.ko"]
    with pytest.raises(BuildError, match="absent"):
        initrd.module_order(kernel, ["absent"])
