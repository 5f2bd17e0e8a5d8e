"""The 1-D ResNet-18 of Ahmed and its eighteen experiments, as changes to one base configuration.

Ahmed. Trade-offs between size and performance of ResNet-18 in ECG classification (thesis, 2025), Table 4.1 and
Appendix A.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ecgdeploy.ecg.person import FEATURES
from ecgdeploy.errors import unknown
from ecgdeploy.models.layers import time_strides

KERNEL = 7
STEM = 64
SE_RATIO = 16


@dataclass(frozen=True)
class Architecture:
    """What the experiments change.

    Attributes
    ----------
    se : squeeze and excitation behind the second batch normalization.
    bn1, bn2, conv2 : of each residual block.
    blocks, widths : residual blocks and filters of each stage; the stem stays 64 wide.
    stem_kernel : samples.
    separable : depthwise and pointwise convolutions in the blocks.
    person : units of the dense layer for age and sex.
    """

    se: bool = True
    bn1: bool = True
    bn2: bool = True
    conv2: bool = True
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    widths: tuple[int, ...] = (64, 128, 256, 512)
    stem_kernel: int = 15
    separable: bool = False
    person: int = 10


_BARE: dict[str, Any] = {"bn2": False, "conv2": False, "se": False}
_HALF, _QUARTER = {"widths": (32, 64, 128, 256)}, {"widths": (16, 32, 64, 128)}
#: experiment -> what it changes
CHANGES: dict[str, dict[str, Any]] = {
    "E1": {},
    "E2": {"se": False},
    "E3": {"bn1": False},
    "E4": {"bn2": False},
    "E5": {"conv2": False},
    "E6": {"bn2": False, "conv2": False},
    "E7": _BARE,
    "E8": {"blocks": (1, 1, 2, 2)},
    "E9": {"blocks": (1, 1, 1, 1)},
    "E10": {"blocks": (2, 2, 3, 3)},
    "E11": {"stem_kernel": 7},
    "E12": {"separable": True},
    "E13": _HALF,
    "E14": {"person": 5},
    "E15": _BARE | {"separable": True},
    "E16": _BARE | {"separable": True} | _HALF,
    "E17": _QUARTER,
    "E18": _BARE | {"separable": True} | _QUARTER,
}
ARCHITECTURES = {name: replace(Architecture(), **change) for name, change in CHANGES.items()}


def ahmed_resnet(
    experiment: str = "E1", classes: int = 17, samples: int = 2500, leads: int = 12, dropout: float = 0.2
) -> Any:
    """Build the network of one experiment.

    Returns
    -------
    keras.Model
        ([batch, 1, samples, leads], [batch, 3] age and sex) -> [batch, classes] probabilities.

    Raises
    ------
    UsageError
        Unknown experiment.
    """
    import keras

    if experiment not in ARCHITECTURES:
        raise unknown("experiment", experiment, ARCHITECTURES)
    shape = ARCHITECTURES[experiment]
    signal = keras.Input((1, samples, leads), name="ecg")
    person = keras.Input((len(FEATURES),), name="person")
    x = _conv(signal, STEM, shape.stem_kernel, 2, "stem_conv")
    x = keras.layers.BatchNormalization(momentum=0.9, name="stem_bn")(x)
    x = keras.layers.ReLU(name="stem_relu")(x)
    x = keras.layers.MaxPooling2D((1, 3), (1, 2), padding="same", name="stem_pool")(x)
    for stage, (count, width) in enumerate(zip(shape.blocks, shape.widths, strict=True), start=1):
        for number in range(1, count + 1):
            stride = 2 if stage > 1 and number == 1 else 1
            x = _block(x, width, stride, shape, dropout, f"stage{stage}_block{number}")
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    y = keras.layers.Dense(shape.person, name="person_dense")(person)
    x = keras.layers.Concatenate(name="joined")([y, x])
    x = keras.layers.Dense(classes, name="logits")(x)
    answer = keras.layers.Activation("sigmoid", dtype="float32", name="probabilities")(x)
    return keras.Model([signal, person], answer, name=f"ahmed-{experiment.lower()}")


def _conv(x: Any, filters: int, kernel: int, stride: int, name: str) -> Any:
    import keras

    return keras.layers.Conv2D(
        filters, (1, kernel), time_strides(kernel, stride), "same", use_bias=False, kernel_initializer="he_normal",
        name=name,
    )(x)


def _block(x: Any, width: int, stride: int, shape: Architecture, dropout: float, name: str) -> Any:
    """Residual block: two convolutions at most, squeeze and excitation, and a projection where the shape changes."""
    import keras

    def convolution(x: Any, stride: int, part: str) -> Any:
        if not shape.separable:
            return _conv(x, width, KERNEL, stride, f"{name}_{part}")
        # TensorFlow wants the same stride in both directions; over a height of one it changes nothing
        x = keras.layers.DepthwiseConv2D(
            (1, KERNEL), (stride, stride), "same", use_bias=False, depthwise_initializer="he_normal",
            name=f"{name}_{part}_depthwise",
        )(x)
        return _conv(x, width, 1, 1, f"{name}_{part}")

    def normalized(x: Any, part: str) -> Any:
        return keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_{part}")(x)

    skip = x
    x = convolution(x, stride, "conv1")
    x = normalized(x, "bn1") if shape.bn1 else x
    x = keras.layers.ReLU(name=f"{name}_relu1")(x)
    x = keras.layers.Dropout(dropout, name=f"{name}_dropout")(x) if dropout else x
    x = convolution(x, 1, "conv2") if shape.conv2 else x
    x = normalized(x, "bn2") if shape.bn2 else x
    x = _squeeze_excite(x, width, name) if shape.se else x
    if stride > 1 or skip.shape[-1] != width:
        skip = normalized(_conv(skip, width, 1, stride, f"{name}_skip"), "skip_bn")
    return keras.layers.ReLU(name=f"{name}_relu2")(keras.layers.Add(name=f"{name}_add")([x, skip]))


def _squeeze_excite(x: Any, width: int, name: str) -> Any:
    """Scale each channel by what its mean over time suggests; 1 x 1 convolutions are dense layers without a reshape."""
    import keras

    y = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    y = _conv(y, width // SE_RATIO, 1, 1, f"{name}_se1")
    y = keras.layers.ReLU(name=f"{name}_se_relu")(y)
    y = _conv(y, width, 1, 1, f"{name}_se2")
    y = keras.layers.Activation("sigmoid", name=f"{name}_se_gate")(y)
    return keras.layers.Multiply(name=f"{name}_scale")([x, y])


def state_dict_mib(model: Any) -> float:
    """Size of the same network as a saved PyTorch state dict, in MiB and without the file's own headers.

    Float32 parameters and running statistics, and a 64-bit counter for each batch normalization.
    """
    import keras

    counters = sum(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers)
    return float(4 * model.count_params() + 8 * counters) / 2**20
