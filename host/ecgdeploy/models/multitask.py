"""The multi-task CNN of Rajotte et al., with the paper's exact parameter counts, and a pooled one for two cores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ecgdeploy.errors import UsageError, unknown
from ecgdeploy.models.layers import conv_block, pool
from ecgdeploy.models.paper import LEADS, UNITS

HEADS = ("diagnostic", "form", "rhythm")
FILTERS = (128, 128, 256, 256, 128, 128)
#: the count pins the first kernel to 15 and k2 + 2 k3 + 4 k4 + 2 k5 + k6 to 102; this is the natural solution
KERNELS = (15, 15, 11, 11, 7, 7)


def units_of(outputs: str) -> tuple[int, int, int]:
    """Units of the three heads for the paper's output set `outputs` ("75", "56" or "41")."""
    if outputs not in UNITS:
        raise unknown("output set", str(outputs), UNITS)
    return UNITS[outputs]


def _heads(x: Any, units: Sequence[int]) -> list[Any]:
    import keras

    heads = []
    for head, width in zip(HEADS, units, strict=True):
        y = keras.layers.Dense(64, activation="relu", name=f"{head}_dense")(x)
        y = keras.layers.Dense(width, name=f"{head}_logits")(y)
        heads.append(keras.layers.Activation("sigmoid", dtype="float32", name=head)(y))
    return heads


def _build(
    leads: int, units: Sequence[int], samples: int, filters: Sequence[int], kernels: Sequence[int], pools: Sequence[int]
) -> Any:
    import keras

    x = inputs = keras.Input((1, samples, leads), name="ecg")
    for index, (width, kernel, size) in enumerate(zip(filters, kernels, pools, strict=True), start=1):
        x = conv_block(x, width, kernel, momentum=0.9, name=f"block{index}")
        if size > 1:
            x = pool(x, size, name=f"block{index}_pool")
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, _heads(x, units), name="mtcnn")


def mtcnn(
    leads: int = 12, outputs: str = "75", samples: int = 1000, units: Sequence[int] | None = None
) -> Any:
    """The paper's MT-CNN: 1,728,971 parameters with 12 leads and 75 outputs, 1,709,741 with 3 leads and "41".

    Parameters
    ----------
    leads : {12, 5, 3}
        Number of leads; which ones is `LEADS`.
    outputs : {"75", "56", "41"}
        Output set; the head widths are `UNITS`.
    samples : int
        Samples per lead (10 s at 100 Hz).
    units : sequence of three int, optional
        Head widths, where the data set at hand has other ones than the paper's.

    Returns
    -------
    keras.Model
        [batch, 1, samples, leads] -> [diagnostic, form, rhythm] probabilities.

    Raises
    ------
    UsageError
        A lead count or output set that the paper does not have.
    """
    if leads not in LEADS:
        raise UsageError(f"mtcnn has no {leads}-lead form", f"choose one of {', '.join(map(str, sorted(LEADS)))}")
    return _build(leads, units or units_of(outputs), samples, FILTERS, KERNELS, (1,) * 6)


def mtcnn_pooled(
    leads: int = 12,
    outputs: str = "75",
    samples: int = 1000,
    units: Sequence[int] | None = None,
    width: float = 0.25,
) -> Any:
    """The MT-CNN for a small budget: filters scaled by `width`, max-pool 2 after each of the first five blocks.

    It trains in seconds per epoch on two cores and is what ``study run rajotte2025 --quick`` uses. It is not the
    paper's network; every table that shows it says so.
    """
    if leads not in LEADS:
        raise UsageError(f"mtcnn has no {leads}-lead form", f"choose one of {', '.join(map(str, sorted(LEADS)))}")
    filters = [max(8, int(f * width)) for f in FILTERS]
    return _build(leads, units or units_of(outputs), samples, filters, KERNELS, (2, 2, 2, 2, 2, 1))
