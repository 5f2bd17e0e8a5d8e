"""Layer-wise adaptive pruning (Gaurhar et al. 2025): small weights of unimportant layers become zero.

Equation 4: a weight stays where its magnitude is above theta_l, the p_l-th percentile of its layer's. Important layers
are pruned conservatively: p_l is the largest of the tried parts whose accuracy is at least ``A0 - gamma * I_l``, layer
after layer as in `ecgdeploy.compression.laq`. Zeros take a byte each like any weight: what the ratio is worth on a
device is what `ecgdeploy.compression.storage` says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ecgdeploy.compression.bits import Rounded, WeightLayer
from ecgdeploy.compression.laq import ALPHA, BETA, GAMMA, Figures, importance
from ecgdeploy.errors import UsageError

PARTS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""The paper's fixed pruning factors, which the adaptive ones are taken from too."""


def pruned(layer: WeightLayer, part: float) -> Rounded:
    """The layer at 8 bits with its smallest weights zero.

    Raises
    ------
    UsageError
        A part that is not within 0..1, or that leaves nothing of the layer.
    """
    if not 0 <= part < 1:
        raise UsageError(f"pruning {part:g} of the weights of {layer.name}", "a part between 0 and 1")
    magnitude = np.abs(layer.weights)
    threshold = np.quantile(magnitude, part, method="lower") if part else -1.0
    kept = np.where(magnitude > threshold, layer.weights, 0)
    if not kept.any():
        raise UsageError(f"pruning {part:g} of the weights of {layer.name} leaves none", "prune it less")
    steps = layer.scales.reshape(-1, 1)
    values = np.clip(np.round(kept / steps), -127, 127).astype(np.int8)
    wrong = layer.weights - values * steps
    error = float(np.sum(wrong**2) / max(np.sum(layer.weights**2), 1e-30))
    return Rounded(8, values, layer.scales, layer.bias_values, error)


def sparsity(layers: Sequence[WeightLayer], rounded: Mapping[int, Rounded]) -> float:
    """Part of all weights that are zero."""
    zeros = sum(int((rounded[la.operator].values == 0).sum()) for la in layers if la.operator in rounded)
    return zeros / sum(layer.count for layer in layers)


def search(
    layers: Sequence[WeightLayer],
    figures: Callable[[Mapping[int, Rounded]], Figures],
    *,
    gamma: float = GAMMA,
    alpha: float = ALPHA,
    beta: float = BETA,
    parts: Sequence[float] = PARTS,
    report: Callable[[str], None] = lambda _: None,
) -> tuple[Figures, dict[int, Rounded], dict[int, float]]:
    """Greedy search of the largest part of each layer that can go.

    Parameters
    ----------
    figures : what must not fall of the file with these layers pruned; on held-out patients

    Returns
    -------
    (A0, pruned layers by operator, part of each operator)
    """
    weight = importance(layers, alpha, beta)
    chosen: dict[int, Rounded] = {}
    taken: dict[int, float] = {}
    baseline = figures(chosen)
    for place in np.argsort(weight, kind="stable"):
        layer, allowed = layers[place], gamma * float(weight[place])
        taken[layer.operator] = 0.0
        for part in sorted(parts):
            candidate = pruned(layer, part)
            now = figures({**chosen, layer.operator: candidate})
            if any(value < before - allowed for value, before in zip(now, baseline, strict=True)):
                break
            chosen[layer.operator], taken[layer.operator] = candidate, part
        report(f"{layer.name}: {taken[layer.operator]:.0%} pruned (importance {weight[place]:.3f})")
    return baseline, chosen, taken
