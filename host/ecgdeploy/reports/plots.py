"""Plots of a measurement as SVG text, for embedding in a page that needs no network."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

# Okabe-Ito: distinguishable with the common colour-vision deficiencies, readable on light and dark.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
INK = "#7a7a7a"
#: parts of an image, one colour in every bar
PART_COLOURS = {"model": COLOURS[0], "engine": COLOURS[1], "app": COLOURS[2], "kernels": COLOURS[3],
                "libc": COLOURS[4], "port": COLOURS[5], "link": COLOURS[6], "stack high-water": "#882255",
                "padding": "#999999"}
SPARE_COLOURS = ("#44AA99", "#117733", "#DDCC77", "#AA4499", "#332288")
# ECG paper: thin lines every 40 ms and 0.1 mV are left out, thick ones every 200 ms and 0.5 mV are squares
PAPER, BOX_S, BOX_MV = "#D55E00", 0.2, 0.5
# of a row drawn; the beat in question is shown whole up to WHOLE_MV
MOST_MV, WHOLE_MV = 4.0, 12.0
ROLES = {"window": COLOURS[0], "shared": COLOURS[4], "sums": COLOURS[1], "scratch": COLOURS[3], "state": COLOURS[5],
         "output": COLOURS[2]}
ROLE_NAMES = {"window": "window of a tensor", "shared": "tensor within one turn", "sums": "sums",
              "scratch": "weights or windows being unpacked", "state": "state", "output": "output"}


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
    # what is drawn in INK takes the page's own text colour, light or dark
    return text[text.index("<svg"):].replace(INK, "currentColor")


def confusion_matrix(confusion: list[list[int]], classes: list[str]) -> str:
    """Confusion matrix, rows annotated, columns predicted; shade is the share of the row."""
    size = max(3.6, 0.55 * len(classes) + 1)
    plt, (figure, axes) = _figure(size, size - 0.4)
    counts = np.asarray(confusion, dtype=float)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        axes.text(column, row, f"{int(counts[row, column]):,}\n{100 * share[row, column]:.1f} %", ha="center",
                  va="center", fontsize=8, color="white" if share[row, column] > 0.5 else "#202020")
    long = sum(map(len, classes)) > 8 * size  # side by side they would run into each other
    axes.set_xticks(range(len(classes)), classes, rotation=90 if long else 0)
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
    axes.plot(seconds, signal, linewidth=0.8, color=INK)
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
    axes.set_xlim(seconds[0], seconds[-1])
    axes.set_ylim(top=top + 0.06 * float(np.ptp(signal) or 1))
    axes.set_xlabel(f"seconds, record {strip['record']}")
    axes.set_ylabel(f"{strip['lead']}, mV")
    return _svg(plt, figure)


def mistake(shown: dict[str, Any]) -> str:
    """The ECG of one wrong answer on ECG paper (squares of 0.2 s and 0.5 mV), a row a lead.

    Parameters
    ----------
    shown : an entry of `ecgdeploy.measure.mistakes.make_mistakes`.
    """
    leads, rate = shown["leads"], shown["rate_hz"]
    rows = {lead: np.asarray(values) / 1000 for lead, values in leads.items()}
    longest = max(len(values) for values in rows.values())
    seconds = shown["start_s"] + np.arange(longest) / (rate or 1)
    spans = {lead: _span(v, _near(v, shown, seconds)) for lead, v in rows.items()}
    width = 9.0
    boxes = (longest / rate / BOX_S) if rate else 40
    heights = [(high - low) / BOX_MV for low, high in spans.values()]
    plt, (figure, first) = _figure(width, max(1.2, 0.55 + sum(heights) * (width - 0.8) / boxes))
    first.remove()
    grid = figure.subplots(len(rows), 1, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    for axes, (lead, values) in zip(grid, rows.items(), strict=True):
        axes.set_xlim(seconds[0], seconds[0] + (longest / rate if rate else longest))
        axes.tick_params(length=0, labelsize=8)
        for side in axes.spines.values():
            side.set_visible(False)
        axes.set_ylabel(lead if rate else "input", rotation=0, ha="right", va="center")
        if rate:
            axes.set_ylim(*spans[lead])
            first_box = np.ceil(seconds[0] / BOX_S - 1e-9) * BOX_S
            axes.set_xticks(np.arange(first_box, seconds[-1] + BOX_S / 2, BOX_S), minor=True)
            axes.set_yticks(np.arange(spans[lead][0], spans[lead][1] + 0.01, BOX_MV))
            axes.grid(which="both", axis="x", color=PAPER, alpha=0.3, linewidth=0.6)
            axes.grid(which="major", axis="y", color=PAPER, alpha=0.3, linewidth=0.6)
            axes.tick_params(which="minor", length=0)
            axes.set_yticklabels([])
        axes.plot(seconds[: len(values)], values, linewidth=1.0, color=INK)
        if shown["time_s"] is not None:
            axes.axvspan(shown["time_s"] - 0.3, shown["time_s"] + 0.3, color=COLOURS[1], alpha=0.25, linewidth=0)
    paper = "seconds of the record; a square is 0.2 s by 0.5 mV"
    grid[-1].set_xlabel(paper if rate else "samples of the model's input")
    return _svg(plt, figure)


def _near(values: np.ndarray, shown: dict[str, Any], seconds: np.ndarray) -> np.ndarray:
    """Of a row, what is shaded: it has to be seen whole."""
    if shown["time_s"] is None:
        return values[:0]
    return values[np.abs(seconds[: len(values)] - shown["time_s"]) <= 0.3]


def _span(values: np.ndarray, whole: np.ndarray) -> tuple[float, float]:
    """Lowest and highest millivolt drawn: artefacts are cut at `MOST_MV`, the beat in question is not."""
    low = max(_floor(values), -MOST_MV / 2)
    high = min(_floor(values) + max(_height(values), 2 * BOX_MV), MOST_MV / 2 + 1)
    if len(whole):
        low = max(min(low, _floor(whole)), -WHOLE_MV / 2)
        high = min(max(high, _floor(whole) + _height(whole)), WHOLE_MV / 2)
    # a row that lies outside altogether (an offset of many millivolts) is drawn where it is
    return (low, high) if low < high else (_floor(values), _floor(values) + max(_height(values), 2 * BOX_MV))


def _floor(values: np.ndarray) -> float:
    return float(np.floor(values.min() / BOX_MV) * BOX_MV) if len(values) else 0.0


def _height(values: np.ndarray) -> float:
    return float(np.ceil(values.max() / BOX_MV) * BOX_MV) - _floor(values) if len(values) else 0.0


def plan(drawn: dict[str, Any]) -> str:
    """Memory over the schedule: what lies at which bytes of the arena, and from which call to which.

    Parameters
    ----------
    drawn : `ecgdeploy.codegen.drawing.as_dict`, at least ``events``, ``arena_bytes``, ``buffers`` and ``stages``.
    """
    plt, (figure, axes) = _figure(10, 4.2)
    stage_of = {stage["writes"]: stage for stage in drawn["stages"] if stage["writes"] >= 0}
    used: dict[str, None] = {}
    events, arena = max(drawn["events"], 1), max(drawn["arena_bytes"], 1)
    for buffer in drawn["buffers"]:
        role = "shared" if buffer["role"] == "window" and buffer["shared_between_turns"] else buffer["role"]
        used[role] = None
        start, length = buffer["first_event"], buffer["last_event"] - buffer["first_event"] + 1
        axes.add_patch(plt.Rectangle((start, buffer["offset"]), length, buffer["bytes"], facecolor=ROLES[role],
                                     alpha=0.55, edgecolor=INK, linewidth=0.6))
        stage = stage_of.get(buffer["owner"]) if buffer["role"] == "window" else None
        what = f"{stage['stage']} {stage['kind']}" if stage else buffer["name"]
        label = f"{what}, {buffer['bytes']:,} B"
        if length / events > 0.011 * len(label) and buffer["bytes"] / arena > 0.035:
            axes.text(start + length / 2, buffer["offset"] + buffer["bytes"] / 2, label, ha="center", va="center",
                      fontsize=8, color=INK)
    axes.set_xlim(0, events + 1)
    axes.set_ylim(0, arena)
    axes.set_xlabel(f"schedule, {drawn['events']:,} calls of operators")
    axes.set_ylabel("arena, bytes")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    handles = [plt.Rectangle((0, 0), 1, 1, facecolor=ROLES[role], alpha=0.55) for role in ROLES if role in used]
    axes.legend(handles, [ROLE_NAMES[role] for role in ROLES if role in used], ncols=6, fontsize=8, frameon=False,
                loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return _svg(plt, figure)


def operators(rows: list[dict[str, Any]]) -> str:
    """One bar an operator: its instructions in one inference, and per multiply-accumulate where it has those."""
    plt, (figure, axes) = _figure(10, 0.7 + 0.27 * len(rows))
    total = max(sum(row["instructions"] for row in rows), 1)
    most = max(row["instructions"] for row in rows)
    for place, row in enumerate(rows):
        axes.barh(place, row["instructions"], color=COLOURS[0], height=0.7)
        text = f"{row['instructions']:,}  ({100 * row['instructions'] / total:.1f} %"
        text += f", {row['instructions'] / row['macs']:.2f} a MAC)" if row["macs"] else ")"
        axes.text(row["instructions"] + most * 0.01, place, text, va="center", fontsize=8, color=INK)
    axes.set_yticks(range(len(rows)), [f"{row['stage']} {row['kind']}" for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, most * 1.35)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("instructions of one inference")
    return _svg(plt, figure)


def parts(sizes: dict[str, int], limit: int, what: str) -> str:
    """One stacked bar: where the bytes of flash or RAM go, against the board's limit in the label."""
    plt, (figure, axes) = _figure(10, 1.3)
    left = 0
    spare = iter(SPARE_COLOURS * len(sizes))
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        axes.barh(0, size, left=left, color=PART_COLOURS.get(name) or next(spare), label=f"{name} {size:,}")
        left += size
    axes.set_yticks([])
    axes.set_xlim(0, max(left, 1))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel(f"bytes of {what}: {left:,} of {limit:,}")
    axes.legend(ncols=5, fontsize=8, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return _svg(plt, figure)


def runs_beside(names: tuple[str, ...], panels: dict[str, tuple[tuple[float | None, ...], tuple[str, ...]]]) -> str:
    """A panel a figure, a bar a run; what stands beside each bar is given, and stands alone where there is no value.

    Parameters
    ----------
    panels : name of the figure to the runs' values and texts.
    """
    plt, (figure, _) = _figure(10, 0.55 + 0.34 * len(names))
    figure.clear()
    every = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    places = range(len(names))
    for axes, (title, (values, texts)) in zip(every, panels.items(), strict=True):
        most = max((value for value in values if value is not None), default=1) or 1
        axes.barh(places, [value or 0 for value in values], 0.55, color=COLOURS[0])
        for place, value, text in zip(places, values, texts, strict=True):
            axes.annotate(text, (value or 0, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8,
                          color=INK)
        axes.set_xlim(0, 1.6 * most)  # room for the texts
        axes.set_xticks([])
        axes.set_title(title, color=INK, fontsize=9, loc="left")
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.tick_params(left=False)
    every[0].set_yticks(places, [name if len(name) <= 28 else "…" + name[-27:] for name in names])
    every[0].invert_yaxis()
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
