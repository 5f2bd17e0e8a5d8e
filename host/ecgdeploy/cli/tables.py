"""Terminal tables of the training commands."""

from __future__ import annotations

from typing import Any


def bits_lines(entry: dict[str, Any]) -> list[str]:
    """What a mixed-bits file has for bits, and what is left of the ratio in flash."""
    lines = [f"bits ({entry['method']}): " + ", ".join(f"{la['name']} {la['bits']}" for la in entry["layers"])]
    sizes = entry["storage"]
    named = (
        ("paper", "on paper"), ("static", "engine static, packed"), ("int4", "as int4 tensors"),
        ("tflm", "tflm and litert"),
    )  # fmt: skip
    parts = [
        f"{title} {sizes[key]['bytes']:,} B ({sizes[key]['times_smaller']:.2f}x)" for key, title in named if sizes[key]
    ]
    return [*lines, f"weights: float32 {sizes['float32_bytes']:,} B; " + ", ".join(parts)]


def quantization_table(manifest: dict[str, Any]) -> Any:
    """Table of a quantization manifest: one row a precision."""
    from rich.table import Table

    scored = "source" in manifest["test"]
    table = Table(
        title=f"test: {manifest['test'].get('source', 'not scored')}",
        # int8 kernels differ by a rounding: a device's answers are TFLM's
        caption="scored with LiteRT's kernels on this computer (XNNPACK); ecgdeploy measure scores the device's"
        if scored else None,
        caption_justify="left",
    )  # fmt: skip
    for name in ("precision", "bytes", "accuracy", "macro F1", "macro AUC", "= float32", "max |Δp|", "calibration"):
        table.add_column(name, justify="left" if name == "precision" else "right")
    for precision, entry in manifest["precisions"].items():
        test, against = entry.get("test", {}), entry.get("against_float32", {})
        table.add_row(
            precision,
            f"{entry['bytes']:,}",
            *(f"{test[k]:.4f}" if k in test else "-" for k in ("accuracy", "macro_f1", "macro_auc")),
            f"{against['argmax_agreement']:.4f}" if against else "-",
            f"{against['max_probability_difference']:.4f}" if against else "-",
            f"{entry['calibration']['windows']} windows" if entry["calibration"] else "-",
        )
    return table
