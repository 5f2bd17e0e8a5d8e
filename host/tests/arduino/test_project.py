"""The PlatformIO project: rendered as agreed, builds from sources that compile cleanly for the core, refused early.

Regenerate the snapshots with ``ECGDEPLOY_UPDATE_GOLDEN=1 pytest host/tests/arduino`` and read the difference.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import threading
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

from ecgdeploy.boards import board_names, load_board
from ecgdeploy.errors import BuildError, UsageError
from ecgdeploy.projects import Request, arduino, build
from ecgdeploy.projects.types import Model, Project
from ecgdeploy.toolchains import platformio
from ecgdeploy.zoo import preset

GOLDEN = Path(__file__).parents[1] / "golden" / "platformio_arduino"
STUBS = Path(__file__).parent / "stubs"
RENDERED = re.compile(r"platformio\.ini|README\.md|src/main\.cpp|lib/\w+/library\.(json|properties)|.*/ecgd_build\.h")
BOARD = load_board("nano33ble")
STRICT = ("-Wall", "-Wextra", "-Werror")


def render(engine: str, board: str = "nano33ble") -> Project:
    """A project of empty sources: only what is rendered matters."""
    facts = {"arena_bytes": 12_416, "arena": "estimated", "prebuilt": False} if engine == "tflm" else {}
    deps = (arduino.REGISTRY_TFLM,) if engine == "tflm" else ()
    model = Model("golden", b"", "0" * 64, SimpleNamespace(tensors=()))
    return arduino.render_with(
        Request(model, load_board(board), engine, False),
        arduino.Library({"ecgd_model.c": b""}, lib_deps=deps, facts=facts),
    )


@pytest.fixture
def no_firmware(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the firmware's sources, whose changes are no change of a template."""
    monkeypatch.setattr(arduino, "firmware_files", lambda *_: {})


@pytest.mark.usefixtures("no_firmware")
@pytest.mark.parametrize(
    ("board", "engine"),
    [("nano33ble", "tflm"), ("nano33ble", "static"), ("portenta_h7_m7", "static"), ("nrf52840_dk", "static"),
     ("nucleo_f446re", "tflm")],
)
def test_the_rendered_project_is_the_golden_one(board: str, engine: str) -> None:
    for name, data in render(engine, board).files.items():
        if not RENDERED.fullmatch(name):
            continue
        path = GOLDEN / f"{board}-{engine}" / name
        if os.environ.get("ECGDEPLOY_UPDATE_GOLDEN"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        assert data.decode() == path.read_text()


@pytest.mark.parametrize("engine", ["tflm", "static"])
def test_platformio_ini_says_what_a_nano_needs(engine: str) -> None:
    ini = configparser.ConfigParser(inline_comment_prefixes=(";",))
    ini.read_string(render(engine).files["platformio.ini"].decode())
    section = ini["env:nano33ble"]
    assert section["platform"] == "nordicnrf52@^10.11.0"  # older ones used GCC 8 and lost the port
    assert section["build_unflags"].split() == ["-mfloat-abi=soft"]
    assert "-std" not in section["build_flags"]  # C++17 for all breaks the core's own sources
    assert section["lib_compat_mode"] == "off"
    assert section["monitor_speed"] != "1200"


def test_cpp17_is_asked_for_in_the_engine_library_only(tmp_path: Path, tflm_tree: Path) -> None:
    done = build(
        preset("beat-cnn").int8,
        "nano33ble",
        "tflm",
        False,
        tmp_path / "p",
        True,
        {"tflm_dir": tflm_tree, "arena_bytes": 20_000},
    )
    core, engine = (
        json.loads((done.folder / "lib" / name / "library.json").read_text()) for name in ("ecgd_core", "ecgd_engine")
    )
    assert core["build"]["flags"] == []
    assert "-std=gnu++17" in engine["build"]["flags"] and "-std=gnu++14" in engine["build"]["unflags"]
    ini = (done.folder / "platformio.ini").read_text()
    assert "-ltensorflow-microlite" in ini and "lib_deps" not in ini
    assert (done.folder / "lib/ecgd_engine/tflm/lib/libtensorflow-microlite.a").is_file()


@pytest.fixture
def tflm_tree(tmp_path: Path) -> Path:
    """A tree with the shape of TFLM's and an archive for the Nano's core."""
    root = tmp_path / "tree"
    for name in (
        "tensorflow/lite/micro/micro_interpreter.h",
        "tensorflow/lite/micro/micro_mutable_op_resolver.h",
        "third_party/flatbuffers/include/flatbuffers/flatbuffers.h",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    (root / "empty.c").write_text("float half(float x) { return x / 2.0f; }\n")
    (root / "lib").mkdir()
    subprocess.run(
        ["arm-none-eabi-gcc", *BOARD.core.compile_flags, "-c", root / "empty.c", "-o", root / "empty.o"], check=True
    )
    archive = root / "lib" / "libtensorflow-microlite.a"
    subprocess.run(["arm-none-eabi-ar", "rcs", archive, root / "empty.o"], check=True)
    return root


def test_a_tree_that_is_a_platformio_library_is_named_and_its_definitions_are_taken_over(
    tmp_path: Path, tflm_tree: Path
) -> None:
    metadata = {"name": "tflm", "build": {"flags": ["-std=gnu++17", "-DTF_LITE_STATIC_MEMORY", "-O3"]}}
    (tflm_tree / "library.json").write_text(json.dumps(metadata))
    (tflm_tree / "tensorflow/lite/micro/kernels").mkdir()
    (tflm_tree / "tensorflow/lite/micro/kernels/conv.h").write_text("TFLMRegistration Register_CONV_2D_INT8();")
    options = {"tflm_dir": tflm_tree, "arena_bytes": 20_000}
    done = build(preset("beat-cnn").int8, "nano33ble", "tflm", False, tmp_path / "p", True, options)
    assert f"symlink://{tflm_tree.resolve()}" in (done.folder / "platformio.ini").read_text()
    engine = json.loads((done.folder / "lib/ecgd_engine/library.json").read_text())["build"]
    assert engine["flags"] == [*arduino.SPEED, "-std=gnu++17", "-DTF_LITE_STATIC_MEMORY"]
    assert engine["unflags"] == [*arduino.SIZE, *arduino.CORES_CXX]
    config = (done.folder / "lib/ecgd_engine/src/ecgd_tflm_config.h").read_text()
    assert "#define ECGD_TFLM_INT8_REGISTRATIONS 1" in config
    # another place, the same build
    tflm_tree.rename(tmp_path / "moved")
    moved = build(preset("beat-cnn").int8, "nano33ble", "tflm", False, tmp_path / "q", True,
                  {**options, "tflm_dir": tmp_path / "moved"})  # fmt: skip
    assert moved.build_id == done.build_id


def test_a_library_that_is_not_tflm_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/library.json").write_text("{}")
    with pytest.raises(BuildError, match="is a library, but not TFLM"):
        build(
            preset("beat-cnn").int8, "nano33ble", "tflm", False, tmp_path / "p", True, {"tflm_dir": tmp_path / "other"}
        )


# a board of every family of ports, the language its core is compiled in, the declarations that stand in for the core
PORTS = {
    "nano33ble": ("gnu++14", "stubs"),
    "pico": ("gnu++14", "stubs"),
    "portenta_h7_m7": ("gnu++14", "stubs"),
    "nicla_sense_me": ("gnu++14", "stubs", "-DSTUB_NO_USB"),
    "nrf52840_dk": ("gnu++11", "stubs_nrf52"),
    "nucleo_f446re": ("gnu++14", "stubs_stm32"),
}


@pytest.fixture(scope="module", params=["static", "tflm"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The preset's project, rendered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ECGDEPLOY_TFLM_DIR", raising=False)
        options = {"arena_bytes": 20_000} if request.param == "tflm" else {}
        folder = tmp_path_factory.mktemp("project") / request.param
        return build(preset("beat-cnn").int8, "nano33ble", request.param, False, folder, True, options).folder


@pytest.mark.parametrize("older", [(), ("-DECGD_OWN_ACLE",)], ids=["GCC 10 and later", "the core's GCC 7"])
def test_every_c_file_compiles_without_a_warning_for_the_core(project: Path, older: tuple[str, ...]) -> None:
    sources = sorted(project.rglob("lib/*/src/*.c"))
    assert len(sources) >= 6
    includes = [f"-I{project / 'lib' / name / 'src'}" for name in ("ecgd_core", "ecgd_engine")]
    command = ["arm-none-eabi-gcc", *BOARD.core.compile_flags, "-std=gnu11", "-O2", *STRICT, "-Wconversion", *includes]
    subprocess.run([*command, *older, "-fsyntax-only", *sources], check=True)


@pytest.mark.parametrize("name", PORTS)
def test_the_port_and_the_sketch_compile_against_the_cores_declarations(name: str, tmp_path: Path) -> None:
    board = load_board(name)
    standard, stubs, *more = PORTS[name]
    project = build(preset("beat-cnn").int8, name, "static", False, tmp_path / "p", True).folder
    sources = [project / "src/main.cpp", *project.glob("lib/ecgd_core/src/ecgd_port_arduino*.cpp")]
    assert len(sources) == 2
    folders = [STUBS.with_name(stubs), *(project / "lib" / part / "src" for part in ("ecgd_core", "ecgd_engine"))]
    includes = [f"-I{folder}" for folder in folders]
    assert board.platformio is not None
    command = ["arm-none-eabi-g++", *board.core.compile_flags, *board.platformio.build_flags, f"-std={standard}", "-O2"]
    subprocess.run([*command, *more, *STRICT, *includes, "-fsyntax-only", *sources], check=True)
    c_files = sorted(project.rglob("lib/*/src/*.c"))
    command = ["arm-none-eabi-gcc", *board.core.compile_flags, "-std=gnu11", "-O2", *STRICT, "-Wconversion", *includes]
    subprocess.run([*command, "-fsyntax-only", *c_files], check=True)


@pytest.mark.parametrize("name", [name for name in board_names() if load_board(name).kind == "mcu"])
@pytest.mark.parametrize("engine", ["static", "tflm"])
def test_every_board_has_a_project_with_either_engine(name: str, engine: str, tmp_path: Path) -> None:
    options = {"arena_bytes": 20_000} if engine == "tflm" else {}
    folder = build(preset("beat-cnn").int8, name, engine, False, tmp_path / "p", True, options).folder
    assert f"[env:{name}]" in (folder / "platformio.ini").read_text()
    assert len(list(folder.glob("lib/ecgd_core/src/ecgd_port_arduino*.cpp"))) == 1


def test_floats_are_computed_as_on_the_emulated_board(tmp_path: Path) -> None:
    folder = build(preset("beat-cnn").float32, "nano33ble", "static", False, tmp_path / "p", True).folder
    described = json.loads((folder / "lib/ecgd_engine/library.json").read_text())["build"]
    assert "-ffp-contract=off" in described["flags"] and "-Ofast" in described["unflags"]


def test_no_file_includes_both_arduino_and_tflm(project: Path) -> None:
    for path in project.rglob("*.[ch]*"):
        text = path.read_text(errors="replace")
        assert not ("Arduino.h>" in text and '#include "tensorflow/' in text), path


def test_the_model_is_an_aligned_array_of_the_files_bytes(tmp_path: Path) -> None:
    done = build(preset("beat-cnn").int8, "nano33ble", "tflm", False, tmp_path / "p", True, {"arena_bytes": 20_000})
    text = (done.folder / "lib/ecgd_engine/src/ecgd_model_data.c").read_text()
    body = text[text.index("ecgd_model_data[] = {") :]
    assert (
        bytes(int(value, 16) for value in re.findall(r"0x([0-9a-f]{2})", body)) == preset("beat-cnn").int8.read_bytes()
    )
    assert "aligned(16)" in text


def test_the_resolver_has_exactly_the_models_operators(tmp_path: Path) -> None:
    from ecgdeploy.graph import read_tflite

    done = build(preset("beat-cnn").int8, "nano33ble", "tflm", False, tmp_path / "p", True, {"arena_bytes": 20_000})
    source = done.folder / "lib/ecgd_engine/src"
    kinds = {operator.kind for operator in read_tflite(preset("beat-cnn").int8).operators}
    added = re.findall(r"resolver\.Add(\w+)\(", (source / "ecgd_tflm_operators.h").read_text())
    assert len(added) == len(kinds)
    assert f"#define ECGD_TFLM_OPERATORS {len(kinds)}u" in (source / "ecgd_tflm_config.h").read_text()


def test_conv1ds_ballast_is_left_out_and_the_saving_told(tmp_path: Path) -> None:
    data = os.environ.get("ECGDEPLOY_DATA")
    model = Path(data).parent / "bench/models/beat_cnn.tflite" if data else None
    if model is None or not model.is_file():
        pytest.skip("needs the bench models: set ECGDEPLOY_DATA to the data folder beside bench/")

    def render(fold: bool) -> tuple[dict, str]:
        options = {"arena_bytes": 20_000, "fold": fold}
        done = build(model, "nano33ble", "tflm", False, tmp_path / str(fold), True, options)
        source = done.folder / "lib/ecgd_engine/src"
        files = ("ecgd_tflm_operators.h", "ecgd_model_data.c")
        return done.manifest, "".join((source / name).read_text() for name in files)

    folded, less = render(True)
    plain, whole = render(False)
    assert folded["facts"]["engine"]["folded"].startswith("22 operators are 12, 24,096 bytes are 21,168")
    assert "folded" not in plain["facts"]["engine"]
    assert "AddExpandDims" in whole and "AddExpandDims" not in less
    # the same model by its hash: measure and flash go by it
    assert folded["model"] == plain["model"]
    assert ", ".join(f"0x{byte:02x}" for byte in bytes.fromhex(folded["model"]["sha256"])) in less


def test_another_model_changes_headers_and_leaves_platformio_ini_alone() -> None:
    one, two = (render("tflm"), render("static"))
    assert one.build_id != two.build_id
    assert one.build_id.encode() in one.files["lib/ecgd_core/src/ecgd_build.h"]
    assert one.build_id.encode() not in one.files["platformio.ini"]


def test_without_packages_and_network_the_refusal_is_one_line_within_five_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path / "empty"))
    monkeypatch.setattr(platformio, "registry_reachable", lambda: False)
    monkeypatch.setattr(platformio, "build", lambda *_: pytest.fail("PlatformIO was started"))
    with pytest.raises(BuildError, match="PlatformIO lacks platform nordicnrf52, framework-arduino-mbed") as caught:
        build(preset("beat-cnn").int8, "nano33ble", None, False, tmp_path / "p")
    assert "\n" not in str(caught.value)
    assert "pio pkg install" in caught.value.hint and "--emulate" in caught.value.hint


def test_a_registry_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(*_: object, **__: object) -> None:
        release.wait()
        raise OSError("released")

    monkeypatch.setattr(urllib.request, "urlopen", hang)
    assert platformio.registry_reachable(0.05) is False
    release.set()


def test_a_board_without_platformio_is_refused() -> None:
    board = BOARD.model_copy(update={"platformio": None})
    model = Model("golden", b"", "0" * 64, SimpleNamespace(tensors=()))
    with pytest.raises(UsageError, match="not built with PlatformIO"):
        arduino.render_with(Request(model, board, "static", False), arduino.Library({}))


FAKE_PIO = """#!/bin/sh
# stands in for PlatformIO: compiles one object for the core and puts it where PlatformIO would
while [ $# -gt 0 ]; do case $1 in -d) folder=$2; shift;; -e) environment=$2; shift;; esac; shift; done
cd "$folder" || exit 1
out=.pio/build/$environment
mkdir -p $out/lib123
cat > $out/x.c <<EOF
const int table[64] = {1};
int counter = 5, zeroed[25];
int main(void) { return table[counter] + zeroed[1]; }
EOF
arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb FLOATS -c $out/x.c -o $out/x.o || exit 1
arm-none-eabi-ar rcs $out/lib123/libecgd_core.a $out/x.o
arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb FLOATS -nostdlib -Wl,-e,main $out/x.o -o $out/firmware.elf
EXIT
"""


def fake_platformio(folder: Path, monkeypatch: pytest.MonkeyPatch, floats: str, ending: str = "exit 0") -> None:
    """PlatformIO, with all its packages, that compiles for one float ABI."""
    script = folder / "pio"
    script.write_text(FAKE_PIO.replace("FLOATS", floats).replace("EXIT", ending))
    script.chmod(0o755)
    monkeypatch.setattr(platformio, "command", lambda: [str(script)])
    monkeypatch.setattr(platformio, "missing_packages", lambda *_: [])


def test_a_built_image_has_its_sizes_in_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_platformio(tmp_path, monkeypatch, "-mfpu=fpv4-sp-d16 -mfloat-abi=softfp")
    done = build(preset("beat-cnn").int8, "nano33ble", "static", False, tmp_path / "p")
    counted = subprocess.run(["arm-none-eabi-size", done.elf], check=True, capture_output=True, text=True).stdout
    text, data, bss = map(int, counted.splitlines()[1].split()[:3])
    assert done.sizes is not None
    assert (done.sizes.flash, done.sizes.ram) == (text + data, data + bss)
    assert build(preset("beat-cnn").int8, "nano33ble", "static", False, tmp_path / "p").cached


def test_an_image_with_software_floats_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_platformio(tmp_path, monkeypatch, "-mfloat-abi=soft")
    with pytest.raises(BuildError, match="software floats") as caught:
        build(preset("beat-cnn").int8, "nano33ble", "static", False, tmp_path / "p")
    assert "build_unflags" in caught.value.hint


def test_a_failed_compile_is_one_line_and_leaves_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_platformio(tmp_path, monkeypatch, "-mfloat-abi=soft", "echo 'src/main.cpp:3:1: error: no such thing'; exit 1")
    with pytest.raises(BuildError, match=r"main\.cpp:3:1: error: no such thing") as caught:
        build(preset("beat-cnn").int8, "nano33ble", "static", False, tmp_path / "p")
    assert "\n" not in str(caught.value) and (tmp_path / "p" / "build.log").is_file()
