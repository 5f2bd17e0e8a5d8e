"""HuBERT's self-supervised pre-training: predict the cluster of frames that the network cannot see.

Hsu et al. 2021, HuBERT; Coppola et al. 2024, HuBERT-ECG. Frames are described by the log energy in bands of their
spectrum, clustered by k-means; the loss is the cross-entropy over hidden frames alone (Gaurhar et al., equation 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ecgdeploy.errors import DataError

BANDS = 16


@dataclass(frozen=True)
class Pretrained:
    """What pre-training left.

    Attributes
    ----------
    losses : tuple of float
        Mean cross-entropy over hidden frames, each epoch.
    accuracy : float
        Share of hidden frames whose cluster was right in the last epoch.
    chance : float
        Share of the commonest cluster: what guessing would get.
    """

    losses: tuple[float, ...]
    accuracy: float
    chance: float


def descriptors(windows: np.ndarray, frames: int, bands: int = BANDS) -> np.ndarray:
    """Log band energies of each frame, standardized over all of them.

    Parameters
    ----------
    windows : float32 [n, samples, leads]

    Returns
    -------
    float32 [n, frames, leads * bands]
    """
    count, samples, leads = windows.shape
    hop = samples // frames
    if hop < 4:
        raise DataError(f"{samples} samples make {frames} frames of {hop}", "longer windows, or fewer frames")
    cut = windows[:, : hop * frames].reshape(count, frames, hop, leads)
    power = np.abs(np.fft.rfft(cut, axis=2)) ** 2
    edges = np.unique(np.geomspace(1, power.shape[2], min(bands, power.shape[2] - 1) + 1).astype(int) - 1)
    sums = np.add.reduceat(power, edges[:-1], axis=2)
    logs = np.log(sums + 1e-6).transpose(0, 1, 3, 2).reshape(count, frames, -1)
    flat = logs.reshape(-1, logs.shape[-1])
    return ((logs - flat.mean(0)) / (flat.std(0) + 1e-6)).astype(np.float32)


def clusters(features: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """k-means label of each frame: int [n, frames]."""
    from sklearn.cluster import KMeans

    flat = features.reshape(-1, features.shape[-1])
    if len(flat) < count:
        raise DataError(f"{len(flat)} frames make no {count} clusters", "fewer clusters, or more recordings")
    labels = KMeans(count, n_init=1, max_iter=50, random_state=seed).fit(flat).labels_
    return labels.reshape(features.shape[:2]).astype(np.int32)


def hide(rng: np.random.Generator, shape: tuple[int, int], part: float, span: int) -> np.ndarray:
    """Which frames are hidden, bool [n, frames]: spans of `span`, about `part` of all, at least one each."""
    count, frames = shape
    starts = rng.random(shape) < part / span
    starts[np.arange(count), rng.integers(0, frames, count)] = True
    hidden = np.zeros(shape, bool)
    for offset in range(span):
        hidden[:, offset:] |= starts[:, : frames - offset]
    return hidden


def pretrain(
    encoder: Any,
    view: Any,
    *,
    epochs: int = 4,
    batch: int = 32,
    count: int = 32,
    part: float = 0.4,
    span: int = 2,
    learning_rate: float = 5e-4,
    seed: int = 0,
) -> Pretrained:
    """Pre-train an encoder in place on the signals of a training view; labels are not looked at.

    Parameters
    ----------
    encoder : keras.Model
        [batch, 1, samples, leads] -> [batch, frames, width], with a layer ``masking`` (`models.transformer`).
    view : TrainView
    count : clusters

    Raises
    ------
    DataError
        Another view than a training one; too few frames.
    """
    import keras
    import tensorflow as tf

    from ecgdeploy.ecg.views import for_training

    windows = np.asarray(for_training(view).inputs[:], np.float32)
    frames, width = encoder.output.shape[1:]
    labels = clusters(descriptors(windows, frames), count, seed)
    keras.utils.set_random_seed(seed)
    head = keras.layers.Dense(count, name="clusters")
    head.build((None, frames, width))
    masking = encoder.get_layer("masking")
    variables = [*encoder.trainable_variables, *head.trainable_variables]
    optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.build(variables)

    @tf.function
    def step(x: Any, y: Any, hidden: Any) -> Any:
        weight = tf.cast(hidden, tf.float32)
        with tf.GradientTape() as tape:
            masking.hidden = hidden
            logits = head(encoder(x, training=True))
            masking.hidden = None
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
            loss = tf.reduce_sum(weight * each) / tf.reduce_sum(weight)
        optimizer.apply(tape.gradient(loss, variables), variables)
        right = tf.cast(tf.equal(tf.argmax(logits, -1, tf.int32), y), tf.float32)
        return loss, tf.reduce_sum(weight * right), tf.reduce_sum(weight)

    losses, right, seen = [], 0.0, 1.0
    size = min(batch, len(windows))
    for epoch in range(epochs):
        rng = np.random.default_rng([seed, epoch])
        order = rng.permutation(len(windows))
        total, right, seen = [], 0.0, 0.0
        for start in range(0, len(order) - size + 1, size):
            rows = order[start : start + size]
            hidden = hide(rng, (size, frames), part, span)
            loss, hits, number = step(tf.constant(windows[rows][:, None]), tf.constant(labels[rows]), hidden)
            total.append(float(loss))
            right, seen = right + float(hits), seen + float(number)
        losses.append(float(np.mean(total)))
    chance = float(np.bincount(labels.ravel()).max() / labels.size)
    return Pretrained(tuple(losses), right / seen, chance)


def transfer(encoder: Any, model: Any) -> int:
    """Copy the encoder's weights into the layers of the same name of `model`; how many layers were set."""
    names = {layer.name for layer in model.layers}
    done = 0
    for layer in encoder.layers:
        if layer.name in names and layer.weights:
            model.get_layer(layer.name).set_weights(layer.get_weights())
            done += 1
    return done
