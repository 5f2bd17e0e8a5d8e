"""Kota's six networks, with the parameter counts that the paper prints.

Kota. Energy-Efficient AI for Wearable Health: A Compression Framework for ECG Arrhythmia Detection. The counts are
PyTorch's (`printed_parameters`); the paper prints no layer sizes, these are the natural ones that meet its counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ecgdeploy.models.layers import attention_pool, conv_block, pool, residual_block

#: network -> parameters as the paper prints them
PRINTED: dict[str, int] = {
    "kota-cnn1d": 188_035,
    "kota-cnn-lstm-attn": 349_860,
    "kota-bilstm": 530_947,
    "kota-resnet1d-attn": 417_892,
    "kota-resnet1d-se-attn": 1_661_126,
    "kota-convtransformer": 1_711_878,
}


def printed_parameters(model: Any) -> int:
    """Parameters as PyTorch counts them: trainable ones only, and two bias vectors in each LSTM where Keras has one."""
    import keras

    count = sum(int(weight.shape.num_elements()) for weight in model.trainable_variables)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Bidirectional):
            count += 2 * 4 * layer.forward_layer.units
        elif isinstance(layer, keras.layers.LSTM):
            count += 4 * layer.units
    return count


def _head(x: Any, classes: int, multilabel: bool = False) -> Any:
    import keras

    x = keras.layers.Dense(classes, name="logits")(x)
    if multilabel:
        return keras.layers.Activation("sigmoid", dtype="float32", name="statement")(x)
    return keras.layers.Softmax(dtype="float32", name="beat")(x)


def cnn1d(
    samples: int = 256,
    leads: int = 1,
    classes: int = 3,
    filters: Sequence[int] = (32, 64, 128, 128),
    kernel: int = 7,
    dropout: float = 0.0,
    momentum: float = 0.9,
) -> Any:
    """CNN1D: convolution, batch normalization, ReLU, pool 2 after all but the last; mean over time; dense.

    Returns
    -------
    keras.Model
        [batch, 1, samples, leads] -> probabilities [batch, classes]; 188,035 parameters as the paper has it.
    """
    import keras

    x = inputs = keras.Input((1, samples, leads), name="ecg")
    for index, width in enumerate(filters, start=1):
        x = conv_block(x, width, kernel, momentum=momentum, name=f"block{index}")
        if index < len(filters):
            x = pool(x, 2, name=f"block{index}_pool")
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    x = keras.layers.Dropout(dropout, name="dropout")(x) if dropout else x
    return keras.Model(inputs, _head(x, classes), name="kota_cnn1d")


def cnn_lstm_attn(
    samples: int = 256, leads: int = 1, classes: int = 3, units: int = 128, momentum: float = 0.9
) -> Any:
    """CNN-LSTM-Attn: three convolutions with pooling, one bidirectional LSTM, attention over time; 349,860 parameters.

    Returns
    -------
    keras.Model
        [batch, 1, samples, leads] -> probabilities [batch, classes].
    """
    import keras

    x = inputs = keras.Input((1, samples, leads), name="ecg")
    for index, (width, kernel) in enumerate(zip((32, 64, 128), (7, 5, 5), strict=True), start=1):
        x = conv_block(x, width, kernel, bias=False, momentum=momentum, name=f"block{index}")
        x = pool(x, 2, name=f"block{index}_pool")
    x = keras.layers.Reshape((samples // 8, 128), name="steps")(x)
    lstm = keras.layers.LSTM(units, return_sequences=True, name="lstm")
    x = keras.layers.Bidirectional(lstm, name="bilstm")(x)
    x = keras.layers.Reshape((1, samples // 8, 2 * units), name="frames")(x)
    x = attention_pool(x, 128, name="attention")
    return keras.Model(inputs, _head(x, classes), name="kota_cnn_lstm_attn")


def bilstm(samples: int = 256, leads: int = 1, classes: int = 3, units: int = 128) -> Any:
    """BiLSTM: two bidirectional layers, mean and maximum over time, dense; 530,947 parameters.

    Returns
    -------
    keras.Model
        [batch, 1, samples, leads] -> probabilities [batch, classes].
    """
    import keras

    inputs = keras.Input((1, samples, leads), name="ecg")
    x = keras.layers.Reshape((samples, leads), name="steps")(inputs)
    for index in (1, 2):
        lstm = keras.layers.LSTM(units, return_sequences=True, name=f"lstm{index}")
        x = keras.layers.Bidirectional(lstm, name=f"bilstm{index}")(x)
    mean = keras.layers.GlobalAveragePooling1D(name="mean")(x)
    most = keras.layers.GlobalMaxPooling1D(name="max")(x)
    x = keras.layers.Concatenate(name="pooled")([mean, most])
    return keras.Model(inputs, _head(x, classes), name="kota_bilstm")


def resnet1d_attn(
    samples: int = 256,
    leads: int = 1,
    classes: int = 3,
    filters: Sequence[int] = (32, 32, 64, 128),
    kernel: int = 5,
    momentum: float = 0.9,
) -> Any:
    """ResNet1D-Attn: stem, four stages of two residual blocks, attention over time; 417,892 parameters.

    Every stage after the first halves the time, and projects its shortcut.

    Returns
    -------
    keras.Model
        [batch, 1, samples, leads] -> probabilities [batch, classes].
    """
    import keras

    inputs = keras.Input((1, samples, leads), name="ecg")
    x = conv_block(inputs, filters[0], kernel, bias=False, momentum=momentum, name="stem")
    for stage, width in enumerate(filters, start=1):
        for number in (1, 2):
            stride = 2 if stage > 1 and number == 1 else 1
            x = residual_block(x, width, kernel, stride=stride, momentum=momentum, name=f"stage{stage}_{number}")
    x = attention_pool(x, 32, name="attention")
    return keras.Model(inputs, _head(x, classes), name="kota_resnet1d_attn")


def resnet1d_se_attn(
    samples: int = 1000,
    leads: int = 12,
    classes: int = 5,
    filters: Sequence[int] = (64, 128, 128, 256),
    kernels: Sequence[int] = (7, 7, 5, 3),
    momentum: float = 0.9,
) -> Any:
    """ResNet1D-SE-Attn: the same with squeeze and excitation (ratio 8) in each block; 1,661,126 parameters.

    Returns
    -------
    keras.Model
        [batch, 1, samples, leads] -> independent probabilities [batch, classes].
    """
    import keras

    inputs = keras.Input((1, samples, leads), name="ecg")
    x = conv_block(inputs, filters[0], 7, bias=False, momentum=momentum, name="stem")
    for stage, (width, kernel) in enumerate(zip(filters, kernels, strict=True), start=1):
        for number in (1, 2):
            stride = 2 if stage > 1 and number == 1 else 1
            x = residual_block(
                x, width, kernel, stride=stride, momentum=momentum, se_ratio=8, name=f"stage{stage}_{number}"
            )
    x = attention_pool(x, 32, name="attention")
    return keras.Model(inputs, _head(x, classes, multilabel=True), name="kota_resnet1d_se_attn")


def convtransformer(
    samples: int = 1000,
    leads: int = 12,
    classes: int = 5,
    width: int = 256,
    layers: int = 3,
    heads: int = 8,
    feed_forward: int = 512,
    stem: Sequence[int] = (64, 64),
    momentum: float = 0.9,
) -> Any:
    """ConvTransformer: three convolutions to 125 tokens, three post-norm Transformer layers; 1,711,878 parameters.

    The paper names no head count and no positions: eight heads, fixed sinusoidal positions (no parameters).

    Returns
    -------
    keras.Model
        [batch, 1, samples, leads] -> independent probabilities [batch, classes].
    """
    import keras

    from ecgdeploy.models.transformer import Norm, add_positions, transformer_layer

    inputs = keras.Input((1, samples, leads), name="ecg")
    x = conv_block(inputs, stem[0], 11, stride=2, bias=False, momentum=momentum, name="token1")
    x = conv_block(x, stem[1], 9, stride=2, bias=False, momentum=momentum, name="token2")
    x = conv_block(x, width, 5, bias=False, momentum=momentum, name="token3")
    x = pool(x, 2, name="token_pool")
    x = keras.layers.Reshape((x.shape[2], width), name="tokens")(x)
    x = add_positions(x)
    for number in range(1, layers + 1):
        x = transformer_layer(x, heads, feed_forward, name=f"layer{number}")
    x = Norm(name="final_norm")(x)
    x = keras.layers.Reshape((1, *x.shape[1:]), name="frames")(x)
    x = attention_pool(x, None, name="attention")
    x = Norm(name="head_norm")(x)
    return keras.Model(inputs, _head(x, classes, multilabel=True), name="kota_convtransformer")
