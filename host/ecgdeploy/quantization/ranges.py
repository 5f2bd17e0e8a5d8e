"""Ranges of int8 activations: narrower than the extremes where clipping a few spikes costs less than coarse steps."""

from __future__ import annotations

from typing import Any

import numpy as np

#: shares of the extreme range that are tried for each tensor
SHARES = (0.7, 0.5, 0.35, 0.25, 0.18, 0.12)
BATCH = 64


def narrowed(
    model: Any, limits: dict[str, tuple[float, float]], windows: np.ndarray, shares: tuple[float, ...] = SHARES
) -> tuple[dict[str, tuple[float, float]], dict[str, float]]:
    """Narrow one tensor's range after the other while the rounded model's logits come nearer to the float model's.

    An electrode's spike of 30 standard deviations makes an input step of 0.2, where nearly all of an ECG is within 3.
    The extremes are never wrong by clipping, but by such steps; this weighs the two by what the outputs say.

    Parameters
    ----------
    limits : dict
        True extremes, from `qat.observe`.
    windows : float32 [n, samples, leads]
        Of training records: nothing that later chooses or scores.

    Returns
    -------
    limits, shares
        The ranges, and each tensor's share of its extremes where that is not 1.
    """
    from ecgdeploy.quantization.qat import fake_quantized
    from ecgdeploy.training.logits import logits_of
    from ecgdeploy.training.loop import joined

    twin = fake_quantized(model, limits)
    rounded, exact = logits_of(twin), logits_of(model)
    if rounded is None or exact is None:
        rounded, exact = twin, model

    def answers(network: Any) -> np.ndarray:
        # run layer by layer: some fifty trials, each traced anew, would take longer to compile than to run
        parts = [joined(network(windows[i : i + BATCH, None], training=False)) for i in range(0, len(windows), BATCH)]
        return np.concatenate([np.asarray(part) for part in parts])

    wanted = answers(exact)

    def cost(trial: dict[str, tuple[float, float]]) -> float:
        for layer in twin.layers:
            if getattr(layer, "limits", None):
                layer.limits = trial[layer.name]
            if getattr(layer, "input_limits", None):
                layer.input_limits = trial[""]
        # not squared: the one window with the spike must not outvote all the others
        return float(np.abs(answers(rounded) - wanted).mean())

    best, least, kept = dict(limits), cost(limits), {}
    for name in sorted(limits, key=list(("", *limits)).index):
        for share in shares:
            low, high = limits[name]
            trial = best | {name: (low * share, high * share)}
            found = cost(trial)
            if found < least:  # every share is tried: the cost has several minima, errors of tensors cancel each other
                best, least, kept[name] = trial, found, share
    return best, kept
