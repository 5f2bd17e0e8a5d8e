"""Smaller networks from trained ones: pruning, structured pruning, distillation, layer-wise bits and sparsity."""
