"""tf.data from memory-mapped shards. The order is a function of (seed, epoch), so that a resumed run sees the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecgdeploy.training.config import AugmentationPart


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Permutation of the training windows in one epoch: int64 [count]."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def augment(x: np.ndarray, part: AugmentationPart, seed: int, epoch: int, step: int) -> np.ndarray:
    """Randomly changed copy of the windows `x` [n, samples, leads], a function of (seed, epoch, step)."""
    if not (part.gain or part.offset or part.shift or part.noise):
        return x
    rng = np.random.default_rng([seed, epoch, step, 1])
    n, samples = x.shape[:2]
    x = x * rng.uniform(1 - part.gain, 1 + part.gain, (n, 1, 1)).astype(np.float32)
    x = x + rng.normal(0, part.offset, (n, 1, 1)).astype(np.float32)
    if part.shift:
        moves = rng.integers(-part.shift, part.shift + 1, size=(n, 1))
        places: np.ndarray = np.clip(np.arange(samples)[None] + np.asarray(moves), 0, samples - 1)
        x = np.take_along_axis(x, places[:, :, None], axis=1)
    if part.noise:
        x = x + rng.normal(0, part.noise, x.shape).astype(np.float32)
    return x.astype(np.float32)


def epoch_batches(
    data: Any,
    config: Any,
    epoch: int,
    first_step: int = 0,
    parts: tuple[int, ...] = (0,),
    of: int = 1,
    person: bool = False,
) -> Any:
    """Batches of one epoch from `first_step` on: (x [b, 1, samples, leads], targets, weight [b]).

    With `person`, x is a pair: the windows, and age and sex [b, 3].

    Each global batch is dealt out to `of` replicas, row by row; `parts` are the ones that live in this process, and the
    data set yields one batch for each of them in turn. Rows that the last batch lacks are repeats of weight zero, so
    that every batch has one shape. The weights of a global batch sum to 1.

    Returns
    -------
    tf.data.Dataset
    """
    import tensorflow as tf

    inputs, targets = data.inputs, np.asarray(data.targets)
    multilabel = targets.ndim == 2
    kind = np.float32 if multilabel else np.int32
    # long recordings have an order of their own, so that only some of them are in memory
    own = getattr(data, "epoch_order", None)
    order = own(config.seed, epoch) if own else epoch_order(len(inputs), config.seed, epoch)
    batch = min(config.batch, len(order)) // of * of
    steps = -(-len(order) // batch)

    who = data.person if person else np.zeros((len(inputs), 0), np.float32)

    def load(step: Any, part: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        number, mine = int(step), slice(int(part), None, of)
        rows = order[number * batch : (number + 1) * batch]
        weight = np.zeros(batch, np.float32)
        weight[: len(rows)] = 1.0 / len(rows)
        rows = np.resize(rows, batch)
        # augment the global batch, so that one replica of two sees what one of one would have seen
        x = augment(inputs[rows], config.augmentation, config.seed, epoch, number)
        return x[mine][:, None], who[rows][mine], targets[rows][mine].astype(kind), weight[mine]

    def to_tensors(step: Any, part: Any) -> tuple[Any, Any, Any]:
        x, m, y, w = tf.numpy_function(load, [step, part], (tf.float32, tf.float32, tf.as_dtype(kind), tf.float32))
        x.set_shape((batch // of, 1, *inputs.shape[1:]))
        m.set_shape((batch // of, who.shape[1]))
        y.set_shape((batch // of, *targets.shape[1:]))
        w.set_shape((batch // of,))
        return (x, m) if person else x, y, w

    places = [(step, part) for step in range(first_step, steps) for part in parts]
    pairs = np.array(places, np.int64).reshape(-1, 2)
    return tf.data.Dataset.from_tensor_slices((pairs[:, 0], pairs[:, 1])).map(to_tensors).prefetch(2)


def steps_per_epoch(count: int, batch: int, replicas: int = 1) -> int:
    """Optimizer steps in one epoch over `count` windows."""
    size = min(batch, count) // replicas * replicas
    return -(-count // size)
