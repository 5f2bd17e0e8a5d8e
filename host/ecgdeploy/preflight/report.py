"""The preflight itself: operators, precision, flash, RAM, in that order; the first that fails is named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ecgdeploy.boards import Board
from ecgdeploy.errors import ModelError, UsageError
from ecgdeploy.graph import Graph, Operator, read_tflite
from ecgdeploy.graph.checks import check_supported
from ecgdeploy.preflight.memory import Need, estimate_need
from ecgdeploy.projects.fit import heaviest
from ecgdeploy.projects.tflm import choose_arena, settled, without_ballast
from ecgdeploy.projects.tflm_library import find_library, packaged_library, tflm_folder
from ecgdeploy.projects.tflm_operators import used_operators
from ecgdeploy.projects.types import Model, Request
from ecgdeploy.provenance import sha256_bytes

WEIGHTED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL"})
QUANTIZE = "quantize in full with a calibration set: ecgdeploy quantize"


@dataclass(frozen=True)
class Finding:
    """One check.

    Attributes
    ----------
    what : str
        ``operators``, ``precision``, ``folding`` (engine tflm, where something is saved), ``flash``, ``RAM``.
    ok : bool
    detail : str
        What was found, one line.
    hint : str
        What to do when not ok.
    """

    what: str
    ok: bool
    detail: str
    hint: str = ""


@dataclass(frozen=True)
class Report:
    """The answer.

    Attributes
    ----------
    model, board, engine : str
    emulate : bool
        For the board's twin.
    findings : tuple of Finding
        In order; nothing after the first that fails on operators or precision.
    need : Need or None
        None where the engine cannot run the model at all.
    flash_bytes, ram_bytes : int
        What the board has: usable, after its reservations.
    """

    model: str
    board: str
    engine: str
    emulate: bool
    findings: tuple[Finding, ...]
    need: Need | None
    flash_bytes: int
    ram_bytes: int

    @property
    def fits(self) -> bool:
        """Everything holds."""
        return all(finding.ok for finding in self.findings)

    @property
    def first_failure(self) -> Finding | None:
        """The first thing that does not hold."""
        return next((finding for finding in self.findings if not finding.ok), None)

    def line(self) -> str:
        """The answer as one line."""
        failed = self.first_failure
        if failed is not None:
            return f"does not fit: {failed.detail}"
        need = self.need
        assert need is not None
        flash = f"flash {_kb(need.flash)} of {_kb(self.flash_bytes)} kB"
        ram = f"RAM {_kb(need.ram)} of {_kb(self.ram_bytes)} kB usable"
        memory = "arena" if self.engine == "tflm" else "engine"
        return f"fits: {flash}, {ram}; {memory} {need.engine_ram:,} B, {need.arena_note}"


def preflight(
    model: Path | str, board: Board, engine: str | None = None, *, emulate: bool = False, tflm_dir: Path | None = None
) -> Report:
    """Check `model` against `engine` and `board`, without compiling a firmware.

    Parameters
    ----------
    model : path of a ``.tflite`` file, or the name of a preset
    board : Board
    engine : str, optional
        ``tflm`` or ``static``; the board's default otherwise.
    emulate : bool
        For the board's emulated twin.
    tflm_dir : Path, optional
        TFLM tree: the arena is then measured on the emulated board with its own kernels.

    Raises
    ------
    ModelError
        The file is missing or damaged.
    UsageError
        The board has no fixed memory, or not this engine.
    """
    if board.memory is None:
        hint = "use: ecgdeploy flash --host user@board"
        raise UsageError(f"{board.name} runs Linux: preflight is about microcontrollers", hint)
    engine = engine or board.default_engine(emulate)
    able = board.engines.emulated if emulate else board.engines.hardware
    if engine not in able:
        raise UsageError(f"{board.name} has no engine '{engine}'", f"engines of this board: {', '.join(able)}")
    read = _read(model)
    if engine == "tflm":
        read = settled(read)
    flash, ram = board.memory.flash.usable, board.memory.ram.usable
    findings = [_operators(read.graph, engine)]
    need = None
    if findings[-1].ok:
        findings.append(_precision(read.graph, engine))
    if all(finding.ok for finding in findings):
        request = Request(read, board, engine, emulate, {"tflm_dir": tflm_dir})
        try:
            need = estimate_need(read, board, engine, emulate, lambda: _arena(request))
        except ModelError as error:  # a limit of the engine that only its own code knows
            findings.append(Finding("operators", False, error.message, error.hint))
        else:
            memory = _memory(read.graph, board, need, flash, ram)
            folded, saved = without_ballast(request) if engine == "tflm" else (request, {})
            if saved:
                small = estimate_need(folded.model, board, engine, emulate, lambda: _arena(folded))
                findings.append(_folding(saved["folded"], need, small))
                after = _memory(folded.model.graph, board, small, flash, ram)
                # the figures are the file's own; but what is built is the folded one, so it decides
                if all(finding.ok for finding in after) and not all(finding.ok for finding in memory):
                    need, memory = small, after
            findings += memory
    return Report(read.name, board.name, engine, emulate, tuple(findings), need, flash, ram)


def _read(model: Path | str) -> Model:
    path = Path(model)
    name = path.stem
    if path.suffix != ".tflite" and not path.exists():
        from ecgdeploy.zoo import preset

        name, path = str(model), preset(str(model)).int8
    if not path.is_file():
        raise ModelError(f"no model file {path}", "give a .tflite file or a preset's name")
    graph = read_tflite(path, supported=False)
    data = path.read_bytes()
    return Model(name, data, sha256_bytes(data), graph)


def _operators(graph: Graph, engine: str) -> Finding:
    try:
        if engine == "tflm":
            kinds = used_operators(graph)
        else:
            check_supported(graph)
            kinds = sorted({operator.kind for operator in graph.operators})
    except ModelError as error:
        return Finding("operators", False, error.message, error.hint)
    return Finding("operators", True, f"{len(graph.operators)} operators of {len(kinds)} kinds: {', '.join(kinds)}")


def _precision(graph: Graph, engine: str) -> Finding:
    """The deployability matrix (`ecgdeploy.quantization.deployability`) at the first operator that matters.

    What the static engine computes in is in its own operator table, which was asked before.
    """
    from ecgdeploy.quantization.deployability import matrix

    places: dict[str, str] = {}
    for operator in graph.operators:
        found = _precision_of(graph, operator)
        if found:
            places.setdefault(found, f"{graph.name}: {operator}")
    for name, place in places.items():
        if engine == "static" and name not in ("float16", "dynamic"):
            continue
        why = matrix().reason(name, engine)
        if why:
            return Finding(
                "precision", False, f"{place} is {name}: {why}", f"{QUANTIZE}; {matrix().instead(name, engine)} runs"
            )
    slow = "; float32 runs without CMSIS-NN" if "float32" in places and engine == "tflm" else ""
    return Finding("precision", True, (" and ".join(sorted(places)) or "no weights") + slow)


def _precision_of(graph: Graph, operator: Operator) -> str | None:
    """The precision an operator with weights computes in, by the matrix's name; None for any other operator."""
    inputs = graph.operator_inputs(operator)
    if any(tensor is not None and tensor.dtype == "float16" for tensor in inputs):
        return "float16"
    if operator.kind not in WEIGHTED or len(inputs) < 2 or inputs[0] is None or inputs[1] is None:
        return None
    activation, weights = inputs[0].dtype, inputs[1].dtype
    if activation == "float32" and weights == "int8":
        return "dynamic"
    return {"int16": "int16x8"}.get(activation, activation)


def _arena(request: Request) -> tuple[int, str]:
    folder = tflm_folder(request.options.get("tflm_dir"))
    # a library that PlatformIO builds has no kernels to measure with yet
    library = find_library(folder, request.board.core) if folder and packaged_library(folder) is None else None
    chosen = choose_arena(request, library)
    if chosen.how == "measured":
        return chosen.bytes, "measured with the target's own kernels"
    from ecgdeploy.projects.tflm_estimate import estimate

    arena = estimate(request.model.data, request.model.graph)
    percent = round(100 * (arena.with_margin - arena.bytes) / arena.bytes)
    kind = "reference kernels need" if arena.exact else "an upper bound of what reference kernels need is"
    return arena.with_margin, f"{percent} % margin for CMSIS-NN ({kind} {arena.bytes:,} B)"


def _folding(saved: str, need: Need, small: Need) -> Finding:
    """What `ecgdeploy build` leaves out of this file by itself."""
    return Finding(
        "folding",
        True,
        f"build leaves out Conv1D's ballast: {saved}; {need.flash - small.flash:,} bytes of flash and "
        f"{need.ram - small.ram:,} of RAM less; arena {small.engine_ram:,} B, {small.arena_note}",
    )


def _memory(graph: Graph, board: Board, need: Need, flash: int, ram: int) -> list[Finding]:
    found = []
    for what, size, usable, part, of, constant in (
        ("flash", need.flash, flash, need.model_flash, "the model's constants", True),
        ("RAM", need.ram, ram, need.engine_ram, "the engine's memory", False),
    ):
        detail = f"{what} needs {size:,} of {usable:,} bytes usable on {board.name}, {part:,} of them {of}"
        if size <= usable:
            found.append(Finding(what, True, detail))
            continue
        first = _first_over(graph, size, usable, constant)
        found.append(
            Finding(
                what,
                False,
                f"{detail}: {size - usable:,} bytes too many; {first}",
                f"heaviest tensors: {heaviest(graph, constant)}; prune or choose a smaller network, or a larger board",
            )
        )
    return found


def _first_over(graph: Graph, size: int, usable: int, constant: bool) -> str:
    """The first operator, in order of execution, at which the memory is full."""
    if not constant:
        largest = max(
            graph.operators,
            key=lambda operator: sum(graph.tensors[index].bytes for index in (*operator.inputs[:1], *operator.outputs)),
        )
        return f"the largest activations are those of {largest}"
    weights = {tensor.index: tensor.bytes for tensor in graph.tensors if tensor.data is not None}
    taken = size - sum(weights.values())  # the program and the file's structure come first
    if taken > usable:
        return "the program alone does not fit"
    for operator in graph.operators:
        taken += sum(weights.pop(index, 0) for index in operator.inputs)
        if taken > usable:
            break
    return f"the first that does not fit is {operator}"


def _kb(size: int) -> str:
    return f"{size / 1000:.0f}"
