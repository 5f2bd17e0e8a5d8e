"""A model's answers before its last sigmoid or softmax: what a student is best taught."""

from __future__ import annotations

from typing import Any


def logits_of(model: Any) -> Any | None:
    """The same layers without the final sigmoid or softmax of each output; None where an output does not end so."""
    import keras

    inner = []
    for tensor in model.outputs:
        last = tensor._keras_history.operation
        is_sigmoid = isinstance(last, keras.layers.Activation) and last.get_config()["activation"] == "sigmoid"
        if not (is_sigmoid or isinstance(last, keras.layers.Softmax)):
            return None
        inner.append(last.input)
    inputs = model.inputs if len(model.inputs) > 1 else model.inputs[0]
    return keras.Model(inputs, inner if len(inner) > 1 else inner[0], name=f"{model.name}_logits")
