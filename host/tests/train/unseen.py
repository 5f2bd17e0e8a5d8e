"""Networks as people write them, with what the package's own do not have."""

import numpy as np

SAMPLES, LEADS = 32, 2


def windows(count=48):
    rng = np.random.default_rng(3)
    return rng.normal(0, 1, (count, SAMPLES, LEADS)).astype(np.float32)


def settled(model):
    """The model with normalizations as training leaves them: none is the identity."""
    import keras

    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            n = layer.gamma.shape[0]
            spread = [rng.uniform(0.5, 1.5, n), rng.normal(0, 0.3, n), rng.normal(0, 0.2, n), rng.uniform(0.1, 0.6, n)]
            layer.set_weights(spread)
    return model


def over_height_one(width=4):
    """Dilation, norms behind ReLU and behind an addition, depthwise, gate, branches, averages, softmax inside Dense."""
    import keras

    kinds = keras.layers
    entry = keras.Input((1, SAMPLES, LEADS))
    x = kinds.Conv2D(2 * width, (1, 5), padding="same", dilation_rate=(1, 3), activation="relu")(entry)
    x = kinds.BatchNormalization()(x)
    y = kinds.DepthwiseConv2D((1, 3), padding="same", use_bias=False)(x)
    y = kinds.Activation("relu")(kinds.BatchNormalization()(y))
    gate = kinds.Dense(width, activation="relu")(kinds.GlobalAveragePooling2D(keepdims=True)(y))
    y = kinds.Multiply()([y, kinds.Dense(2 * width, activation="sigmoid")(gate)])
    x = kinds.ReLU()(kinds.BatchNormalization()(kinds.Add()([x, y])))
    x = kinds.AveragePooling2D((1, 2))(x)
    branches = [kinds.Conv2D(width, (1, k), padding="same", activation=f)(x) for k, f in ((3, "relu"), (1, "tanh"))]
    x = kinds.Concatenate()([kinds.MaxPooling2D((1, 2))(branch) for branch in branches[:1] * 2])
    x = kinds.Add()([kinds.GlobalAveragePooling2D()(x), kinds.Flatten()(kinds.GlobalMaxPooling2D()(x))])
    y = kinds.GlobalAveragePooling2D()(branches[1])
    return keras.Model(entry, kinds.Dense(3, activation="softmax")(kinds.Concatenate()([x, y])))


def over_time(width=4, separable=True):
    """Conv1D as in most Keras code: causal, separable, depthwise, pooled; a second input; two outputs."""
    import keras

    kinds = keras.layers
    entry, person = keras.Input((1, SAMPLES, LEADS), name="ecg"), keras.Input((3,), name="person")
    x = kinds.Reshape((SAMPLES, LEADS))(entry)
    x = kinds.Conv1D(2 * width, 5, padding="causal", use_bias=False)(x)
    x = kinds.Dropout(0.1)(kinds.ReLU()(kinds.BatchNormalization()(x)))
    kind = kinds.SeparableConv1D if separable else kinds.Conv1D
    x = kinds.MaxPooling1D(2)(kind(2 * width, 3, padding="same", activation="relu")(x))
    x = kinds.LeakyReLU(0.1)(kinds.DepthwiseConv1D(3, strides=2, padding="same")(x))
    x = kinds.Concatenate()([kinds.GlobalAveragePooling1D()(x), kinds.Dense(width, activation="relu")(person)])
    outputs = [kinds.Dense(width, activation="sigmoid", name=name)(x) for name, width in (("form", 2), ("rhythm", 3))]
    return keras.Model([entry, person], outputs)
