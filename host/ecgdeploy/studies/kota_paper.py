"""What Kota prints, as data. Accuracy and macro F1 on MIT-BIH; macro AUROC and macro F1 (or AUPRC) on PTB-XL."""

from __future__ import annotations

#: Tables II and III: network -> accuracy, macro F1; or macro AUROC, macro AUPRC, macro F1 at 0.5
BASELINE: dict[str, tuple[float, ...]] = {
    "bilstm": (0.715, 0.482),
    "cnn1d": (0.915, 0.605),
    "resnet1d-attn": (0.911, 0.653),
    "cnn-lstm-attn": (0.897, 0.644),
    "resnet1d-se-attn": (0.9056, 0.7612, 0.6921),
    "convtransformer": (0.8894, 0.7359, 0.6683),
}
#: Table IV: network -> thousands of parameters before and after, sparsity in %, the two scores
L1: dict[str, tuple[float, float, float, float, float]] = {
    "cnn1d": (188.0, 38.4, 79.5, 0.913, 0.610),
    "bilstm": (530.9, 109.4, 79.4, 0.80, 0.45),
    "cnn-lstm-attn": (349.9, 183.2, 47.6, 0.867, 0.638),
    "resnet1d-attn": (417.9, 86.0, 79.4, 0.916, 0.656),
    "resnet1d-se-attn": (1661.1, 623.6, 47.8, 0.874, 0.654),
    "convtransformer": (1711.9, 1177.7, 31.2, 0.890, 0.736),
}
#: Tables V and VI: network -> step -> sparsity in %, first score and macro F1 as (mean, sd)
STEPS: dict[str, tuple[tuple[float, tuple[float, float], tuple[float, float]], ...]] = {
    "resnet1d-attn": (
        (8, (0.915, 0.002), (0.671, 0.004)),
        (16, (0.920, 0.001), (0.650, 0.003)),
        (24, (0.917, 0.002), (0.648, 0.003)),
        (32, (0.904, 0.002), (0.637, 0.004)),
        (40, (0.860, 0.003), (0.543, 0.005)),
    ),
    "convtransformer": (
        (8, (0.9058, 0.002), (0.7003, 0.004)),
        (16, (0.8939, 0.002), (0.6896, 0.003)),
        (24, (0.8870, 0.002), (0.6876, 0.004)),
        (32, (0.8845, 0.002), (0.6819, 0.003)),
        (40, (0.8836, 0.003), (0.6854, 0.004)),
    ),
}
#: Table VII: network -> sparsity in % -> MFLOPs, runtime in ms, their product. The text prints no rows for ResNet1D.
EFFICIENCY: dict[str, dict[int, tuple[float, float, float]]] = {
    "convtransformer": {8: (230.56, 30.84, 7111.40), 40: (230.56, 30.44, 7018.00)},
}
#: Table VIII: network -> method -> first score, macro F1, energy proxy relative to the baseline
ABLATION: dict[str, dict[str, tuple[float, float, float]]] = {
    "resnet1d-attn": {
        "baseline": (0.919, 0.669, 1.00), "l1-kd": (0.917, 0.648, 0.49), "energy-40": (0.905, 0.626, 0.39)
    },
    "convtransformer": {
        "baseline": (0.889, 0.668, 1.00), "l1-kd": (0.885, 0.664, 0.99), "energy-40": (0.884, 0.682, 0.99)
    },
}  # fmt: skip
#: what the paper says of itself that cannot all be true
INCONSISTENT = (
    "Table IV, ResNet1D-SE-Attn: 1661.1 k to 623.6 k parameters is a sparsity of 62.5 %, the row says 47.8 %",
    "the conclusion's 86 % less energy proxy stands beside Table VIII's 0.39x, which is 61 % less",
    "the energy proxy is MFLOPs times milliseconds: it has no unit of energy and squares every saving",
    "importance as printed, alpha |w| + (1 - alpha) E / max(E), prunes the cheapest layers to nothing first; the text "
    "wants the opposite, which |w| relative to its layer's rms and a minus sign give (method 'energy' here)",
)
