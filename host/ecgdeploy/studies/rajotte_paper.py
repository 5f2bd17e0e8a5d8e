"""What Rajotte et al. 2025 print, as data."""

from __future__ import annotations

#: macro AUC, 12 leads, all outputs (abstract; section IV-A)
MACRO_AUC = {"float32": 0.893, "float16": 0.893, "dynamic": 0.893, "int8": 0.513}
#: mean size over the nine configurations (section IV-B); the paper's "Mb" are MiB
SIZE_MIB = {"float32": 6.549, "float16": 3.283, "dynamic": 1.6668, "int8": 1.681}
#: macro F1, 12 leads, mean of the three precisions that work: output set -> (diagnostic, form, rhythm) (section IV-A)
MACRO_F1 = {"75": (0.149, 0.129, 0.341), "56": (0.198, 0.182, 0.474), "41": (0.262, 0.215, 0.594)}
#: Table I, milliseconds an invocation, mean: (leads, outputs) -> float32, float16, dynamic, int8
MILLISECONDS = {
    (12, "75"): (150, 148, 135, 149),
    (12, "56"): (147, 147, 134, 148),
    (12, "41"): (148, 148, 134, 148),
    (5, "75"): (148, 147, 134, 148),
    (5, "56"): (198, 201, 35, 44),
    (5, "41"): (198, 202, 35, 44),
    (3, "75"): (203, 213, 36, 43),
    (3, "56"): (197, 202, 35, 43),
    (3, "41"): (201, 204, 37, 44),
}
