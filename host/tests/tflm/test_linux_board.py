"""Engine ``tflm`` on a Linux board: the wrapper is compiled and linked with the user's archive, and its golden answers
decide.

No TFLM is here: a stand-in of a few lines has its names and computes one RELU, which is enough to link and run.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ecgdeploy.devices import open_device
from ecgdeploy.errors import BuildError
from ecgdeploy.projects import build
from ecgdeploy.projects.tflm_library import ARCHIVE, ENTRY
from ecgdeploy.toolchains.armabi import archive_is_aarch64

sys.path.insert(0, str(Path(__file__).parents[1] / "codegen"))
from tflite_builder import Builder

NEEDED = {"aarch64-linux-gnu-g++": "g++-aarch64-linux-gnu", "qemu-aarch64-static": "qemu-user-static"}
MISSING = [name for name in NEEDED if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"needs {MISSING}: sudo apt-get install {' '.join(NEEDED[name] for name in MISSING)}"
)

VALUES, ZERO_POINT = 24, -10
INTERPRETER = """
#pragma once
#include <cstddef>
#include <cstdint>
enum TfLiteStatus { kTfLiteOk, kTfLiteError };
enum TfLiteType { kTfLiteInt8, kTfLiteInt16, kTfLiteFloat32, kTfLiteUInt8, kTfLiteInt32 };
struct TfLiteTensor {
  TfLiteType type;
  size_t bytes;
  struct { float scale; int zero_point; } params;
  union { char* raw; int8_t* int8; } data;
};
namespace tflite {
struct Model;
const Model* GetModel(const void* data);
template <unsigned N> struct MicroMutableOpResolver {
  TfLiteStatus AddRelu() { return kTfLiteOk; }
};
class MicroInterpreter {
 public:
  template <unsigned N>
  MicroInterpreter(const Model*, const MicroMutableOpResolver<N>&, uint8_t* arena, size_t) : arena_(arena) {}
  TfLiteStatus AllocateTensors();
  TfLiteStatus Reset();
  TfLiteStatus Invoke();
  size_t inputs_size() const { return 1; }
  size_t outputs_size() const { return 1; }
  TfLiteTensor* input(size_t) { return &input_; }
  TfLiteTensor* output(size_t) { return &output_; }
 private:
  uint8_t* arena_;
  TfLiteTensor input_, output_;
};
}
"""
LIBRARY = """
#include "tensorflow/lite/micro/micro_interpreter.h"
namespace tflite {
const Model* GetModel(const void* data) { return static_cast<const Model*>(data); }
TfLiteStatus MicroInterpreter::AllocateTensors() {
  input_ = {kTfLiteInt8, VALUES, {0.05f, ZERO_POINT}, {reinterpret_cast<char*>(arena_)}};
  output_ = {kTfLiteInt8, VALUES, {0.05f, ZERO_POINT}, {reinterpret_cast<char*>(arena_ + VALUES)}};
  return kTfLiteOk;
}
TfLiteStatus MicroInterpreter::Reset() { return kTfLiteOk; }
TfLiteStatus MicroInterpreter::Invoke() {
  for (int i = 0; i < VALUES; ++i) {
    const int8_t x = input_.data.int8[i];
    output_.data.int8[i] = x > FLOOR ? x : static_cast<int8_t>(FLOOR);
  }
  return kTfLiteOk;
}
}
"""


def tree(folder: Path, compiler: str = "aarch64-linux-gnu-g++", floor: int = ZERO_POINT) -> Path:
    """The stand-in's headers and archive."""
    for name, text in {
        ENTRY: INTERPRETER,
        "tensorflow/lite/micro/micro_mutable_op_resolver.h": f'#include "{ENTRY}"\n',
        "tensorflow/lite/schema/schema_generated.h": "",
        "third_party/flatbuffers/include/flatbuffers/flatbuffers.h": "",
        "stand_in.cc": LIBRARY,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "lib").mkdir()
    definitions = (f"-DVALUES={VALUES}", f"-DZERO_POINT=({ZERO_POINT})", f"-DFLOOR=({floor})")
    object_file = folder / "stand_in.o"
    subprocess.run(
        [compiler, "-O2", "-fno-rtti", "-fno-exceptions", *definitions, f"-I{folder}", "-c", folder / "stand_in.cc",
         "-o", object_file], check=True,
    )  # fmt: skip
    subprocess.run(["aarch64-linux-gnu-ar", "rcs", folder / "lib" / ARCHIVE, object_file], check=True)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One int8 RELU."""
    builder = Builder()
    entry = builder.input((1, VALUES), "int8", 0.05, ZERO_POINT)
    answer = builder.tensor((1, VALUES), "int8", 0.05, ZERO_POINT)
    builder.operator("RELU", [entry], [answer])
    path = tmp_path_factory.mktemp("model") / "relu.tflite"
    path.write_bytes(builder.finish([answer]))
    return path


def self_test(bundle: Path, command: list[str]) -> int:
    return subprocess.run([*command, str(bundle / "firmware"), "--self-test"], check=False).returncode


def test_the_bundle_is_one_program_that_needs_the_c_library_only_and_answers_its_golden_vectors(
    model: Path, tmp_path: Path
) -> None:
    done = build(model, "rpi4", "tflm", True, tmp_path / "p", options={"tflm_dir": tree(tmp_path / "tflm")})
    assert done.elf is not None
    shown = subprocess.run(["readelf", "-d", done.elf], capture_output=True, text=True, check=True).stdout
    needed = {line.split("[")[1].rstrip("]") for line in shown.splitlines() if "(NEEDED)" in line}
    assert needed <= {"libc.so.6", "libm.so.6", "ld-linux-aarch64.so.1"}
    emulator = done.manifest["facts"]["emulator"]
    assert self_test(done.folder / "bundle", emulator) == 0
    manifest = json.loads((done.folder / "bundle" / "manifest.json").read_text())
    assert (manifest["engine"], manifest["architecture"]) == ("tflm", "aarch64")
    window = np.arange(-VALUES, VALUES, 2, np.int8)
    with open_device(process=[*emulator, str(done.elf)], expect_model=done.manifest["model"]["sha256"]) as device:
        assert device.hello.board == "rpi4"
        answer = device.infer(window.tobytes())
    assert answer.outputs == (np.maximum(window, ZERO_POINT).tobytes(),)


def test_a_library_that_computes_something_else_fails_its_golden_vectors(model: Path, tmp_path: Path) -> None:
    wrong = tree(tmp_path / "tflm", floor=ZERO_POINT + 1)
    done = build(model, "rpi4", "tflm", True, tmp_path / "p", options={"tflm_dir": wrong})
    assert self_test(done.folder / "bundle", done.manifest["facts"]["emulator"]) != 0


def test_an_archive_for_another_machine_is_refused(model: Path, tmp_path: Path) -> None:
    other = tree(tmp_path / "tflm", compiler="g++")
    assert not archive_is_aarch64(other / "lib" / ARCHIVE)
    with pytest.raises(BuildError, match=r"no TFLM archive fits cortex-a72: .* not for 64-bit Arm"):
        build(model, "rpi4", "tflm", True, tmp_path / "p", options={"tflm_dir": other})


def test_without_a_library_the_refusal_is_one_line(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ECGDEPLOY_TFLM_DIR", raising=False)
    with pytest.raises(BuildError, match="engine tflm on jetson_orin needs a TFLM library for aarch64") as caught:
        build(model, "jetson_orin", "tflm", False, tmp_path / "p")
    assert "--tflm-dir" in caught.value.hint and not (tmp_path / "p").exists()
