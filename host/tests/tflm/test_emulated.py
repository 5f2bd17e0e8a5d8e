"""TFLM's firmware on the emulated board: golden outputs, the smallest arena, beside the static engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecgdeploy.boards import load_board
from ecgdeploy.devices import open_device
from ecgdeploy.errors import BuildError, DeviceError
from ecgdeploy.projects import Build, build
from ecgdeploy.projects.tflm_arena import cache_folder

# with CMSIS-NN, tflite-micro 90b983c2; of the files as they are, and without Conv1D's ballast
ARENAS = {("beat_cnn", False): 11_904, ("ds_resnet", False): 40_192, ("beat_cnn", True): 9_600}


@pytest.fixture(
    scope="module",
    params=[("beat_cnn", False), ("beat_cnn", True), pytest.param(("ds_resnet", False), marks=pytest.mark.slow)],
)
def built(
    request: pytest.FixtureRequest, bench: Path, tflm_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Build:
    """The bench model's firmware with engine tflm."""
    name, fold = request.param
    folder = tmp_path_factory.mktemp("tflm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECGDEPLOY_CACHE_DIR", str(folder / "cache"))
        done = build(
            bench / f"{name}.tflite",
            "nano33ble",
            "tflm",
            True,
            folder / "project",
            options={"tflm_dir": tflm_dir, "fold": fold},
        )
        assert [int(path.read_text()) for path in cache_folder().iterdir()] == [
            done.manifest["facts"]["engine"]["arena_bytes"]
        ]
    return done


def test_the_outputs_are_the_golden_ones(built: Build, bench: Path) -> None:
    golden = np.load(bench / f"{built.manifest['model']['name']}.npz")
    names = sorted(name for name in golden.files if name.endswith("_tflm"))
    assert built.elf is not None
    with open_device(elf=built.elf, expect_model=built.manifest["model"]["sha256"]) as device:
        assert device.hello.engine == "tflm"
        for at, window in enumerate(golden["inputs"]):
            one = device.infer(window.tobytes())
            assert [bytes(output) for output in one.outputs] == [golden[name][at].tobytes() for name in names]


def test_the_arena_is_the_smallest_that_works(built: Build) -> None:
    engine = built.manifest["facts"]["engine"]
    assert engine["arena"] == "measured"
    expected = ARENAS[built.manifest["model"]["name"], "folded" in engine]
    assert abs(engine["arena_bytes"] - expected) <= 0.02 * expected


def test_the_project_carries_what_it_needs_and_only_that(built: Build) -> None:
    headers = [name for name in built.manifest["files"] if name.startswith("tflm/include/")]
    assert 20 < len(headers) < 200
    assert "tflm/lib/libtensorflow-microlite.a" in built.manifest["files"]


def test_without_a_tflm_library_the_refusal_says_how_to_give_one(
    bench: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ECGDEPLOY_TFLM_DIR", raising=False)
    with pytest.raises(BuildError, match="needs a TFLM library") as caught:
        build(bench / "beat_cnn.tflite", "nano33ble", "tflm", True, tmp_path / "project")
    assert "--tflm-dir" in caught.value.hint
    assert load_board("nano33ble").default_engine(emulate=True) == "static"


def test_an_arena_that_is_too_small_is_reported_over_the_link_and_hangs_nothing(
    bench: Path, tflm_dir: Path, tmp_path: Path
) -> None:
    done = build(
        bench / "beat_cnn.tflite",
        "nano33ble",
        "tflm",
        True,
        tmp_path / "p",
        options={"tflm_dir": tflm_dir, "arena_bytes": 4096},
    )
    assert done.elf is not None
    with pytest.raises(DeviceError, match="engine") as caught, open_device(elf=done.elf):
        pass
    assert "\n" not in str(caught.value)
