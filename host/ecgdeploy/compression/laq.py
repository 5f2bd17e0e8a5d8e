"""Layer-wise adaptive quantization (Gaurhar et al. 2025): each layer gets the fewest bits that accuracy allows.

Importance of layer l: ``I_l = alpha * rho_l + beta * delta_l``, with rho its share of the parameters and delta the
logarithm of its weights' variance, both as parts of the largest. Equation 3 of the paper: the smallest b whose accuracy
is at least ``A0 - gamma * I_l``, layer after layer, each on top of what was chosen before. The paper does not say in
which order, nor what A0 is measured on: here the least important layer comes first, and A0 is the accuracy of the int8
file on *held-out patients*; bits chosen on training patients keep their accuracy there and lose it on others.
More than one figure can be held: where one class is nine in ten, a network that knows no other keeps its accuracy at
one bit, and only macro F1 shows what was lost.

`within` is another way to the same end where accuracy is dear to measure: bits that add the least error to the layers'
outputs within a number of bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ecgdeploy.compression.bits import Rounded, WeightLayer
from ecgdeploy.errors import UsageError

ALPHA = BETA = 0.5
GAMMA = 1e-4
"""The paper's margin of 0.01 %."""
WIDTHS = tuple(range(1, 9))

Figures = tuple[float, ...]
Rounder = Callable[[WeightLayer, int], Rounded]


@dataclass(frozen=True)
class Choice:
    """Bits of one layer and how they were found.

    Attributes
    ----------
    operator : int
    importance : float
    bits : int
    tried : tuple of (bits, figures)
        In the order of the search.
    """

    operator: int
    importance: float
    bits: int
    tried: tuple[tuple[int, Figures], ...]


def importance(layers: Sequence[WeightLayer], alpha: float = ALPHA, beta: float = BETA) -> np.ndarray:
    """I_l of each layer, float64 [layers]: share of the parameters and log-scaled variance, each at most 1."""
    counts = np.array([layer.count for layer in layers], float)
    spread = np.log1p([float(np.var(layer.weights)) for layer in layers])
    rho = counts / counts.sum()
    return alpha * rho + beta * spread / max(spread.max(), 1e-30)


def search(
    layers: Sequence[WeightLayer],
    round_layer: Rounder,
    figures: Callable[[Mapping[int, Rounded]], Figures],
    *,
    gamma: float = GAMMA,
    alpha: float = ALPHA,
    beta: float = BETA,
    widths: Sequence[int] = WIDTHS,
    report: Callable[[str], None] = lambda _: None,
) -> tuple[Figures, dict[int, Rounded], tuple[Choice, ...]]:
    """Greedy search of the smallest bits.

    Parameters
    ----------
    round_layer : weights of a layer at so many bits
    figures : what must not fall (accuracy first) of the file with these layers rounded, the others at 8 bits; on
        held-out patients
    widths : tried, ascending; where none is good enough, a layer keeps 8

    Returns
    -------
    (A0, rounded layers by operator, choices in the order of the search)
    """
    weight = importance(layers, alpha, beta)
    chosen: dict[int, Rounded] = {}
    baseline = figures(chosen)
    choices = []
    for place in np.argsort(weight, kind="stable"):
        layer, allowed = layers[place], gamma * float(weight[place])
        tried: list[tuple[int, Figures]] = []
        best: Rounded | None = None
        for bits in (b for b in widths if b < 8):
            candidate = round_layer(layer, bits)
            tried.append((bits, figures({**chosen, layer.operator: candidate})))
            if all(now >= then - allowed for now, then in zip(tried[-1][1], baseline, strict=True)):
                best = candidate
                break
        if best is not None:
            chosen[layer.operator] = best
        bits = best.bits if best else 8
        choices.append(Choice(layer.operator, float(weight[place]), bits, tuple(tried)))
        last = " ".join(f"{value:.4f}" for value in tried[-1][1]) if tried else "none"
        report(f"{layer.name}: {bits} bits (importance {weight[place]:.3f}, figures {last})")
    return baseline, chosen, tuple(choices)


def within(layers: Sequence[WeightLayer], errors: Mapping[int, Mapping[int, float]], budget: int) -> dict[int, int]:
    """Bits of each operator whose weights take at most `budget` bytes, with little error in all.

    Greedy: of all layers, the one that loses the least per byte saved goes down a bit, until the bytes suffice.

    Parameters
    ----------
    errors : operator -> bits -> energy of the output's error over that of the output

    Raises
    ------
    UsageError
        Even the fewest bits take more.
    """
    bits = {layer.operator: 8 for layer in layers}
    count = {layer.operator: layer.count for layer in layers}

    def size() -> float:
        return sum(count[o] * b for o, b in bits.items()) / 8

    while size() > budget:
        lower = {o: max((w for w in errors[o] if w < b), default=0) for o, b in bits.items()}
        steps = [
            ((errors[o][lower[o]] - errors[o][b]) / (count[o] * (b - lower[o])), o) for o, b in bits.items() if lower[o]
        ]
        if not steps:
            raise UsageError(
                f"weights take {size():,.0f} bytes at the fewest bits, the budget is {budget:,}",
                "allow more flash, or take a smaller network",
            )
        next_down = min(steps)[1]
        bits[next_down] = lower[next_down]
    return bits
