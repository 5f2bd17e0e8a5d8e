"""A ``.tflite`` file as a small typed graph: read, checked, simplified, costed."""

from ecgdeploy.graph.cost import ModelCost, OperatorCost, costs, energy_proxy, model_cost, total_macs
from ecgdeploy.graph.operators import SUPPORTED, Support
from ecgdeploy.graph.reader import read_tflite
from ecgdeploy.graph.simplify import simplify
from ecgdeploy.graph.types import Graph, Operator, Quantization, Tensor

__all__ = [
    "SUPPORTED", "Graph", "ModelCost", "Operator", "OperatorCost", "Quantization", "Support", "Tensor", "costs",
    "energy_proxy", "model_cost", "read_tflite", "simplify", "total_macs",
]  # fmt: skip
