"""Everything above the port compiles without a warning for every kind of core we name: it is the same C everywhere."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from ecgdeploy import codegen
from ecgdeploy.boards import board_names, load_board
from ecgdeploy.graph import read_tflite
from ecgdeploy.projects.mps2 import WARNINGS
from ecgdeploy.resources import assets
from ecgdeploy.zoo import preset

FIRMWARE = assets() / "firmware"
ABOVE_THE_PORT = ("link", "app", "kernels")
C_FLAGS = (*WARNINGS, "-std=gnu11", "-O2", "-c")
ARM = {
    "cortex-m0plus": ("-mcpu=cortex-m0plus", "-mthumb", "-mfloat-abi=soft", "-masm-syntax-unified"),
    "cortex-m4": ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=softfp"),
    "cortex-m7": ("-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-d16", "-mfloat-abi=softfp"),
}
TARGETS = {
    **{name: ("arm-none-eabi-gcc", *flags) for name, flags in ARM.items()},
    "x86-64": ("gcc",),
    "x86-64 without optimization": ("gcc", "-O0"),
    "x86-64, clang": ("clang",),
    "aarch64": ("aarch64-linux-gnu-gcc",),
}
INSTALLED_BY_SETUP = {"arm-none-eabi-gcc", "gcc", "clang"}


def sources():
    return sorted(str(path) for folder in ABOVE_THE_PORT for path in (FIRMWARE / folder).glob("*.c"))


def includes():
    return [f"-I{FIRMWARE / folder}" for folder in ("include", *ABOVE_THE_PORT)]


@pytest.mark.parametrize("target", TARGETS)
def test_everything_above_the_port_compiles_without_a_warning(target, tmp_path):
    compiler, *flags = TARGETS[target]
    if shutil.which(compiler) is None and compiler not in INSTALLED_BY_SETUP:
        pytest.skip(f"needs {compiler}: sudo apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross")
    assert len(sources()) >= 4
    done = subprocess.run(
        [compiler, *C_FLAGS, *flags, *includes(), *sources()], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[:2000]
    assert done.stderr == ""


@pytest.mark.parametrize("target", [name for name in TARGETS if name != "aarch64"])
@pytest.mark.parametrize("generated_for", codegen.TARGETS)
def test_generated_engines_compile_without_a_warning(target, generated_for, tmp_path):
    """C generated for the DSP extension compiles for a core without it too: a wrong flag is slow, not broken."""
    engine = codegen.generate(read_tflite(preset("beat-cnn").int8), generated_for)
    for name, text in engine.files.items():
        (tmp_path / name).write_text(text)
    compiler, *flags = TARGETS[target]
    done = subprocess.run(
        [compiler, *C_FLAGS, *flags, *includes(), *(name for name in engine.files if name.endswith(".c"))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[:2000]
    assert done.stderr == ""


@pytest.mark.parametrize("name", [name for name in board_names() if load_board(name).kind == "mcu"])
def test_the_flags_of_a_board_choose_a_core_that_the_compiler_has_a_library_for(name, tmp_path):
    """A wrong mix of -mcpu, -mfpu and -mfloat-abi is either refused, or silently links another ABI's libc."""
    flags = load_board(name).core.compile_flags
    (tmp_path / "empty.c").write_text("int main(void) { return 0; }\n")
    done = subprocess.run(
        ["arm-none-eabi-gcc", *flags, "-Werror", "--specs=nano.specs", "--specs=nosys.specs", "empty.c", "-o", "empty"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "error" not in done.stderr, done.stderr
    folder = subprocess.run(
        ["arm-none-eabi-gcc", *flags, "-print-multi-directory"], capture_output=True, text=True, check=True
    ).stdout.strip()
    expected = {"": "nofp", "soft": "nofp"}.get(load_board(name).core.float_abi, load_board(name).core.float_abi)
    assert folder.endswith(expected)


@pytest.mark.parametrize("source", [path.relative_to(FIRMWARE).as_posix() for path in sorted(FIRMWARE.rglob("*.[ch]"))])
def test_no_firmware_source_knows_a_board_above_the_port_nor_uses_the_heap(source):
    text = (FIRMWARE / source).read_text()
    words = ["malloc(", "calloc(", "realloc(", "free("]
    if not source.startswith(("port/", "bench/")):
        words += ["Arduino.h", "mps2", "0x4000", "nrf"]
    assert [word for word in words if word in text] == []
