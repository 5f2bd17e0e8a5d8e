"""Inputs to compare two runs of a model with, where no recording is at hand."""

from __future__ import annotations

import numpy as np

from ecgdeploy.graph.reader import read_tflite


def random_inputs(model: bytes, windows: int, seed: int) -> list[list[np.ndarray]]:
    """Inputs over the whole range of the model's element types, the same for the same seed."""
    graph = read_tflite(model, supported=False)
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(windows):
        window = []
        for index in graph.inputs:
            tensor = graph.tensors[index]
            if tensor.dtype == "float32":
                window.append(generator.standard_normal(tensor.shape).astype(np.float32))
            else:
                limits = np.iinfo(tensor.dtype)
                window.append(generator.integers(limits.min, limits.max, tensor.shape, tensor.dtype, endpoint=True))
        made.append(window)
    return made
