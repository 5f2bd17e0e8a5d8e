"""Future prediction: contrastive predictive coding whose context is pooled by a Transformer.

Weimann and Conrad 2021, "Future prediction framework": the encoder's answers to the context's frames, behind a learned
token c0, pass N Transformer layers (Vaswani et al. 2017; h heads, inner width 2 d, no dropout); what stands at c0 is
the context vector, whose dot products with encoded future frames say which of them is the right one. The wrong ones
are the right ones of the batch's next examples, so that every frame is encoded once.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

LAYERS, HEADS = 3, 8


@keras.saving.register_keras_serializable(package="ecgdeploy")
class Token(keras.layers.Layer):
    """Puts a learned vector before a sequence [batch, frames, width], and adds the sinusoidal places."""

    def build(self, input_shape: Any) -> None:
        self.token = self.add_weight(shape=(1, 1, input_shape[-1]), initializer="random_normal", name="token")
        length, width = input_shape[1] + 1, input_shape[-1]
        angle = np.arange(length)[:, None] / 10_000 ** (2 * (np.arange(width)[None] // 2) / width)
        places = np.where(np.arange(width)[None] % 2, np.cos(angle), np.sin(angle))
        self.places = tf.constant(places[None], tf.float32)

    def call(self, x: Any) -> Any:
        token = tf.repeat(tf.convert_to_tensor(self.token), tf.shape(x)[0], axis=0)
        return tf.concat([token, x], axis=1) + self.places


@keras.saving.register_keras_serializable(package="ecgdeploy")
class AmongOthers(keras.layers.Layer):
    """Probabilities [batch, 1 + negatives] that each candidate is the right future; the right one is the first."""

    def __init__(self, negatives: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.negatives = negatives

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"negatives": self.negatives}

    def call(self, inputs: Any) -> Any:
        context, future = inputs
        scores = tf.matmul(context, future, transpose_b=True) / float(context.shape[-1]) ** 0.5
        count = tf.shape(scores)[0]
        places = (tf.range(count)[:, None] + tf.range(self.negatives + 1)[None]) % count
        return tf.nn.softmax(tf.gather(scores, places, batch_dims=1))


def future_model(encoder: Any, context: int, negatives: int) -> Any:
    """The whole framework around an `encoder` [batch, 1, samples, 1] -> [batch, width].

    Returns
    -------
    keras.Model
        [batch, 1, (context + 1) * samples, 1] -> [batch, 1 + negatives]: the context's frames, then the future one.
    """
    samples, width = int(encoder.inputs[0].shape[2]), int(encoder.outputs[0].shape[-1])
    inputs = keras.Input((1, (context + 1) * samples, 1), name="frames")
    frames = keras.layers.Reshape((context + 1, samples))(inputs)
    # every frame by itself: [batch * frames, 1, samples, 1]
    single = keras.ops.reshape(frames, (-1, 1, samples, 1))
    encoded = keras.ops.reshape(encoder(single), (-1, context + 1, width))
    x = Token(name="token")(encoded[:, :context])
    heads = max(1, min(HEADS, width // 8))
    for layer in range(1, LAYERS + 1):
        y = keras.layers.MultiHeadAttention(heads, width // heads, name=f"attention{layer}")(x, x)
        x = keras.layers.LayerNormalization(name=f"attention{layer}_norm")(x + y)
        y = keras.layers.Dense(2 * width, activation="relu", name=f"inner{layer}")(x)
        y = keras.layers.Dense(width, name=f"outer{layer}")(y)
        x = keras.layers.LayerNormalization(name=f"outer{layer}_norm")(x + y)
    answers = AmongOthers(negatives, name="which")([x[:, 0], encoded[:, context]])
    return keras.Model(inputs, answers, name="future")
