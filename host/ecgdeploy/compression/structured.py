"""Structured pruning: whole channels go, and a smaller dense network is built, so that flash and time really shrink."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecgdeploy.compression.channels import Channels, channels
from ecgdeploy.compression.layers import matrices
from ecgdeploy.errors import ModelError, UsageError, unknown

#: importance of a channel -> what it is
IMPORTANCE: dict[str, str] = {
    "magnitude": "L1 norm of the channel's filter, batch normalization folded in, relative to its layer's mean",
    "taylor": "squared change of the loss when the channel's parameters go, first order (Molchanov et al. 2019)",
    "class-aware": "the same for each class alone, the largest over the classes: what one rare class needs stays",
}


@dataclass(frozen=True)
class Removal:
    """What to remove.

    Attributes
    ----------
    roots : frozenset of int
        Tied sets of channels, by their root in `map`.
    map : Channels
    macs_before, macs_after : int
    """

    roots: frozenset[int]
    map: Channels
    macs_before: int
    macs_after: int

    def kept(self, numbers: np.ndarray) -> np.ndarray:
        """Places in `numbers` that stay."""
        return np.flatnonzero([int(root) not in self.roots for root in self.map.roots(numbers)])


def importances(
    model: Any, found: Channels, kind: str = "magnitude", batches: Any = None, classes: int = 0
) -> dict[int, float]:
    """Importance of every removable set of channels: the sum over the layers that make them.

    Parameters
    ----------
    batches : iterable of (x, targets), optional
        Training data, for the importances that need gradients: x [n, 1, samples, leads], or a tuple of it and of age
        and sex for a network that takes both.
    classes : int
        Of the targets; rows of many labels count for each of their classes.

    Raises
    ------
    UsageError
        Unknown importance, or no data where it is needed.
    """
    if kind not in IMPORTANCE:
        raise unknown("importance of channels", kind, IMPORTANCE)
    if kind == "magnitude":
        by_layer = {name: _magnitude(model, name) for name in found.producers}
    elif batches is None:
        raise UsageError(f"importance {kind} needs training windows", "give batches, or choose magnitude")
    else:
        by_layer = _taylor(model, list(found.producers), batches, classes if kind == "class-aware" else 0)
    total = {root: 0.0 for root in found.removable()}
    for name, values in by_layer.items():
        for root, value in zip(found.roots(found.producers[name]).tolist(), values.tolist(), strict=True):
            if root in total:
                total[root] += value
    return total


def _magnitude(model: Any, name: str) -> np.ndarray:
    """L1 norm of each filter of a layer, scaled by the batch normalization behind it, over the layer's mean."""
    norms = np.abs(np.asarray(model.get_layer(name).kernel)).reshape(-1, model.get_layer(name).kernel.shape[-1]).sum(0)
    norm = _norm_behind(model, name)
    if norm is not None:
        gain = np.asarray(norm.gamma) if norm.scale else 1.0
        norms = norms * np.abs(gain) / np.sqrt(np.asarray(norm.moving_variance) + norm.epsilon)
    return norms / max(float(norms.mean()), 1e-12)


def _norm_behind(model: Any, name: str) -> Any:
    """The batch normalization that alone reads a layer's output, if any."""
    import keras

    nodes = model.get_layer(name)._outbound_nodes
    readers = [node.operation for node in nodes]
    return readers[0] if len(readers) == 1 and isinstance(readers[0], keras.layers.BatchNormalization) else None


def _taylor(model: Any, names: list[str], batches: Any, classes: int) -> dict[str, np.ndarray]:
    """Mean over batches of (sum over a channel's parameters of gradient x value) squared; largest over classes."""
    import tensorflow as tf

    from ecgdeploy.training.loop import joined
    from ecgdeploy.training.losses import per_example

    parts: dict[str, list[Any]] = {}
    for name in names:
        norm = _norm_behind(model, name)
        layer = model.get_layer(name)
        # gain and offset of the norm scale the whole channel; the kernel's change would be counted twice
        parts[name] = [norm.gamma, norm.beta] if norm is not None and norm.scale and norm.center else [layer.kernel]
    flat = [variable.value for name in names for variable in parts[name]]
    sums = {name: np.zeros((max(classes, 1), model.get_layer(name).output.shape[-1])) for name in names}
    counts = np.zeros(max(classes, 1))
    loss_of: Any = None
    for x, y in batches:
        y = np.asarray(y)
        parts_of_x = x if isinstance(x, tuple) else (x,)
        width = sum(output.shape[-1] for output in model.outputs)
        loss_of = loss_of or per_example("crossentropy", 0.0, np.ones(width), y.ndim == 2)
        for group in range(max(classes, 1)):
            rows = np.arange(len(y)) if not classes else np.flatnonzero(y[:, group] if y.ndim == 2 else y == group)
            if not len(rows):
                continue
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(flat)
                tensors = [tf.constant(part[rows]) for part in parts_of_x]
                answers = joined(model(tensors if len(tensors) > 1 else tensors[0], training=False))
                wanted = tf.constant(y[rows].astype(np.float32 if y.ndim == 2 else np.int32))
                loss = tf.reduce_mean(loss_of(wanted, answers))
            gradients = iter(tape.gradient(loss, flat))
            counts[group] += 1
            for name in names:
                change = sum(
                    np.reshape(np.asarray(next(gradients)) * np.asarray(variable), (-1, variable.shape[-1])).sum(0)
                    for variable in parts[name]
                )
                sums[name][group] += np.square(change)
    means = {name: total / np.maximum(counts, 1)[:, None] for name, total in sums.items()}
    # every class at the same scale before the largest is taken, or the one with the largest loss would decide alone
    scale = np.mean(np.concatenate(list(means.values()), axis=1), axis=1) + 1e-30
    return {name: (mean / scale[:, None]).max(0) for name, mean in means.items()}


def choose(
    model: Any,
    target: float,
    importance: dict[int, float],
    found: Channels,
    *,
    alpha: float = 0.5,
    least: int = 4,
    multiple: int = 4,
) -> Removal:
    """Which channels go so that at most the share `target` of the multiply-accumulates remains.

    A set's score is alpha I / mean(I) - (1 - alpha) E / max(E), E the multiply-accumulates that go with it: Kota's
    importance with the sign that its text asks for. The lowest scores go first.

    Parameters
    ----------
    target : float
        Share of the multiply-accumulates that remains, above 0 and at most 1.
    least : int
        No layer gets fewer channels.
    multiple : int
        Channels of a layer are a multiple of it, where it had one: kernels work on four at a time.

    Raises
    ------
    UsageError
        A target outside its range.
    ModelError
        The target cannot be met with `least` channels in every layer, or a layer would be empty.
    """
    if not 0 < target <= 1:
        raise UsageError(f"target {target} is not above 0 and at most 1", "0.25 keeps a quarter of the MACs")
    cost = _Cost(model, found)
    mean = (float(np.mean(list(importance.values()))) if importance else 0.0) or 1.0
    saved = {root: cost.of(root) for root in importance}
    most = max(saved.values(), default=1) or 1
    score = {root: alpha * value / mean - (1 - alpha) * saved[root] / most for root, value in importance.items()}
    wanted = target * cost.total
    gone: set[int] = set()
    left = {name: len(numbers) for name, numbers in found.producers.items()}
    members = _members(found, importance)
    for root in sorted(score, key=lambda r: (score[r], r)):
        if cost.now <= wanted:
            break
        if any(left[name] - count < max(least, 1) for name, count in members[root].items()):
            continue
        for name, count in members[root].items():
            left[name] -= count
        cost.remove(root)
        gone.add(root)
    if cost.now > wanted:
        raise ModelError(
            f"{model.name}: with the {least} channels that every layer keeps, {cost.now / cost.total:.4g} of the MACs "
            f"remain, not {target:.4g}; further pruning would empty a layer",
            f"prune at most {np.floor(1000 * (1 - cost.now / cost.total)) / 1000:g} of them",
        )
    _round_up(found, members, score, gone, multiple)
    after = _Cost(model, found)
    for root in gone:
        after.remove(root)
    return Removal(frozenset(gone), found, after.total, after.now)


def _members(found: Channels, roots: Any) -> dict[int, dict[str, int]]:
    """For each root: how many channels of which producing layer it holds."""
    members: dict[int, dict[str, int]] = {root: {} for root in roots}
    for name, numbers in found.producers.items():
        for root in found.roots(numbers).tolist():
            if root in members:
                members[root][name] = members[root].get(name, 0) + 1
    return members


def _round_up(
    found: Channels, members: dict[int, dict[str, int]], score: dict[int, float], gone: set[int], multiple: int
) -> None:
    """Bring back the best of the removed, until each layer that had a multiple of `multiple` has one again."""
    for name, numbers in found.producers.items():
        if len(numbers) % multiple:
            continue
        removed = [root for root in set(found.roots(numbers).tolist()) if root in gone]
        surplus = sum(members[root][name] for root in removed) % multiple
        for root in sorted(removed, key=lambda r: (-score[r], r)):
            if surplus <= 0:
                break
            gone.discard(root)
            surplus -= members[root][name]


class _Cost:
    """Multiply-accumulates of the network while channels go."""

    def __init__(self, model: Any, found: Channels) -> None:
        self.touches: dict[int, list[tuple[str, int]]] = {}
        #: matrix -> channels it reads and makes; 1 where their number does not change its cost
        self.shape: dict[str, list[int]] = {}
        self.unit: dict[str, float] = {}
        for weights in matrices(model):
            inputs, outputs = found.inputs[weights.layer], found.outputs[weights.layer]
            sides: list[tuple[int, np.ndarray]] = [(0, inputs)] if "recurrent" not in weights.path else []
            if weights.layer in found.producers:
                sides.append((1, outputs))
            self.shape[weights.path] = [1, 1]
            for side, numbers in sides:
                self.shape[weights.path][side] = len(numbers)
                for root in found.roots(numbers).tolist():
                    self.touches.setdefault(root, []).append((weights.path, side))
            self.unit[weights.path] = weights.macs / float(np.prod(self.shape[weights.path]))
        self.total = self.now = self._sum()

    def _sum(self) -> int:
        return round(sum(self.unit[path] * ins * outs for path, (ins, outs) in self.shape.items()))

    def of(self, root: int) -> float:
        """What goes with one set, of the network as it is."""
        return sum(self.unit[path] * self.shape[path][1 - side] for path, side in self.touches.get(root, ()))

    def remove(self, root: int) -> None:
        """Take a set away."""
        for path, side in self.touches.get(root, ()):
            self.shape[path][side] -= 1
        self.now = self._sum()


def rebuild(model: Any, removal: Removal) -> Any:
    """The smaller dense network, with the weights that stay.

    Returns
    -------
    keras.Model
        Same inputs, outputs and layer names.

    Raises
    ------
    ModelError
        A layer would be left without any channel.
    """
    import keras

    found = removal.map

    def smaller(layer: Any) -> Any:
        config = layer.get_config()
        if layer.name in found.producers:
            count = len(removal.kept(found.producers[layer.name]))
            if count == 0:
                raise ModelError(f"{model.name}: layer {layer.name} would be left without any channel", "prune less")
            config["filters" if "filters" in config else "units"] = count
        elif isinstance(layer, keras.layers.Reshape):
            numbers = found.outputs[layer.name]
            config["target_shape"] = (*layer.target_shape[:-1], len(removal.kept(numbers)))
        return layer.__class__.from_config(config)

    clone = keras.models.clone_model(model, clone_function=smaller)
    for layer in model.layers:
        if layer.weights:
            clone.get_layer(layer.name).set_weights(_sliced(layer, removal))
    return clone


def _sliced(layer: Any, removal: Removal) -> list[np.ndarray]:
    """A layer's weights without what went, in Keras' order."""
    import keras

    found, kinds = removal.map, keras.layers
    ins = removal.kept(found.inputs[layer.name])
    weights = layer.get_weights()
    if layer.name in found.producers:
        outs = removal.kept(found.producers[layer.name])
        return [weights[0][..., ins, :][..., outs], *(bias[outs] for bias in weights[1:])]
    if isinstance(layer, (kinds.DepthwiseConv1D, kinds.DepthwiseConv2D)):
        return [weights[0][..., ins, :], *(bias[ins] for bias in weights[1:])]
    if isinstance(layer, kinds.BatchNormalization):
        return [value[ins] for value in weights]
    if isinstance(layer, kinds.LSTM):
        return [weights[0][ins], *weights[1:]]
    if isinstance(layer, kinds.Bidirectional):
        half = len(weights) // 2
        return [weights[0][ins], *weights[1:half], weights[half][ins], *weights[half + 1 :]]
    return weights


def shrink(
    model: Any, target: float, kind: str = "magnitude", *, batches: Any = None, classes: int = 0, **options: Any
) -> tuple[Any, Removal]:
    """`importances`, `choose` and `rebuild` in one: the smaller network and what went."""
    found = channels(model)
    removal = choose(model, target, importances(model, found, kind, batches, classes), found, **options)
    return rebuild(model, removal), removal


def widths(model: Any, names: Set[str] = frozenset()) -> dict[str, int]:
    """Channels that each convolution and dense layer makes."""
    return {w.layer: int(w.variable.shape[-1]) for w in matrices(model) if not names or w.layer in names}
