"""A plan as text and as a drawing: which bytes of the arena hold what, over the schedule."""

from __future__ import annotations

import html
from dataclasses import asdict
from typing import Any

from ecgdeploy.codegen import GeneratedEngine
from ecgdeploy.codegen.ir import Network
from ecgdeploy.codegen.plan import Buffer


def as_dict(engine: GeneratedEngine) -> dict[str, Any]:
    """The plan as plain values."""
    plan, network = engine.plan, engine.network
    return {
        "schedule": plan.schedule,
        "arena_bytes": plan.arena_bytes,
        "ram_bytes": plan.ram_bytes,
        "alternatives": plan.alternatives,
        "input_block": plan.input_quantum,
        "events": plan.trace.events,
        "stages": [
            {
                "stage": s.index,
                "operator": s.operator,
                "kind": s.kind,
                "reads": [r.value for r in s.reads],
                "writes": s.writes,
                "output": [network.values[s.writes].time, network.values[s.writes].channels] if s.writes >= 0 else [],
                "storage": element_type(network, s.writes),
                "block": plan.quanta.get(s.index, plan.input_quantum),
                "calls": plan.trace.fires[s.index],
                "macs": network.macs.get(s.index, 0),
                "first_event": plan.trace.stage_span[s.index][0],
                "last_event": plan.trace.stage_span[s.index][1],
            }
            for s in network.stages
        ],
        "weights": [asdict(layer) for layer in engine.weights],
        "buffers": [
            {
                "role": b.role,
                "owner": b.owner,
                "name": b.name,
                "offset": b.offset,
                "bytes": b.bytes,
                "positions": b.positions,
                "first_event": b.first,
                "last_event": min(b.last, plan.trace.events),
                "shared_between_turns": b.turn[0] >= 0,
            }
            for b in sorted(plan.buffers, key=lambda b: (b.offset, b.first))
        ],
    }


def element_type(network: Network, value: int) -> str:
    """How a value is kept: "bytes", "int16" or "float32"; nothing where there is no value."""
    if value < 0:
        return ""
    kept = network.values[value]
    return "float32" if kept.dtype == "float32" else "bytes" if kept.narrow else "int16"


def as_text(engine: GeneratedEngine) -> str:
    """Two tables: the schedule and the memory."""
    plan, network = engine.plan, engine.network
    others = ", ".join(f"{name} {size:,} B" for name, size in plan.alternatives.items())
    lines = [f"schedule {plan.schedule}, arena {plan.arena_bytes:,} B ({others})", ""]
    lines.append(
        f"{'stage':>5}  {'operator':<22} {'output':>12}  {'block':>5}  {'calls':>6}  {'window':>12}  {'of':<7}  "
        f"{'bytes':>7}"
    )
    by_value = {b.owner: b for b in plan.buffers if b.role == "window"}
    for s in network.stages:
        if s.writes >= 0:
            value, buffer = network.values[s.writes], by_value[s.writes]
            shape, window = f"{value.time} x {value.channels}", f"{buffer.positions} of {value.time}"
            size, kind = f"{buffer.bytes:,}", element_type(network, s.writes)
        else:
            shape = window = size = kind = ""
        block = plan.quanta.get(s.index, plan.input_quantum)
        calls = plan.trace.fires[s.index] or -(-network.values[s.writes].time // plan.input_quantum)
        row = f"{s.index:>5}  {s.kind:<22} {shape:>12}  {block:>5}  {calls:>6}  {window:>12}"
        lines.append(f"{row}  {kind:<7}  {size:>7}".rstrip())
    lines += ["", *_weights(engine)]
    lines += ["", f"{'offset':>7}  {'bytes':>7}  {'events':>15}  holds"]
    for b in sorted(plan.buffers, key=lambda b: (b.offset, b.first)):
        span = f"{b.first}..{min(b.last, plan.trace.events)}"
        lines.append(f"{b.offset:>7,}  {b.bytes:>7,}  {span:>15}  {_holds(engine, b)}")
    return "\n".join(lines)


def _weights(engine: GeneratedEngine) -> list[str]:
    """Bits and bytes of every layer's weights."""
    layers = engine.weights
    lines = [f"{'stage':>5}  {'operator':<22} {'weights':>10}  {'bits':>4}  {'bytes':>9}  {'of float32':>10}"]
    for w in layers:
        lines.append(
            f"{w.stage:>5}  {w.kind:<22} {w.count:>10,}  {w.bits:>4}  {w.bytes:>9,}  {w.bytes / (4 * w.count):>10.1%}"
        )
    count, size = sum(w.count for w in layers), sum(w.bytes for w in layers)
    times = f"{4 * count / size:.2f} times smaller than float32" if size else ""
    return [*lines, f"weights in flash: {size:,} B for {count:,}, {times}"] if layers else []


def _holds(engine: GeneratedEngine, b: Buffer) -> str:
    if b.role == "window":
        kind = next(s.kind for s in engine.network.stages if s.writes == b.owner)
        shared = ", between turns of the stages free for others" if b.turn[0] >= 0 else ""
        return f"value {b.owner} (from {kind}){shared}"
    return b.name


_COLOURS = {
    "window": "#4c78a8",
    "shared": "#9ecae9",
    "sums": "#f58518",
    "output": "#54a24b",
    "state": "#e45756",
    "scratch": "#b279a2",
}


def as_html(engine: GeneratedEngine, title: str) -> str:
    """A self-contained page: the arena over the schedule as one drawing, and the tables."""
    plan = engine.plan
    width, height = 1000, 560
    across, up = width / max(plan.trace.events, 1), height / max(plan.arena_bytes, 1)
    boxes = []
    for b in plan.buffers:
        last = min(b.last, plan.trace.events)
        colour = _COLOURS["shared" if b.role == "window" and b.turn[0] >= 0 else b.role]
        x, y = b.first * across, height - (b.offset + b.bytes) * up
        w, h = max((last - b.first + 1) * across, 1.0), max(b.bytes * up, 0.5)
        label = html.escape(f"{_holds(engine, b)}: {b.bytes:,} B at {b.offset:,}, events {b.first}..{last}")
        boxes.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" fill="{colour}" fill-opacity="0.75" '
            f'stroke="#222" stroke-width="0.5"><title>{label}</title></rect>'
        )
        if h > 11 and w > 120:
            boxes.append(f'<text x="{x + 4:.1f}" y="{y + h / 2 + 4:.1f}" font-size="10">{label}</text>')
    legend = " ".join(
        f'<span style="background:{colour}">&nbsp;&nbsp;</span> {name}'
        for name, colour in (
            ("window of a value", _COLOURS["window"]), ("value that lives within one turn", _COLOURS["shared"]),
            ("sums", _COLOURS["sums"]), ("weights or windows being unpacked", _COLOURS["scratch"]),
            ("state", _COLOURS["state"]), ("output", _COLOURS["output"]),
        )
    )  # fmt: skip
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(title)}</title>"
        "<style>body{font:14px sans-serif;margin:2em}pre{font-size:12px}</style>"
        f"<h1>{html.escape(title)}</h1><p>Arena bytes (up) over the schedule (right, one event a call). {legend}</p>"
        f"<svg viewBox='0 0 {width} {height}' width='100%' style='border:1px solid #888'>{''.join(boxes)}</svg>"
        f"<pre>{html.escape(as_text(engine))}</pre></html>\n"
    )
