"""The rendered project builds with the real PlatformIO: its settings, library discovery and link, without network.

PlatformIO's platform for the Nano is not here, so a small one of the same name stands in: Debian's compiler, the flags
that the real one appends (soft floats after softfp), its link of every object of every library, and a core that does
nothing.
"""

from __future__ import annotations

import json
import os
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from ecgdeploy.projects import Build, build
from ecgdeploy.zoo import preset

STUBS = Path(__file__).parent / "stubs"
TFLM_STUB = Path(__file__).parent / "stubs_tflm"  # a library that PlatformIO compiles, with the habits of 2023
NAME, VERSION = "nordicnrf52", "10.11.0"
MAIN = """
import os
from SCons.Script import Default, DefaultEnvironment

env = DefaultEnvironment()
tool = "arm-none-eabi-"
core = ["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=softfp"]
env.Replace(AR=tool + "ar", CC=tool + "gcc", CXX=tool + "g++", LINK=tool + "g++", RANLIB=tool + "ranlib",
            SIZETOOL=tool + "size", ARFLAGS=["rc"], PROGNAME="firmware", PROGSUFFIX=".elf")
env.Append(CCFLAGS=[*core, "-mfloat-abi=soft", "-Os", "-ffunction-sections", "-fdata-sections", "-Wall", "-Werror"],
           CFLAGS=["-std=gnu11"], CXXFLAGS=["-std=gnu++14", "-fno-rtti", "-fno-exceptions"], CPPPATH=[STUBS],
           LINKFLAGS=[*core, "-Wl,--gc-sections", "--specs=nano.specs", "--specs=nosys.specs"])
env.Prepend(_LIBFLAGS="-Wl,--whole-archive ")
env.Append(_LIBFLAGS=" -Wl,--no-whole-archive -lstdc++ -lsupc++ -lm -lc -lgcc -lnosys")
env.Prepend(LIBS=[env.BuildLibrary(os.path.join("$BUILD_DIR", "core"), STUBS)])
Default([env.BuildProgram()])
"""


def install(folder: Path, kind: str, name: str, version: str, description: dict) -> None:
    """A package as PlatformIO keeps it."""
    folder.mkdir(parents=True)
    file = "platform.json" if kind == "platform" else "package.json"
    (folder / file).write_text(json.dumps({"name": name, "version": version, "description": "test", **description}))
    spec = {"owner": "platformio", "id": None, "name": name, "requirements": None, "uri": None}
    (folder / ".piopm").write_text(json.dumps({"type": kind, "name": name, "version": version, "spec": spec}))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PlatformIO home with a platform of the Nano's name, and SCons from Python's registry."""
    from platformio.dependencies import get_core_dependencies

    root = tmp_path_factory.mktemp("platformio")
    platform = root / "platforms" / NAME
    frameworks = {"arduino": {"title": "Arduino", "script": "builder/framework.py"}}
    facts = {"title": "test", "license": "Apache-2.0", "engines": {"platformio": "*"}, "packages": {}}
    install(platform, "platform", NAME, VERSION, {**facts, "frameworks": frameworks})
    (platform / "platform.py").write_text(
        "from platformio.public import PlatformBase\n\n\nclass Nordicnrf52Platform(PlatformBase):\n    pass\n"
    )
    (platform / "builder").mkdir()
    (platform / "builder/main.py").write_text(MAIN.replace("STUBS", repr(str(STUBS))))
    (platform / "builder/framework.py").write_text("")
    (platform / "boards").mkdir()
    board = {
        "build": {"cpu": "cortex-m4", "f_cpu": "64000000L", "mcu": "nrf52840"},
        "frameworks": ["arduino"],
        "name": "test",
        "upload": {"maximum_ram_size": 262144, "maximum_size": 983040},
        "url": "test",
        "vendor": "test",
    }
    (platform / "boards/nano33ble.json").write_text(json.dumps(board))
    version = re.sub(r"[^\d.]", "", get_core_dependencies()["tool-scons"])
    install(root / "packages/tool-scons", "tool", "tool-scons", version, {"type": "tool"})
    spec = find_spec("SCons")
    assert spec and spec.submodule_search_locations, "pip install scons"
    (root / "packages/tool-scons/SCons").symlink_to(next(iter(spec.submodule_search_locations)))
    (root / "packages/tool-scons/scons.py").write_text("import SCons.Script\n\nSCons.Script.main()\n")
    for package in ("framework-arduino-mbed", "toolchain-gccarmnoneeabi"):
        (root / "packages" / package).mkdir()
    return root


@pytest.fixture(scope="module", params=["static", "tflm", "tflm as a library"])
def built(request: pytest.FixtureRequest, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The preset's firmware, built by ``ecgdeploy build`` with PlatformIO."""
    options: dict[str, object] = {}
    if request.param == "tflm":
        if not os.environ.get("ECGDEPLOY_TFLM_DIR"):
            pytest.skip("needs a TFLM library: set ECGDEPLOY_TFLM_DIR (docs/howto/nano33ble.md, 'TFLM')")
        options = {"tflm_dir": os.environ["ECGDEPLOY_TFLM_DIR"], "arena_bytes": 20_000}
    elif request.param == "tflm as a library":
        options = {"tflm_dir": TFLM_STUB, "arena_bytes": 20_000}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLATFORMIO_CORE_DIR", str(home))
        folder = tmp_path_factory.mktemp("built") / "project"
        engine = request.param.split()[0]
        return build(preset("beat-cnn").int8, "nano33ble", engine, False, folder, options=options)


def test_platformio_builds_the_project_without_a_warning(built: Build) -> None:
    assert built.elf is not None and built.elf.is_file()
    assert "warning" not in (built.folder / "build.log").read_text()


def test_the_image_tells_its_build_id_and_board(built: Build) -> None:
    assert built.elf is not None
    image = built.elf.read_bytes()
    assert built.build_id.encode() in image and b"nano33ble\0" in image


def test_the_soft_floats_that_platformio_appends_are_taken_away(built: Build) -> None:
    from ecgdeploy.toolchains.armabi import archive_abi

    for name in ("libecgd_core.a", "libecgd_engine.a"):
        (archive,) = built.folder.glob(f".pio/build/nano33ble/lib*/{name}")
        abi = archive_abi(archive)
        assert abi is not None and abi.fpu, name


def test_the_sizes_are_in_the_manifest(built: Build) -> None:
    assert built.sizes is not None
    assert built.sizes.flash > built.manifest["model"]["bytes"] / 2  # constants and program
    assert built.manifest["sizes"]["ram"] == built.sizes.ram > 1_000
