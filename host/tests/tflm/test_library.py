"""A TFLM library is checked before anything is compiled: tree, archive, core, float ABI."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ecgdeploy.boards import load_board
from ecgdeploy.errors import BuildError
from ecgdeploy.projects.tflm_library import ARCHIVE, ENTRY, find_library, header_closure
from ecgdeploy.toolchains.armabi import archive_abi, object_abi

CORE = load_board("nano33ble").core


def make_tree(folder: Path, *flags: str, archive: str = f"lib/{ARCHIVE}") -> Path:
    """A tree with the shape of TFLM's and an archive of one empty object."""
    for name, text in {
        ENTRY: '#include "tensorflow/lite/c/common.h"\n#include <cstdint>\n',
        "tensorflow/lite/c/common.h": '#include "../other.h"\n',
        "tensorflow/lite/other.h": "",
        "tensorflow/lite/unused.h": "",
        "third_party/flatbuffers/include/flatbuffers/flatbuffers.h": '#include "base.h"\n',
        "third_party/flatbuffers/include/flatbuffers/base.h": "",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    if flags:
        add_archive(folder, archive, *flags)
    return folder


def add_archive(folder: Path, archive: str, *flags: str) -> None:
    path = folder / archive
    path.parent.mkdir(parents=True, exist_ok=True)
    source = folder / "empty.c"
    source.write_text("float half(float x) { return x / 2.0f; }\n")
    subprocess.run(["arm-none-eabi-gcc", *flags, "-c", source, "-o", folder / "empty.o"], check=True)
    path.unlink(missing_ok=True)
    subprocess.run(["arm-none-eabi-ar", "rcs", path, folder / "empty.o"], check=True)


M4 = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16")


def test_a_tree_with_a_matching_archive_is_found(tmp_path: Path) -> None:
    library = find_library(make_tree(tmp_path, *M4, "-mfloat-abi=softfp"), CORE)
    assert library.archive == (tmp_path / "lib" / ARCHIVE).resolve()
    assert not library.cmsis_nn


def test_among_several_archives_the_one_for_the_core_is_taken(tmp_path: Path) -> None:
    make_tree(tmp_path, *M4, "-mfloat-abi=hard", archive=f"gen/hard/lib/{ARCHIVE}")
    add_archive(tmp_path, f"gen/softfp/lib/{ARCHIVE}", *M4, "-mfloat-abi=softfp")
    assert find_library(tmp_path, CORE).archive.parent.parent.name == "softfp"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((*M4, "-mfloat-abi=hard"), "made for hard floats"),
        (("-mcpu=cortex-m0plus", "-mthumb"), "made for"),
    ],
)
def test_an_archive_for_another_core_or_float_abi_is_refused_by_name(
    tmp_path: Path, flags: tuple[str, ...], said: str
) -> None:
    with pytest.raises(BuildError, match=said) as caught:
        find_library(make_tree(tmp_path, *flags), CORE)
    assert "nano33ble.md" in caught.value.hint


def test_a_tree_without_an_archive_says_what_to_build(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=ARCHIVE) as caught:
        find_library(make_tree(tmp_path), CORE)
    assert "microlite" in caught.value.hint


def test_a_folder_that_is_no_tflm_tree_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no TFLM tree"):
        find_library(tmp_path, CORE)


def test_a_project_carries_only_the_headers_that_are_reached(tmp_path: Path) -> None:
    library = find_library(make_tree(tmp_path, *M4, "-mfloat-abi=softfp"), CORE)
    found = header_closure(library, [f'#include "{ENTRY}"\n#include "flatbuffers/flatbuffers.h"\n'.encode()])
    assert list(found) == [
        "flatbuffers/base.h",
        "flatbuffers/flatbuffers.h",
        "tensorflow/lite/c/common.h",
        ENTRY,
        "tensorflow/lite/other.h",
    ]


@pytest.mark.parametrize("cut", [0, 8, 60, 70, 200])
def test_a_truncated_archive_is_not_an_archive_and_raises_nothing(tmp_path: Path, cut: int) -> None:
    library = find_library(make_tree(tmp_path, *M4, "-mfloat-abi=softfp"), CORE)
    short = tmp_path / "short.a"
    short.write_bytes(library.archive.read_bytes()[:cut])
    assert archive_abi(short) is None
    assert object_abi(b"\x7fELF" + b"\0" * cut) is None
