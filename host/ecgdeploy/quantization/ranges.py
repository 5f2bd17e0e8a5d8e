"""Ranges of int8 activations: narrower than the extremes where clipping a few spikes costs less than coarse steps."""

from __future__ import annotations

from typing import Any

import numpy as np

#: shares of the extreme range that are tried for each tensor
SHARES = (0.7, 0.5, 0.35, 0.25, 0.18, 0.12)
BATCH = 64


def narrowed(
    model: Any, limits: dict[str, tuple[float, float]], windows: Any, shares: tuple[float, ...] = SHARES
) -> tuple[dict[str, tuple[float, float]], dict[str, float]]:
    """Narrow one tensor's range after the other while the rounded model's logits come nearer to the float model's.

    An electrode's spike of 30 standard deviations makes an input step of 0.2, where nearly all of an ECG is within 3.
    The extremes are never wrong by clipping, but by such steps; this weighs the two by what the outputs say.

    Parameters
    ----------
    limits : dict
        True extremes, from `qat.observe`.
    windows : float32 [n, samples, leads], or a tuple of them and of a second input's values
        Of training records: nothing that later chooses or scores.

    Returns
    -------
    limits, shares
        The ranges, and each tensor's share of its extremes where that is not 1.
    """
    from ecgdeploy.quantization.fold import FIXED, folded, function_of
    from ecgdeploy.quantization.qat import batches, fake_quantized
    from ecgdeploy.training.logits import logits_of
    from ecgdeploy.training.loop import joined

    twin = fake_quantized(model, limits)
    ours, theirs = logits_of(twin), logits_of(model) or logits_of(folded(model))
    rounded, exact = (twin, model) if ours is None or theirs is None else (ours, theirs)

    def answers(network: Any) -> np.ndarray:
        # run layer by layer: some fifty trials, each traced anew, would take longer to compile than to run
        return np.concatenate([np.asarray(joined(network(x, training=False))) for x in batches(windows, BATCH)])

    wanted = answers(exact)

    def cost(trial: dict[str, tuple[float, float]]) -> float:
        for layer in twin.layers:
            if getattr(layer, "limits", None):
                layer.limits = trial[layer.grid]
        # not squared: the one window with the spike must not outvote all the others
        return float(np.abs(answers(rounded) - wanted).mean())

    best, least, kept = dict(limits), cost(limits), {}
    fixed = {layer.grid for layer in twin.layers if hasattr(layer, "grid") and function_of(layer) in FIXED}
    for name in sorted(limits, key=list(("", *limits)).index):
        for share in shares if name not in fixed else ():
            low, high = limits[name]
            trial = best | {name: (low * share, high * share)}
            found = cost(trial)
            if found < least:  # every share is tried: the cost has several minima, errors of tensors cancel each other
                best, least, kept[name] = trial, found, share
    return best, kept
