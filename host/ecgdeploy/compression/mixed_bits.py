"""From an int8 file to one with weights of few bits: fixed bits, LAQ, or the best within a number of bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ecgdeploy.compression import laq
from ecgdeploy.compression.bits import Rounded, WeightLayer, half_range, round_layer, weight_layers, with_weights
from ecgdeploy.compression.rounding import Inputs, observe
from ecgdeploy.compression.storage import packed_bytes, storage
from ecgdeploy.errors import UsageError

AUTO = "auto"
BUDGET_WIDTHS = (6, 5, 4, 3, 2)
STEP = 0.97
"""By how much the budget of bits is lowered where filling and tables take the rest."""


@dataclass(frozen=True, eq=False)
class MixedBits:
    """A file with weights of few bits.

    Attributes
    ----------
    content : bytes
        Full-integer ``.tflite``.
    notes : dict
        For the manifest: per layer bits, weights and error; bytes by engine; how the bits were chosen.
    """

    content: bytes
    notes: dict[str, Any]


def figures_of(view: Any) -> tuple[tuple[str, ...], Callable[[bytes], laq.Figures]]:
    """What is held while bits go: accuracy and macro F1, or macro AUC where a window may have many labels.

    Parameters
    ----------
    view : ValidationView

    Raises
    ------
    DataError
        Another view.
    """
    from ecgdeploy.ecg.views import for_choosing
    from ecgdeploy.quantization.runner import TfliteRunner
    from ecgdeploy.training import figures

    view = for_choosing(view)
    names = ("accuracy", "macro_f1") if view.targets.ndim == 1 else ("macro_auc",)

    def measured(content: bytes) -> laq.Figures:
        runner = TfliteRunner(content)
        found = figures.figures(view.targets, runner.run(view.arrays(len(runner.inputs))))
        return tuple(found[name] for name in names)

    return names, measured


def mixed_bits(
    int8: bytes,
    calibration: Any,
    bits: str | int = 4,
    *,
    float32: bytes | None = None,
    choosing: Any = None,
    max_bytes: int | None = None,
    gamma: float = laq.GAMMA,
    windows: int = 64,
    report: Callable[[str], None] = lambda _: None,
) -> MixedBits:
    """Round the weights of an int8 file to fewer bits.

    Parameters
    ----------
    calibration : CalibrationView
        Training windows that say which errors matter (`ecgdeploy.compression.rounding`).
    bits : 1 to 8 for every layer, or "auto"
    float32 : the float file of the same model, whose weights are the better start
    choosing : ValidationView
        For "auto" without `max_bytes`: held-out patients on which LAQ measures accuracy.
    max_bytes : for "auto": the weights may take so many bytes in the static engine's image; the bits are then those
        that change the layers' outputs least
    gamma : LAQ's tolerance

    Raises
    ------
    UsageError
        Bits that the engine lacks, "auto" without anything to choose by, a budget that no bits meet.
    ModelError, DataError
    """
    fixed = asked(bits, max_bytes)
    layers = weight_layers(int8, float32)
    report(f"observing the inputs of {len(layers)} layers on {min(windows, len(calibration))} training windows")
    inputs = observe(int8, layers, calibration, windows=windows)
    rounder = _Rounder(inputs)
    chosen: dict[int, Rounded]
    if fixed is not None:
        chosen = {la.operator: rounder(la, fixed) for la in layers}
        notes: dict[str, Any] = {"method": "fixed"}
    elif max_bytes is not None:
        chosen = _within(int8, layers, rounder, max_bytes, report)
        notes = {"method": "budget", "max_bytes": max_bytes}
    elif choosing is not None:
        chosen, notes = _by_accuracy(int8, layers, rounder, choosing, gamma, report)
    else:
        raise UsageError(
            "bits auto needs something to choose by", "give --max-flash, or a task with validation records"
        )
    content = with_weights(int8, layers, chosen)
    kept = {la.operator: chosen[la.operator].bits if la.operator in chosen else 8 for la in layers}
    notes["layers"] = [
        {
            "operator": la.operator,
            "kind": la.kind,
            "name": la.name,
            "weights": la.count,
            "bits": kept[la.operator],
            "error": chosen[la.operator].error if la.operator in chosen else 0.0,
        }
        for la in layers
    ]
    notes["bits_per_weight"] = sum(la.count * kept[la.operator] for la in layers) / sum(la.count for la in layers)
    notes["storage"] = storage(content, layers, kept)
    return MixedBits(content, notes)


def asked(bits: str | int, max_bytes: int | None = None) -> int | None:
    """The fixed number of bits, None for "auto".

    Raises
    ------
    UsageError
        Neither; bits that the engine lacks; fixed bits within a budget.
    """
    if bits == AUTO:
        return None
    try:
        fixed = int(bits)
    except ValueError:
        raise UsageError(f"--bits {bits}: neither a number nor auto", "1 to 8, or auto") from None
    half_range(fixed)
    if max_bytes is not None:
        raise UsageError(f"--bits {bits} leaves nothing to choose within {max_bytes:,} bytes", "choose --bits auto")
    return fixed


class _Rounder:
    """`round_layer` with the layers' inputs; remembers what it has done."""

    def __init__(self, inputs: Mapping[int, Inputs]) -> None:
        self.inputs = inputs
        self.done: dict[tuple[int, int], Rounded] = {}

    def __call__(self, layer: WeightLayer, bits: int) -> Rounded:
        key = (layer.operator, bits)
        if key not in self.done:
            self.done[key] = round_layer(layer, bits, self.inputs.get(layer.operator))
        return self.done[key]


def _by_accuracy(
    int8: bytes,
    layers: tuple[WeightLayer, ...],
    rounder: _Rounder,
    choosing: Any,
    gamma: float,
    report: Callable[[str], None],
) -> tuple[dict[int, Rounded], dict[str, Any]]:
    names, measured = figures_of(choosing)
    baseline, chosen, choices = laq.search(
        layers, rounder, lambda rounded: measured(with_weights(int8, layers, rounded)), gamma=gamma, report=report
    )
    notes = {
        "method": "LAQ",
        "figures": names,
        "gamma": gamma,
        "baseline": baseline,
        "chosen_on": len(choosing),
        "choices": [asdict(choice) for choice in choices],
    }
    return chosen, notes


def _within(
    int8: bytes, layers: tuple[WeightLayer, ...], rounder: _Rounder, budget: int, report: Callable[[str], None]
) -> dict[int, Rounded]:
    report("measuring what each layer loses at fewer bits")
    errors = {la.operator: {8: 0.0} | {b: rounder(la, b).error for b in BUDGET_WIDTHS} for la in layers}
    aim = float(budget)
    while True:  # bits alone are not all: windows are filled to fours, groups to blocks
        bits = laq.within(layers, errors, int(aim))
        chosen = {la.operator: rounder(la, bits[la.operator]) for la in layers if bits[la.operator] < 8}
        size = packed_bytes(with_weights(int8, layers, chosen))
        if size is None or size <= budget:
            return chosen
        aim *= STEP
