"""The house keeps its floors: a package imports only from those below it; heavy packages stay where they may be.

The order is that of docs/decisions/0060-floors.md. Imports inside functions count too: laziness is no way upstairs.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ecgdeploy

ROOT = Path(ecgdeploy.__file__).parent

# lowest first; packages on one floor do not import each other
FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "provenance", "resources"}),
    frozenset({"ecg"}),
    frozenset({"graph", "scoring"}),
    frozenset({"reference", "zoo"}),
    frozenset({"models", "codegen"}),
    frozenset({"training"}),
    frozenset({"quantization"}),
    frozenset({"compression"}),
    frozenset({"boards", "toolchains"}),
    frozenset({"projects"}),
    frozenset({"preflight"}),
    frozenset({"link"}),
    frozenset({"devices"}),
    frozenset({"flash"}),
    frozenset({"measure"}),
    frozenset({"studies", "workspace"}),
    frozenset({"reports"}),
    frozenset({"cli"}),
)
FLOOR_OF = {name: number for number, names in enumerate(FLOORS) for name in names}
ENTRY = {"__init__", "__main__", "pytest_plugin"}  # entry points belong to no floor

# heavy package -> where it may be imported at all
TRAINING_FLOORS = {"models", "training", "compression", "quantization"}
ONLY_IN = {"tensorflow": TRAINING_FLOORS, "keras": TRAINING_FLOORS}


def imports(path):
    """(line, imported module) of every import statement, except those for type checkers only."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == "ecgdeploy":
                for alias in node.names:
                    yield node.lineno, f"ecgdeploy.{alias.name}"
            else:
                yield node.lineno, node.module


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        inside = path.relative_to(ROOT)
        if inside.parts[0] != "_assets":
            yield inside.parts[0].removesuffix(".py"), path


def test_every_package_has_a_floor():
    assert {name for name, _ in modules()} - ENTRY <= FLOOR_OF.keys()


@pytest.mark.parametrize("floor", range(1, len(FLOORS)))
def test_a_floor_imports_only_from_the_floors_below(floor):
    faults = []
    for package, path in modules():
        if package not in FLOORS[floor]:
            continue
        for line, module in imports(path):
            parts = module.split(".")
            other = parts[1] if parts[0] == "ecgdeploy" and len(parts) > 1 else package
            if other != package and FLOOR_OF.get(other, -1) >= floor:
                faults.append(f"{path.relative_to(ROOT)}:{line} imports {module}")
    assert faults == []


@pytest.mark.parametrize("heavy", sorted(ONLY_IN))
def test_training_frameworks_stay_on_the_training_floor(heavy):
    faults = [
        f"{path.relative_to(ROOT)}:{line}"
        for package, path in modules()
        if package not in ONLY_IN[heavy]
        for line, module in imports(path)
        if module.split(".")[0] == heavy
    ]
    assert faults == []


def test_the_library_never_prints():
    """Only the command line and a module's own ``__main__`` part print."""
    faults = []
    for package, path in modules():
        if package in {"cli"} | ENTRY:
            continue
        tree = ast.parse(path.read_text())
        main = {
            id(inner)
            for node in tree.body
            if (isinstance(node, ast.FunctionDef) and node.name in {"main", "_main"})
            or (isinstance(node, ast.If) and "__main__" in ast.unparse(node.test))
            for inner in ast.walk(node)
        }
        faults += [
            f"{path.relative_to(ROOT)}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "print"
            and id(node) not in main
        ]
    assert faults == []
