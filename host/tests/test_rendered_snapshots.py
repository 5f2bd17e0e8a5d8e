"""Snapshots of rendered projects: a change of a template is seen, file by file, before anyone builds it.

Regenerate with ``ECGDEPLOY_UPDATE_GOLDEN=1 pytest host/tests/test_rendered_snapshots.py`` and read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from ecgdeploy.boards import load_board
from ecgdeploy.projects import mps2
from ecgdeploy.projects.types import Model, Request
from ecgdeploy.toolchains import tools

GOLDEN = Path(__file__).parent / "golden" / "cmake_mps2"
RENDERED = ("CMakeLists.txt", "toolchain.cmake", "README.md")


@pytest.mark.parametrize("board", ["nano33ble", "portenta_h7_m7", "pico"])
def test_the_rendered_cmake_project_is_the_golden_one(board, monkeypatch):
    fixed = {"firmware/app/ecgd_app.c": b"", "firmware/include/ecgd_engine.h": b"", "firmware/port/mps2/mps2.ld": b""}
    monkeypatch.setattr(
        mps2, "firmware_files", lambda _folders, kernels: fixed | {f"firmware/{name}": b"" for name in kernels}
    )
    monkeypatch.setattr(tools, "compiler_identity", lambda _program: "a compiler")
    engine = mps2.EnginePart(
        {"ecgd_model.c": b"", "ecgd_model.h": b""}, kernel_sources=("kernels/ecgd_conv.c",), ram_bytes=1
    )
    request = Request(Model("golden", b"", "0" * 64, SimpleNamespace(tensors=())), load_board(board), "static", True)
    project = mps2.render_with(request, engine)
    for name in RENDERED:
        path = GOLDEN / board / name
        if os.environ.get("ECGDEPLOY_UPDATE_GOLDEN"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(project.files[name])
        assert project.files[name].decode() == path.read_text()


def test_rendering_twice_gives_the_same_bytes(monkeypatch):
    monkeypatch.setattr(tools, "compiler_identity", lambda _program: "a compiler")
    request = Request(
        Model("golden", b"", "0" * 64, SimpleNamespace(tensors=())), load_board("nano33ble"), "static", True
    )
    one, two = (mps2.render_with(request, mps2.EnginePart({"ecgd_model.c": b""})) for _ in range(2))
    assert one == two
