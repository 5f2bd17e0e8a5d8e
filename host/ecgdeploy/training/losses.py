"""Losses for imbalanced classes, one label or many."""

from __future__ import annotations

from typing import Any

import numpy as np


def class_weights(counts: np.ndarray, kind: str, total: int | None = None) -> np.ndarray:
    """Weight of each class, mean 1 over the training examples.

    Parameters
    ----------
    counts : int [classes]
        Positive examples of each class.
    kind : {"none", "sqrt-inverse", "inverse"}
        1, (n/n_c)^(1/2) or n/n_c before scaling.
    total : int, optional
        Examples; the sum of counts where each example has one label.
    """
    counts = np.maximum(np.asarray(counts, dtype=np.float64), 1)
    if kind == "none":
        return np.ones(len(counts), np.float32)
    raw = (total or counts.sum()) / counts
    if kind == "sqrt-inverse":
        raw = np.sqrt(raw)
    return (raw * counts.sum() / (raw * counts).sum()).astype(np.float32)


def per_example(kind: str, gamma: float, weights: np.ndarray, multilabel: bool) -> Any:
    """Loss function (targets, probabilities) -> [batch], in float32.

    Focal loss, Lin et al. 2017, eq. 5: -w (1 - p_t)^gamma log p_t; gamma 0 is weighted cross-entropy.

    Parameters
    ----------
    multilabel : bool
        Targets 0/1 [batch, classes] and the mean over classes, instead of int [batch].
    """
    import tensorflow as tf

    exponent = gamma if kind == "focal" else 0.0
    scale = tf.constant(weights, tf.float32)
    tiny = 1e-7

    def focus(pt: Any) -> Any:
        # without it, not to the power of 0: the gradient of that is 0/0 where an answer is certain
        return tf.pow(1.0 - pt, exponent) if exponent else tf.ones_like(pt)

    def one_label(targets: Any, probabilities: Any) -> Any:
        p = tf.clip_by_value(tf.cast(probabilities, tf.float32), tiny, 1.0)
        pt = tf.gather(p, targets, batch_dims=1)
        return -tf.gather(scale, targets) * focus(pt) * tf.math.log(pt)

    def many_labels(targets: Any, probabilities: Any) -> Any:
        p = tf.clip_by_value(tf.cast(probabilities, tf.float32), tiny, 1.0 - tiny)
        t = tf.cast(targets, tf.float32)
        pt = t * p + (1.0 - t) * (1.0 - p)
        weight = t * scale + (1.0 - t)
        return -tf.reduce_mean(weight * focus(pt) * tf.math.log(pt), axis=-1)

    return many_labels if multilabel else one_label


def from_teacher(targets: Any, probabilities: Any) -> Any:
    """Cross-entropy of `probabilities` against a teacher's [batch, classes], summed over classes: [batch].

    With independent outputs both the class and its absence count; with a softmax the second part only sharpens.
    """
    import tensorflow as tf

    p = tf.clip_by_value(tf.cast(probabilities, tf.float32), 1e-7, 1.0 - 1e-7)
    t = tf.cast(targets, tf.float32)
    return -tf.reduce_sum(t * tf.math.log(p) + (1.0 - t) * tf.math.log(1.0 - p), axis=-1)


def divergence(teacher: Any, probabilities: Any, temperature: float, multilabel: bool) -> Any:
    """T^2 KL(teacher || student) of answers softened by T: [batch].

    Probabilities stand for logits: softmax(z / T) is p^(1/T) over its sum, sigmoid(z / T) the same of p and 1 - p. With
    independent outputs it is the mean over them, as their cross-entropy is.
    """
    import tensorflow as tf

    def softened(p: Any) -> Any:
        p = tf.clip_by_value(tf.cast(p, tf.float32), 1e-7, 1.0 - 1e-7)
        parts = tf.stack([p, 1.0 - p], axis=-1) if multilabel else p
        return tf.nn.log_softmax(tf.math.log(parts) / temperature, axis=-1)

    wanted, found = softened(teacher), softened(probabilities)
    each = tf.reduce_sum(tf.exp(wanted) * (wanted - found), axis=-1)
    return temperature**2 * (tf.reduce_mean(each, axis=-1) if multilabel else each)


def between_logits(wanted: Any, found: Any) -> Any:
    """Mean squared difference of logits [batch, classes]: [batch]."""
    import tensorflow as tf

    return tf.reduce_mean(tf.square(tf.cast(found, tf.float32) - tf.cast(wanted, tf.float32)), axis=-1)
