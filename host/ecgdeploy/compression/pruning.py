"""Unstructured pruning: which weights become zero, and masks that keep them so while training goes on.

Zeros in a dense file save neither flash nor time on the engines here: `structured` removes whole channels instead.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgdeploy.compression.layers import Weights, matrices
from ecgdeploy.errors import DataError, ModelError, UsageError, unknown
from ecgdeploy.provenance import write_atomic

#: importance -> what it is
IMPORTANCE: dict[str, str] = {
    "l1": "|w|, one threshold for the whole network",
    "energy": "alpha |w| / rms(w of its layer) - (1 - alpha) E / max(E): expensive layers lose more, as the text says",
    "energy-printed": "alpha |w| + (1 - alpha) E / max(E), as printed: it prunes the cheapest layers to nothing",
}

KINDS = ("conv", "dense", "lstm")


@dataclass(frozen=True)
class Masks:
    """Which weights stay: path of the variable -> bool array of its shape."""

    kept: Mapping[str, np.ndarray]

    @property
    def sparsity(self) -> float:
        """Share of the masked weights that are zero."""
        sizes = sum(mask.size for mask in self.kept.values())
        return 1.0 - sum(int(mask.sum()) for mask in self.kept.values()) / sizes

    def by_layer(self) -> dict[str, float]:
        """Sparsity of each matrix."""
        return {path: 1.0 - float(mask.mean()) for path, mask in self.kept.items()}

    def check(self, model: Any) -> list[tuple[Weights, np.ndarray]]:
        """Each matrix of `model` with its mask.

        Raises
        ------
        ModelError
            A mask without its matrix, a matrix without a mask, or another shape: the network changed since.
        """
        found = {weights.path: weights for weights in matrices(model)}
        hint = "make the masks anew from this network"
        for path, mask in self.kept.items():
            if path not in found:
                raise ModelError(f"{model.name}: the mask of {path} finds no such weights", hint)
            shape = tuple(found[path].variable.shape)
            if shape != mask.shape:
                raise ModelError(
                    f"{model.name}: the mask of {path} is {list(mask.shape)}, the weights are {list(shape)}", hint
                )
        for path in found:
            if path not in self.kept:
                raise ModelError(f"{model.name}: {path} has no mask", hint)
        return [(found[path], mask) for path, mask in self.kept.items()]

    def apply(self, model: Any) -> None:
        """Zero the pruned weights, and keep them zero in every further optimizer step.

        Raises
        ------
        ModelError
            See `check`.
        """
        import tensorflow as tf

        def keep(mask: np.ndarray) -> Any:
            factor = tf.constant(mask, tf.float32)
            return lambda value: value * tf.cast(factor, value.dtype)

        for weights, mask in self.check(model):
            weights.variable.assign(weights.values * mask)
            weights.variable.constraint = keep(mask)

    def write(self, path: Path) -> None:
        """Write as ``.npz``, one bit a weight."""
        import io

        buffer = io.BytesIO()
        shapes = {name: list(mask.shape) for name, mask in self.kept.items()}
        packed = {f"m{i:04d}": np.packbits(mask.ravel()) for i, mask in enumerate(self.kept.values())}
        np.savez(buffer, shapes=np.frombuffer(json.dumps(shapes).encode(), np.uint8), **packed)  # type: ignore[arg-type]
        write_atomic(path, buffer.getvalue())


def read_masks(path: Path) -> Masks:
    """Read what `Masks.write` wrote.

    Raises
    ------
    DataError
        Not such a file.
    """
    try:
        with np.load(path) as content:
            shapes = json.loads(bytes(content["shapes"]))
            kept = {
                name: np.unpackbits(content[f"m{i:04d}"], count=int(np.prod(shape))).astype(bool).reshape(shape)
                for i, (name, shape) in enumerate(shapes.items())
            }
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} holds no pruning masks", "ecgdeploy prune writes them") from error
    return Masks(kept)


def scores(found: list[Weights], importance: str, alpha: float = 0.5) -> list[np.ndarray]:
    """Importance of every weight of every matrix; E of a matrix is its multiply-accumulates (Kota, "energy-aware").

    Raises
    ------
    UsageError
        Unknown importance, or alpha outside 0 to 1.
    """
    if importance not in IMPORTANCE:
        raise unknown("importance", importance, IMPORTANCE)
    if not 0 <= alpha <= 1:
        raise UsageError(f"alpha {alpha} is not between 0 and 1", "1: magnitude only, 0: energy only")
    largest = max(weights.macs for weights in found)
    made = []
    for weights in found:
        size, energy = np.abs(weights.values.astype(np.float64)), weights.macs / largest
        if importance == "energy":
            rms = float(np.sqrt(np.mean(size**2))) or 1.0
            size = alpha * size / rms - (1 - alpha) * energy
        elif importance == "energy-printed":
            size = alpha * size + (1 - alpha) * energy
        made.append(size)
    return made


def prune(
    model: Any,
    sparsity: float,
    importance: str = "l1",
    *,
    alpha: float = 0.5,
    before: Masks | None = None,
    only: Collection[str] = KINDS,
) -> Masks:
    """Masks that zero the share `sparsity` of all weights, the least important ones of the whole network.

    Parameters
    ----------
    before : Masks, optional
        An earlier step's: what is zero there stays zero and counts.
    only : collection of {"conv", "dense", "lstm"}
        Kinds of layers that are pruned; `sparsity` is of their weights.

    Raises
    ------
    UsageError
        Sparsity outside 0 to 1.
    ModelError
        A layer would be left without any weight.
    """
    _share(sparsity)
    everywhere = matrices(model)
    found = [weights for weights in everywhere if weights.kind in only]
    if not found:
        raise ModelError(f"{model.name} has no {' or '.join(sorted(only))} layer to prune", "prune other kinds")
    made = scores(found, importance, alpha)
    if before is not None:
        before.check(model)
        made = [np.where(before.kept[w.path], score, -np.inf) for w, score in zip(found, made, strict=True)]
    everything = np.concatenate([score.ravel() for score in made])
    count = round(sparsity * everything.size)
    keep = np.ones(everything.size, bool)
    # stable, so that equal scores fall in the network's order on every machine
    keep[np.argsort(everything, kind="stable")[:count]] = False
    ends = np.cumsum([score.size for score in made])[:-1]
    parts = np.split(keep, ends)
    masks = {w.path: np.ones(w.variable.shape, bool) for w in everywhere}
    masks |= {w.path: part.reshape(score.shape) for w, part, score in zip(found, parts, made, strict=True)}
    return _not_empty(model, masks, sparsity)


def prune_each(model: Any, sparsities: Mapping[str, float], *, before: Masks | None = None) -> Masks:
    """Masks that zero a share of its own in every matrix, by magnitude; see `dynamic`.

    Raises
    ------
    ModelError
        A layer would be left without any weight.
    """
    masks = {}
    for weights in matrices(model):
        share = sparsities[weights.path]
        _share(share)
        size = np.abs(weights.values)
        if before is not None:
            size = np.where(before.kept[weights.path], size, -1.0)
        keep = np.ones(size.size, bool)
        keep[np.argsort(size, axis=None, kind="stable")[: round(share * size.size)]] = False
        masks[weights.path] = keep.reshape(size.shape)
    return _not_empty(model, masks, max(sparsities.values()))


def _share(sparsity: float) -> None:
    if not 0 <= sparsity < 1:
        raise UsageError(f"sparsity {sparsity} is not at least 0 and below 1", "0.4 makes 40 % of the weights zero")


def _not_empty(model: Any, masks: dict[str, np.ndarray], sparsity: float) -> Masks:
    for path, mask in masks.items():
        if not mask.any():
            raise ModelError(
                f"{model.name}: sparsity {sparsity:g} leaves {path} without any weight",
                "prune less, a larger alpha, or by 'energy'",
            )
    return Masks(masks)


def dynamic(model: Any, target: float, t: float, beta: tuple[float, float] = (0.5, 2.0)) -> dict[str, float]:
    """Sparsity of every matrix at step `t`: s_l(t) = target (1 - exp(-beta_l t)); Kota, "dynamic sparsity scheduling".

    The rate beta_l grows evenly from the first matrix to the last, so that shallow layers are spared longest.

    Parameters
    ----------
    beta : (first, last)

    Returns
    -------
    dict
        Path -> sparsity; for `prune_each`.
    """
    _share(target)
    found = matrices(model)
    rates = np.linspace(beta[0], beta[1], len(found))
    return {w.path: float(target * (1 - np.exp(-rate * t))) for w, rate in zip(found, rates, strict=True)}
