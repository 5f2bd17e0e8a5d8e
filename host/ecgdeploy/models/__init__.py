"""The networks, as Keras builders looked up by name; importing this package does not import TensorFlow.

Every network is written with 1 x k ``Conv2D`` over an input of shape [1, samples, leads]: the same arithmetic and
parameter count as ``Conv1D``, without the EXPAND_DIMS and RESHAPE operators that Conv1D leaves in a ``.tflite``.
"""

from __future__ import annotations

import importlib
from typing import Any

from ecgdeploy.errors import UsageError, unknown

#: name in a configuration file -> (module of this package, builder)
BUILDERS: dict[str, tuple[str, str]] = {
    "beat-cnn": ("beats", "beat_cnn"),
    "mtcnn": ("multitask", "mtcnn"),
    "mtcnn-pooled": ("multitask", "mtcnn_pooled"),
    "ahmed-resnet": ("ahmed", "ahmed_resnet"),
    "kota-cnn1d": ("kota", "cnn1d"),
    "kota-cnn-lstm-attn": ("kota", "cnn_lstm_attn"),
    "kota-bilstm": ("kota", "bilstm"),
    "kota-resnet1d-attn": ("kota", "resnet1d_attn"),
    "kota-resnet1d-se-attn": ("kota", "resnet1d_se_attn"),
    "kota-convtransformer": ("kota", "convtransformer"),
    "gaurhar-resnet1d": ("gaurhar", "resnet1d"),
    "hubert-ecg": ("gaurhar", "hubert_ecg"),
    "weimann-resnet": ("weimann", "weimann_resnet"),
}


def build(name: str, **options: Any) -> Any:
    """Build the network `name` with the builder's own `options`.

    Returns
    -------
    keras.Model
        Input [batch, 1, samples, leads], float32.

    Raises
    ------
    UsageError
        Unknown network, or an option that its builder does not have.
    """
    if name not in BUILDERS:
        raise unknown("network", name, BUILDERS)
    module, attribute = BUILDERS[name]
    builder = getattr(importlib.import_module(f"ecgdeploy.models.{module}"), attribute)
    import inspect

    known = set(inspect.signature(builder).parameters)
    for option in options:
        if option not in known:
            raise unknown(f"option of network {name}", option, known)
    try:
        return builder(**options)
    except TypeError as error:
        raise UsageError(f"network {name}: {error}", f"its options are {', '.join(sorted(known))}") from error


def beat_cnn(**options: Any) -> Any:
    """Build the small beat classifier; see `ecgdeploy.models.beats.beat_cnn`."""
    return build("beat-cnn", **options)


def mtcnn(leads: int = 12, outputs: str = "75", **options: Any) -> Any:
    """Build the multi-task CNN of Rajotte et al.; see `ecgdeploy.models.multitask.mtcnn`."""
    return build("mtcnn", leads=leads, outputs=outputs, **options)
