"""Plots of a measurement as SVG text, for embedding in a page that needs no network."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

# Okabe-Ito: distinguishable with the common colour-vision deficiencies, readable on light and dark.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
INK = "#7a7a7a"


def _figure(width: float, height: float):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    # A fixed salt and no date: the same result gives the same bytes.
    plt.rcParams.update({"svg.hashsalt": "ecgdeploy", "svg.fonttype": "none", "text.color": INK,
                         "axes.edgecolor": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK})
    return plt, plt.subplots(figsize=(width, height), layout="constrained")


def _svg(plt, figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    plt.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg"):]


def confusion_matrix(confusion: list[list[int]], classes: list[str]) -> str:
    """Confusion matrix, rows annotated, columns predicted; shade is the share of the row."""
    plt, (figure, axes) = _figure(3.6, 3.2)
    counts = np.asarray(confusion, dtype=float)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        axes.text(column, row, f"{int(counts[row, column]):,}\n{100 * share[row, column]:.1f} %", ha="center",
                  va="center", fontsize=8, color="white" if share[row, column] > 0.5 else "#202020")
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted on the device")
    axes.set_ylabel("annotated")
    return _svg(plt, figure)


def ecg_strip(strip: dict[str, Any]) -> str:
    """A few seconds of ECG with each beat's annotated class and the device's verdict.

    Parameters
    ----------
    strip : keys ``signal_mv`` (list of float), ``rate_hz``, ``start_s``, ``record``, ``lead``, and ``beats``: list of
        ``{"time_s", "annotated", "device"}``, ``device`` None for a beat that was not sent.
    """
    plt, (figure, axes) = _figure(10, 2.4)
    signal = np.asarray(strip["signal_mv"])
    seconds = strip["start_s"] + np.arange(len(signal)) / strip["rate_hz"]
    axes.plot(seconds, signal, linewidth=0.8, color=COLOURS[0])
    top = float(signal.max()) + 0.25 * float(np.ptp(signal) or 1)
    for beat in strip["beats"]:
        verdict, truth = beat["device"], beat["annotated"]
        if verdict is None:
            label, colour, weight = truth.lower(), INK, "normal"
        elif verdict == truth:
            label, colour, weight = verdict, COLOURS[2], "bold"
        else:
            label, colour, weight = f"{verdict}\n({truth})", COLOURS[5], "bold"
        axes.annotate(label, (beat["time_s"], top), ha="center", va="top", fontsize=8, color=colour, fontweight=weight)
    axes.set_ylim(top=top)
    axes.set_xlabel(f"seconds, record {strip['record']}")
    axes.set_ylabel(f"{strip['lead']}, mV")
    return _svg(plt, figure)


def parts(sizes: dict[str, int], limit: int, what: str) -> str:
    """One stacked bar: where the bytes of flash or RAM go, against the board's limit in the label."""
    plt, (figure, axes) = _figure(10, 1.3)
    left = 0
    for index, (name, size) in enumerate(sorted(sizes.items(), key=lambda item: -item[1])):
        axes.barh(0, size, left=left, color=COLOURS[index % len(COLOURS)], label=f"{name} {size:,}")
        left += size
    axes.set_yticks([])
    axes.set_xlabel(f"bytes of {what}: {left:,} of {limit:,}")
    axes.legend(ncols=4, fontsize=7, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return _svg(plt, figure)


def grouped_bars(title: str, unit: str, groups: tuple[str, ...], series: dict[str, tuple[float | None, ...]]) -> str:
    """Bars side by side: one colour a series, one cluster a group; None leaves a gap."""
    plt, (figure, axes) = _figure(9, 3.2)
    width = 0.8 / max(len(series), 1)
    for index, (name, values) in enumerate(series.items()):
        places = [group + (index - (len(series) - 1) / 2) * width for group, v in enumerate(values) if v is not None]
        heights = [value for value in values if value is not None]
        axes.bar(places, heights, width, label=name, color=COLOURS[index % len(COLOURS)], hatch="//" * (index > 6))
    axes.set_xticks(range(len(groups)), groups)
    axes.set_ylabel(unit)
    axes.set_title(title, color=INK)
    axes.legend(fontsize=8, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.12), frameon=False)
    return _svg(plt, figure)


def scatter(title: str, x: str, y: str, series: dict[str, dict[str, tuple[float, float]]]) -> str:
    """Named points (x, y), one colour a series; x is logarithmic."""
    plt, (figure, axes) = _figure(9, 4)
    for index, (name, points) in enumerate(series.items()):
        places = np.array(list(points.values()), dtype=float).reshape(-1, 2)
        axes.scatter(places[:, 0], places[:, 1], label=name, color=COLOURS[index % len(COLOURS)], s=28)
        for label, place in points.items():
            axes.annotate(label, place, xytext=(4, 3), textcoords="offset points", fontsize=7, color=INK)
    axes.set_xscale("log")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title, color=INK)
    axes.legend(fontsize=8, frameon=False)
    return _svg(plt, figure)
