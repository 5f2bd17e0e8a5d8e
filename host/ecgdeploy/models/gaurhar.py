"""The two networks of Gaurhar et al.: ResNet1D and HuBERT-ECG.

Gaurhar, Shinde, Tiwari. Resource-Efficient ECG Foundation Networks via Layer-wise Adaptive Compression (2025). The
paper prints no layer sizes. Its compression ratios fix only the share f of parameters that it keeps in float,
CR = 32 / (b (1 - f) + 32 f): 0.00087 for ResNet1D, 0.0016 for HuBERT-ECG (`float_share`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ecgdeploy.errors import UsageError
from ecgdeploy.models.layers import time_strides

#: share of parameters that stay in float, from the 1-bit rows of Table 1 (31.16 and 30.49)
FLOAT_SHARE = {"gaurhar-resnet1d": 0.00087, "hubert-ecg": 0.0016}


def float_share(model: Any) -> float:
    """Share of the trainable parameters that are no weight matrix: biases, batch and layer normalization."""
    sizes = [(np.prod(w.shape), len(w.shape)) for w in model.trainable_variables]
    return float(sum(n for n, axes in sizes if axes < 2) / sum(n for n, _ in sizes))


def resnet1d(
    samples: int = 5120,
    leads: int = 1,
    classes: int = 4,
    filters: Sequence[int] = (64, 128, 256, 512),
    kernel: int = 9,
    stem_stride: int = 4,
    stride: int = 4,
    dropout: float = 0.2,
    momentum: float = 0.9,
    multilabel: bool = False,
) -> Any:
    """ResNet1D (section 2.1): convolution - BN, then blocks of conv - BN - ReLU - conv - BN - ReLU plus shortcut.

    As equation 1 says, the second ReLU comes before the sum, and the head sees all of the last block, ``vec(H_K)``.
    With these widths 4,913,476 parameters, of which a share of 0.00081 is no matrix (paper: 0.00087).

    Returns
    -------
    keras.Model
        [batch, 1, samples, leads] -> probabilities [batch, classes].
    """
    import keras

    def conv_norm(x: Any, width: int, size: int, steps: int, name: str) -> Any:
        x = keras.layers.Conv2D(width, (1, size), time_strides(size, steps), "same", use_bias=False, name=name)(x)
        return keras.layers.BatchNormalization(momentum=momentum, name=f"{name}_bn")(x)

    inputs = keras.Input((1, samples, leads), name="ecg")
    x = conv_norm(inputs, filters[0], kernel, stem_stride, "stem")
    for number, width in enumerate(filters, start=1):
        name = f"block{number}"
        y = keras.layers.ReLU(name=f"{name}_relu1")(conv_norm(x, width, kernel, stride, f"{name}_conv1"))
        y = keras.layers.ReLU(name=f"{name}_relu2")(conv_norm(y, width, kernel, 1, f"{name}_conv2"))
        skip = keras.layers.Conv2D(width, 1, time_strides(1, stride), "same", use_bias=False, name=f"{name}_skip")(x)
        x = keras.layers.Add(name=f"{name}_add")([y, skip])
        x = keras.layers.Dropout(dropout, name=f"{name}_dropout")(x) if dropout else x
    x = keras.layers.Flatten(name="vec")(x)
    x = keras.layers.Dense(classes, name="logits")(x)
    last = keras.layers.Activation("sigmoid", dtype="float32", name="class") if multilabel else keras.layers.Softmax(
        dtype="float32", name="class"
    )
    return keras.Model(inputs, last(x), name="gaurhar_resnet1d")


#: HuBERT's waveform encoder: (kernel, stride) of its seven convolutions (Hsu et al. 2021)
ENCODER = ((10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2))
#: HuBERT-ECG's published sizes: (layers, width, heads, feed-forward)
SIZES: dict[str, tuple[int, int, int, int]] = {
    "tiny": (2, 64, 4, 128),
    "small": (8, 512, 8, 2048),
    "base": (12, 768, 12, 3072),
    "large": (16, 960, 16, 3840),
}


def hubert_encoder(
    samples: int = 5120, leads: int = 1, size: str = "base", channels: int | None = None
) -> Any:
    """HuBERT-ECG without a head: convolutional encoder, projection, positions, post-norm Transformer.

    Layer for layer the published design, so that its checkpoint fits (`ecgdeploy.models.hubert_weights`): "base" has
    94,371,584 parameters, HuBERT base's 94,371,712 less the 128 gains of a weight norm.

    Returns
    -------
    keras.Model
        [batch, 1, samples, leads] -> frames [batch, time, width]. Layer ``masking`` replaces the frames that
        masked-prediction pre-training hides; it does nothing otherwise.

    Raises
    ------
    UsageError
        No such size.
    """
    import keras

    from ecgdeploy.models.transformer import ConvPositions, MaskedFrames, Norm, transformer_layer

    if size not in SIZES:
        raise UsageError(f"hubert-ecg has no size {size!r}", f"choose one of {', '.join(SIZES)}")
    layers, width, heads, feed_forward = SIZES[size]
    channels = channels or min(512, width)
    x = inputs = keras.Input((1, samples, leads), name="ecg")
    for number, (kernel, stride) in enumerate(ENCODER, start=1):
        x = keras.layers.Conv2D(channels, (1, kernel), (1, stride), use_bias=False, name=f"encoder{number}")(x)
        if number == 1:  # a group norm with one channel a group: over time
            x = Norm(axis=-2, name="encoder1_norm")(x)
        x = keras.layers.Activation("gelu", name=f"encoder{number}_gelu")(x)
    x = keras.layers.Reshape((x.shape[2], channels), name="features")(x)
    x = keras.layers.Dense(width, name="projection")(Norm(name="feature_norm")(x))
    x = MaskedFrames(name="masking")(x)
    x = Norm(name="input_norm")(ConvPositions(name="positions")(x))
    for number in range(1, layers + 1):
        x = transformer_layer(x, heads, feed_forward, activation="gelu", name=f"layer{number}")
    return keras.Model(inputs, x, name=f"hubert_ecg_{size}")


def hubert_ecg(
    samples: int = 5120,
    leads: int = 1,
    classes: int = 4,
    size: str = "base",
    channels: int | None = None,
    dropout: float = 0.2,
    multilabel: bool = False,
) -> Any:
    """HuBERT-ECG as a classifier: the encoder, mean over time, dense; see `hubert_encoder`.

    Returns
    -------
    keras.Model
        [batch, 1, samples, leads] -> probabilities [batch, classes].
    """
    import keras

    encoder = hubert_encoder(samples, leads, size, channels)
    x = keras.layers.GlobalAveragePooling1D(name="mean")(encoder.output)
    x = keras.layers.Dropout(dropout, name="dropout")(x) if dropout else x
    x = keras.layers.Dense(classes, name="logits")(x)
    last = keras.layers.Activation("sigmoid", dtype="float32", name="class") if multilabel else keras.layers.Softmax(
        dtype="float32", name="class"
    )
    return keras.Model(encoder.input, last(x), name=encoder.name)
