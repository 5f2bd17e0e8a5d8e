"""Building a project: content-addressed, incremental, byte-identical, independent of ecgdeploy, honest about its size.

The engine here is a few lines of C, so that these tests are about building; the real engine's build is in
``test_build_static.py``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from ecgdeploy.boards import load_board
from ecgdeploy.devices import open_device
from ecgdeploy.errors import BuildError, ModelError, UsageError
from ecgdeploy.projects import Request, board_of, build_request
from ecgdeploy.projects import mps2 as mps2_kind
from ecgdeploy.projects.sources import read_model
from ecgdeploy.projects.types import Model
from ecgdeploy.toolchains import cmake

ENGINE_C = """
#include "ecgd_engine.h"
static const uint8_t weights[{flash}] = {{1, 2, 3}};
static uint8_t arena[{ram}];
static const ecgd_engine_info_t info = {{"static", {{0}}, 1, 1, {ram}}};
static const ecgd_tensor_info_t tensor = {{ECGD_INT8, 16, 1.0f, 0}};
const ecgd_engine_info_t *ecgd_engine_info(void) {{ return &info; }}
const ecgd_tensor_info_t *ecgd_engine_input_info(unsigned index) {{ return index ? NULL : &tensor; }}
const ecgd_tensor_info_t *ecgd_engine_output_info(unsigned index) {{ return index ? NULL : &tensor; }}
ecgd_engine_status_t ecgd_engine_init(void) {{ return ECGD_ENGINE_OK; }}
ecgd_engine_status_t ecgd_engine_begin(void) {{ return ECGD_ENGINE_OK; }}
ecgd_engine_status_t ecgd_engine_feed(const void *data, size_t bytes)
{{
    const volatile uint8_t *from = data;
    for (size_t at = 0; at < bytes; ++at) {{
        arena[at % sizeof arena] = (uint8_t)(from[at] ^ weights[at % sizeof weights]);
    }}
    return ECGD_ENGINE_OK;
}}
ecgd_engine_status_t ecgd_engine_finish(void) {{ return ECGD_ENGINE_OK; }}
const void *ecgd_engine_output(unsigned index) {{ return index ? NULL : arena; }}
"""


OUTPUT_SECTIONS = (".text", ".rodata", ".ARM.extab", ".ARM.exidx", ".data")


def tensor(index, name, count, constant):
    return SimpleNamespace(index=index, name=name, bytes=count, data=b"" if constant else None)


def fake_model(flash=5_000, ram=1_000, name="fake"):
    """A model whose engine needs `flash` bytes of constants and `ram` bytes of arena."""
    tensors = (
        tensor(0, "input", 16, False),
        tensor(1, "conv/kernel", flash - 100, True),
        tensor(2, "dense/kernel", 100, True),
        tensor(3, "conv/output", ram, False),
    )
    graph = SimpleNamespace(tensors=tensors, flash=flash, ram=ram)
    return Model(name, b"model", f"{flash:032x}{ram:032x}", graph)


@pytest.fixture(autouse=True)
def fake_engine(monkeypatch):
    """Replace codegen; what it says beforehand can be told apart from what it really needs."""

    def engine(request):
        graph = request.model.graph
        text = ENGINE_C.format(flash=graph.flash, ram=graph.ram)
        known = request.options.get("known_beforehand", True)
        return mps2_kind.EnginePart(
            generated={"ecgd_model.c": text.encode()},
            ram_bytes=graph.ram if known else 0,
            flash_bytes=graph.flash if known else 0,
        )

    monkeypatch.setattr(mps2_kind, "static_engine", engine)


def request(board="nano33ble", engine="static", options=None, **sizes):
    return Request(fake_model(**sizes), load_board(board), engine, True, options or {})


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """One build that the read-only tests share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            mps2_kind,
            "static_engine",
            lambda _request: mps2_kind.EnginePart(
                generated={"ecgd_model.c": ENGINE_C.format(flash=5_000, ram=1_000).encode()}, ram_bytes=1_000
            ),
        )
        yield build_request(request(), tmp_path_factory.mktemp("built") / "project")


def test_sizes_by_part_add_up_to_what_the_toolchain_counts(built):
    sizes = built.sizes
    assert sum(sizes.flash_by_part.values()) == sizes.flash == sum(sizes.flash_by_section.values())
    assert sum(sizes.ram_by_part.values()) == sizes.ram == sum(sizes.ram_by_section.values())
    counted = subprocess.run(["arm-none-eabi-size", "-A", built.elf], capture_output=True, text=True, check=True).stdout
    rows = {line.split()[0]: int(line.split()[1]) for line in counted.splitlines() if line.startswith(".")}
    assert sizes.flash == sum(rows.get(name, 0) for name in OUTPUT_SECTIONS)
    assert sizes.ram == sum(rows.get(name, 0) for name in (".data", ".bss", ".noinit"))
    assert sizes.stack == rows[".stack"] == 32_768


def test_sizes_by_section_tell_code_from_constants(built):
    assert built.sizes.flash_by_section[".rodata"] > 5_000
    assert 3_000 < built.sizes.flash_by_section[".text"] < 20_000
    assert built.sizes.ram_by_section[".bss"] > 1_000


def test_sizes_name_the_model_and_the_engine(built):
    assert 5_000 <= built.sizes.flash_by_part["model"] < 5_200
    assert 1_000 <= built.sizes.ram_by_part["engine"] < 1_100
    assert {"link", "app", "port", "engine", "model"} <= built.sizes.flash_by_part.keys()


def test_a_second_build_of_the_same_thing_runs_no_tool(built, monkeypatch):
    monkeypatch.setattr(cmake, "build", lambda _folder: pytest.fail("compiled again"))
    again = build_request(request(), built.folder)
    assert again.cached
    assert (again.elf, again.sizes, again.manifest) == (built.elf, built.sizes, built.manifest)


def test_flags_that_the_shell_sets_for_other_projects_do_not_get_in(built, tmp_path, monkeypatch):
    monkeypatch.setenv("CFLAGS", "-O0 -DNONSENSE")
    monkeypatch.setenv("CMAKE_BUILD_TYPE", "Debug")
    assert build_request(request(), tmp_path / "project").elf.read_bytes() == built.elf.read_bytes()


def test_two_folders_give_identical_bytes(built, tmp_path):
    other = build_request(request(), tmp_path / "another" / "place")
    assert other.elf.read_bytes() == built.elf.read_bytes()
    assert (other.folder / "manifest.json").read_bytes() == (built.folder / "manifest.json").read_bytes()


def test_the_folder_builds_alone_with_plain_cmake_and_gives_the_same_image(built, tmp_path):
    copy = tmp_path / "alone"
    shutil.copytree(built.folder, copy, ignore=shutil.ignore_patterns("build", ".lock"))
    subprocess.run(["cmake", "-S", ".", "-B", "build"], cwd=copy, check=True, capture_output=True)
    subprocess.run(["cmake", "--build", "build"], cwd=copy, check=True, capture_output=True)
    assert (copy / "build" / "firmware.elf").read_bytes() == built.elf.read_bytes()


def test_the_image_tells_its_board_and_build_id(built):
    image = built.elf.read_bytes()
    assert built.build_id.encode() in image
    assert b"nano33ble\0" in image


def test_no_path_of_this_machine_is_in_the_image_or_the_manifest(built):
    where = str(built.folder.parent).encode()
    assert where not in built.elf.read_bytes()
    assert where not in (built.folder / "manifest.json").read_bytes()


def test_the_manifest_carries_the_boards_facts(built):
    assert board_of(json.loads((built.folder / "manifest.json").read_text())) == load_board("nano33ble")


def test_a_folder_of_an_older_ecgdeploy_is_built_again(built):
    manifest = json.loads((built.folder / "manifest.json").read_text())
    del manifest["board_facts"]
    (built.folder / "manifest.json").write_text(json.dumps(manifest))
    again = build_request(request(), built.folder)
    assert not again.cached
    assert "board_facts" in again.manifest


def test_a_damaged_image_is_built_again(built):
    before = built.elf.read_bytes()
    built.elf.write_bytes(before[:-1])
    again = build_request(request(), built.folder)
    assert not again.cached
    assert again.elf.read_bytes() == before


def test_an_edited_source_is_put_right(built):
    edited = built.folder / "firmware" / "app" / "ecgd_app.c"
    original = edited.read_bytes()
    edited.write_bytes(original + b"\n/* edited */\n")
    assert not build_request(request(), built.folder).cached
    assert edited.read_bytes() == original


def test_two_builders_of_one_folder_do_not_disturb_each_other(tmp_path):
    """The second waits for the first, and finds everything done."""
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: build_request(request(), tmp_path / "shared"), range(2)))
    assert sorted(done.cached for done in both) == [False, True]
    assert both[0].manifest == both[1].manifest


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_folder_that_another_builder_is_just_filling_is_not_a_foreign_one(tmp_path, monkeypatch, moment):
    """The other builder's files appear just before, or just after, this one lists the folder."""
    listed = Path.iterdir
    asked, other = [], []

    def iterdir(folder):
        before = list(listed(folder))
        if folder.name != "shared" or asked:
            return iter(before)
        asked.append(folder)
        other.append(build_request(request(), folder, render_only=True))
        return iter(before if moment == "after" else list(listed(folder)))

    (tmp_path / "shared").mkdir()
    monkeypatch.setattr(Path, "iterdir", iterdir)
    done = build_request(request(), tmp_path / "shared", render_only=True)
    assert other and done.build_id == other[0].build_id


def test_a_build_killed_before_its_first_file_was_whole_goes_on(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / ".lock").touch()
    (tmp_path / "shared" / "manifest.json.0123abcd.partial").write_text('{"ki')
    assert build_request(request(), tmp_path / "shared", render_only=True).manifest["kind"]


def test_another_model_has_another_build_id_and_default_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ECGDEPLOY_BUILD_DIR", str(tmp_path))
    one = build_request(request(), render_only=True)
    two = build_request(request(flash=6_000), render_only=True)
    assert one.build_id != two.build_id
    assert one.folder != two.folder
    assert one.folder.name == f"nano33ble-emulated-static-fake-{one.build_id}"


def test_a_models_odd_name_does_not_get_into_the_folders_name(tmp_path, monkeypatch):
    monkeypatch.setenv("ECGDEPLOY_BUILD_DIR", str(tmp_path))
    assert "-my_model_1-" in build_request(request(name="my model;$1"), render_only=True).folder.name


def test_a_file_of_an_earlier_project_does_not_stay(tmp_path):
    folder = tmp_path / "project"
    build_request(request(), folder, render_only=True)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["firmware/app/stale.c"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "firmware/app/stale.c").write_text("#error stale\n")
    build_request(request(flash=7_000), folder, render_only=True)
    assert not (folder / "firmware/app/stale.c").exists()


def test_a_folder_used_for_another_board_gives_the_other_boards_image(tmp_path):
    """CMake keeps much in its cache; none of the first board's flags may stay."""
    build_request(request(), tmp_path / "shared")
    reused = build_request(request(board="pico"), tmp_path / "shared")
    fresh = build_request(request(board="pico"), tmp_path / "fresh")
    assert reused.elf.read_bytes() == fresh.elf.read_bytes()


def test_a_folder_that_was_moved_builds_where_it_is_now(tmp_path):
    first = build_request(request(), tmp_path / "before")
    first.folder.rename(tmp_path / "after")
    moved = build_request(request(flash=6_000), tmp_path / "after")
    assert moved.elf.is_relative_to(tmp_path / "after")
    assert not (tmp_path / "before").exists()


def test_a_path_with_odd_characters_gives_the_same_image(built, tmp_path):
    assert build_request(request(), tmp_path / "a b, (ü) 100% #1 'x'").elf.read_bytes() == built.elf.read_bytes()


@pytest.mark.parametrize("character", [";", "$", "\\", '"'])
def test_a_path_that_cmake_cannot_build_in_is_refused_with_the_character(tmp_path, character):
    with pytest.raises(BuildError, match="CMake cannot build in a path with") as caught:
        build_request(request(), tmp_path / f"my{character}project")
    assert repr(character) in caught.value.message


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildError, match="Not a directory") as caught:
        build_request(request(), tmp_path / "file" / "project")
    assert "--output" in caught.value.hint


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="did not make"):
        build_request(request(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"flash": 1_000_000}, ["at least 16,960 bytes over in flash (983,040)", "'conv/kernel' 999,900 B"]),
        ({"ram": 240_000}, ["at least 10,624 bytes over in RAM (262,144)", "'conv/output' 240,000 B"]),
    ],
)
def test_a_model_that_cannot_fit_is_refused_before_any_compile(tmp_path, monkeypatch, sizes, words):
    monkeypatch.setattr(cmake, "build", lambda _folder: pytest.fail("compiled"))
    with pytest.raises(BuildError) as caught:
        build_request(request(**sizes), tmp_path / "project")
    assert caught.value.exit_code == 4
    assert "fake with engine static does not fit nano33ble" in caught.value.message
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("sizes", "memory", "heaviest"),
    [({"flash": 980_000}, "flash", "'conv/kernel'"), ({"ram": 228_000}, "RAM", "'conv/output'")],
)
def test_an_image_that_does_not_link_says_exactly_how_many_bytes_are_over(tmp_path, sizes, memory, heaviest):
    asked = request(options={"known_beforehand": False}, **sizes)
    with pytest.raises(BuildError) as caught:
        build_request(asked, tmp_path / "project")
    assert f"bytes over in {memory}" in caught.value.message
    assert "at least" not in caught.value.message
    assert heaviest in caught.value.hint
    over = int(caught.value.message.split(": ")[1].split()[0].replace(",", ""))
    # a model smaller by what was over (and alignment) links
    key = next(iter(sizes))
    smaller = request(options={"known_beforehand": False}, **{key: sizes[key] - over - 8})
    assert build_request(smaller, tmp_path / "project").elf.exists()


def test_a_missing_tool_is_one_line_with_the_package(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match="cmake, ninja, arm-none-eabi-gcc are not installed") as caught:
        build_request(request(), tmp_path / "project")
    assert "apt-get install -y cmake ninja-build gcc-arm-none-eabi" in caught.value.hint


def test_a_compile_error_is_one_line_and_leaves_a_log(tmp_path, monkeypatch):
    broken = mps2_kind.EnginePart(generated={"ecgd_model.c": b"int x = nonsense;\n"})
    monkeypatch.setattr(mps2_kind, "static_engine", lambda _request: broken)
    with pytest.raises(BuildError) as caught:
        build_request(request(), tmp_path / "project")
    assert "nonsense" in caught.value.message
    assert "\n" not in caught.value.message
    assert (tmp_path / "project" / "build" / "build.log").exists()


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("[1/9] cc x.c\nx.c:3:5: error: 'y' undeclared\nx.c:9:1: error: z\n", "x.c:3:5: error: 'y' undeclared"),
        ("ld: a.o: in function `f':\na.c:7: undefined reference to `g'\n", "a.c:7: undefined reference to `g'"),
        (
            "-- errors occurred!\nCMake Error at CMakeLists.txt:7:\n\n  The C compiler\n\n  is broken\n",
            "The C compiler is broken",
        ),
        ("something else\n\n", "something else"),
        ("", "no output"),
    ],
)
def test_the_first_error_of_a_log_is_found(log, said):
    assert cmake._first_error(log) == said


def test_an_engine_that_the_board_lacks_is_refused_with_those_it_has(tmp_path):
    with pytest.raises(UsageError, match="has no engine 'litert'") as caught:
        build_request(request(engine="litert"), tmp_path / "project")
    assert "static" in caught.value.hint


def test_a_missing_model_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"no model file .*absent\.tflite"):
        read_model(tmp_path / "absent.tflite")


@pytest.mark.parametrize("board", ["portenta_h7_m7", "pico", "nicla_sense_me", "nucleo_f446re", "nrf52840_dk"])
def test_every_microcontroller_board_has_a_twin_that_links_within_its_memory_and_answers(tmp_path, board):
    done = build_request(request(board=board), tmp_path / "project")
    facts = load_board(board)
    assert done.sizes.flash <= facts.memory.flash.bytes
    assert done.sizes.ram + done.sizes.stack <= facts.memory.ram.bytes
    with open_device(elf=done.elf, machine=facts.twin.machine) as device:
        assert (device.hello.board, device.hello.build_id) == (board, done.build_id)
        assert device.hello.stack_bytes == facts.memory.stack_bytes
        assert device.hello.static_ram == done.sizes.ram
        assert device.infer(bytes(16)).outputs[0][:3] == b"\x01\x02\x03"


def test_a_build_folder_of_another_compiler_is_configured_anew(tmp_path):
    """A project folder that held a Linux board's firmware before: CMake's cache never changes its compiler."""
    (tmp_path / "toolchain.cmake").write_text("set(CMAKE_C_COMPILER first)")
    out = tmp_path / "build"
    out.mkdir()
    (out / "CMakeCache.txt").touch()
    cmake._forget_another_compiler(tmp_path, out)
    assert not (out / "CMakeCache.txt").exists()
    (out / "CMakeCache.txt").touch()
    cmake._forget_another_compiler(tmp_path, out)
    assert (out / "CMakeCache.txt").exists()
    (tmp_path / "toolchain.cmake").write_text("set(CMAKE_C_COMPILER second)")
    cmake._forget_another_compiler(tmp_path, out)
    assert not (out / "CMakeCache.txt").exists()
