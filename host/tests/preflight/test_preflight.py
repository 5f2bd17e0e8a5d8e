"""Preflight: the answer before any compile, and the first thing that does not fit by name."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from click.testing import CliRunner

from ecgdeploy.boards import load_board
from ecgdeploy.cli import app
from ecgdeploy.errors import ModelError, UsageError
from ecgdeploy.graph import Graph, Operator, Quantization, Tensor
from ecgdeploy.preflight import preflight
from ecgdeploy.preflight import report as module
from ecgdeploy.preflight.memory import tflm_code_bytes

NANO = load_board("nano33ble")


@pytest.fixture(autouse=True)
def no_tflm_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested here is the answer without TFLM's sources."""
    monkeypatch.delenv("ECGDEPLOY_TFLM_DIR", raising=False)


@pytest.fixture(scope="session")
def bench() -> Path:
    """Folder of the bench models."""
    data = os.environ.get("ECGDEPLOY_DATA")
    folder = Path(data).parent / "bench" / "models" if data else None
    if folder is None or not folder.is_dir():
        pytest.skip("needs the bench models: set ECGDEPLOY_DATA to the data folder beside bench/")
    return folder


def graph_of(weights: str, activations: str, columns: int = 64) -> Graph:
    """One dense layer."""
    scale = Quantization(np.ones(1, np.float32), np.zeros(1, np.int64))
    data = np.zeros((columns, 64), {"int8": np.int8, "float16": np.float16}.get(weights, np.float32))
    tensors = (
        Tensor(0, "input", (1, 64), activations, scale),
        Tensor(1, "dense/kernel", data.shape, weights, scale, data),
        Tensor(2, "output", (1, columns), activations, scale),
    )
    dense = Operator(
        "FULLY_CONNECTED", 0, (0, 1), (2,), MappingProxyType({"weights_format": 0, "keep_num_dims": False})
    )
    return Graph(tensors, (dense,), (0,), (2,), "0" * 64, "dense")


def check(graph: Graph, engine: str, monkeypatch: pytest.MonkeyPatch) -> module.Report:
    """Preflight of a graph that is in no file."""
    model = module.Model("dense", b"\0" * sum(tensor.bytes for tensor in graph.tensors), graph.sha256, graph)
    monkeypatch.setattr(module, "_read", lambda _: model)
    monkeypatch.setattr(module, "_arena", lambda _: (4096, "asked"))
    return preflight("dense.tflite", NANO, engine)


# emulated images of beat_cnn and ds_resnet with TFLM 90b983c2 and CMSIS-NN: engine and libc, without model and harness
@pytest.mark.parametrize(("name", "measured"), [("beat_cnn", 53_668), ("ds_resnet", 67_100)])
def test_the_code_estimate_is_within_a_tenth_of_the_measured(bench: Path, name: str, measured: int) -> None:
    from ecgdeploy.graph import read_tflite

    assert abs(tflm_code_bytes(read_tflite(bench / f"{name}.tflite")) - measured) < 0.1 * measured


def test_a_model_that_fits_is_one_line_with_all_three_memories(bench: Path) -> None:
    report = preflight(bench / "beat_cnn.tflite", NANO)
    assert report.fits and report.engine == "tflm"
    assert report.line().startswith("fits: flash 1")
    assert "of 983 kB, RAM" in report.line() and "of 220 kB usable; arena" in report.line()
    assert "reference kernels need 11,776 B" in report.line()


def test_the_arena_figures_are_the_measured_ones(bench: Path) -> None:
    for name, measured in (("beat_cnn", "11,776"), ("ds_resnet", "40,096"), ("mtcnn", "143,040")):
        need = preflight(bench / f"{name}.tflite", NANO).need
        assert need is not None and f"reference kernels need {measured} B" in need.arena_note


def test_what_build_leaves_out_is_said_beside_the_files_own_figures(bench: Path) -> None:
    report = preflight(bench / "beat_cnn.tflite", NANO, "tflm")
    (folding,) = [finding for finding in report.findings if finding.what == "folding"]
    assert "22 operators are 12" in folding.detail and "arena 9,696 B" in folding.detail
    assert "11,776 B" in report.line()
    assert not [finding for finding in preflight("beat-cnn", NANO, "tflm").findings if finding.what == "folding"]


def test_a_file_that_fits_only_without_its_ballast_fits(bench: Path) -> None:
    whole = preflight(bench / "beat_cnn.tflite", NANO, "tflm").need
    assert whole is not None and NANO.memory is not None
    tight = NANO.memory.flash.model_copy(update={"bytes": whole.flash - 1, "reserved": ()})
    board = NANO.model_copy(update={"memory": NANO.memory.model_copy(update={"flash": tight})})
    report = preflight(bench / "beat_cnn.tflite", board, "tflm")
    assert report.fits and "reference kernels need 9,088 B" in report.line()


def test_the_mtcnn_names_memory_excess_operator_and_heaviest_tensors(bench: Path) -> None:
    report = preflight(bench / "mtcnn.tflite", NANO, "tflm")
    failed = report.first_failure
    assert not report.fits and failed is not None and failed.what == "flash"
    assert "bytes too many; the first that does not fit is operator" in failed.detail
    assert "327,680 B" in failed.hint
    assert report.line().startswith("does not fit: flash needs")


def test_flash_comes_before_ram_when_neither_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    report = check(graph_of("int8", "int8", columns=20_000), "tflm", monkeypatch)
    failed = report.first_failure
    assert failed is not None and failed.what == "flash" and "operator 0 FULLY_CONNECTED" in failed.detail


def test_an_arena_beyond_the_usable_memory_is_refused_with_the_largest_activations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = graph_of("int8", "int8")
    model = module.Model("dense", b"", graph.sha256, graph)
    monkeypatch.setattr(module, "_read", lambda _: model)
    monkeypatch.setattr(module, "_arena", lambda _: (240_000, "asked"))
    failed = preflight("dense.tflite", NANO, "tflm").first_failure
    assert failed is not None and failed.what == "RAM"
    assert "largest activations are those of operator 0 FULLY_CONNECTED" in failed.detail


@pytest.mark.parametrize(
    ("weights", "activations", "engine", "said"),
    [
        ("float16", "float32", "tflm", "float16"),
        ("int8", "float32", "tflm", "no hybrid kernels"),
        ("int8", "float32", "static", "dynamic range"),
    ],
)
def test_a_precision_that_the_engine_lacks_is_named_with_the_operator(
    monkeypatch: pytest.MonkeyPatch, weights: str, activations: str, engine: str, said: str
) -> None:
    report = check(graph_of(weights, activations), engine, monkeypatch)
    failed = report.first_failure
    assert failed is not None and failed.what in ("precision", "operators")
    assert said in failed.detail and "operator 0" in failed.detail and "quantize" in failed.hint
    assert report.need is None


def test_int16x8_and_float32_are_accepted_for_tflm(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(graph_of("int8", "int16"), "tflm", monkeypatch).fits
    report = check(graph_of("float32", "float32"), "tflm", monkeypatch)
    assert report.fits and "without CMSIS-NN" in report.findings[1].detail


def test_an_operator_that_tflm_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = graph_of("int8", "int8")
    graph = replace(graph, operators=(replace(graph.operators[0], kind="GELU"),))
    failed = check(graph, "tflm", monkeypatch).first_failure
    assert failed is not None and failed.what == "operators" and "GELU" in failed.detail


def test_the_command_ends_in_1_when_it_does_not_fit_and_prints_json(bench: Path) -> None:
    done = CliRunner().invoke(
        app,
        ["preflight", "--board", "nano33ble", "--json", "--model", str(bench / "mtcnn.tflite")],
        standalone_mode=False,
    )
    assert done.return_value == 1
    answer = json.loads(done.stdout)
    assert answer["fits"] is False and answer["need"]["flash"] > answer["flash_bytes"]


def test_a_linux_board_is_refused() -> None:
    with pytest.raises(UsageError, match="runs Linux"):
        preflight("beat-cnn", load_board("rpi4"))


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model file .*absent\.tflite"):
        preflight(tmp_path / "absent.tflite", NANO)
