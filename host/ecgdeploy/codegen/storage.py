"""Which values are kept as bytes instead of int16: half the memory, where the kernels around them can do it.

The bytes are q + 128: the zero-point-free value itself after a ReLU with zero point -128. Convolutions store them and
depthwise convolutions read them for next to nothing, other convolutions read an int16 copy of their window. A
value is kept as bytes where the plan's price, of memory and instructions, is then lower; values that one kernel takes
together (addition, pooling) go together.
"""

from __future__ import annotations

from dataclasses import replace

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.packing import CLAMP, ending
from ecgdeploy.codegen.plan import Plan, estimate, make_plan, price, stream_plan
from ecgdeploy.codegen.scratch import interleaved

STORAGES = ("auto", "bytes", "int16")
SMALL_ARENA = 2048
"""Bytes of an arena that needs no saving: there a value is narrow only where that takes no instructions."""
LEAST_OUTPUTS = 24
"""Output channels of a convolution of several taps that pay for setting its windows side by side."""
MOST_SUMMED = 257
"""Bytes whose sum fits 16 bits."""


def plan_with_storage(network: ir.Network, storage: str = "auto") -> tuple[ir.Network, Plan]:
    """The network with the better storage of every value ("auto"), bytes where they can be, or int16; and its plan."""
    groups = candidates(network, storage == "bytes") if storage != "int16" else []
    if groups and storage == "bytes":
        network = _narrowed(network, frozenset().union(*groups))
    if not groups or storage == "bytes":
        return network, make_plan(network)
    best = network
    plan = stream_plan(network)
    if plan.arena_bytes <= SMALL_ARENA:

        def cost(other: ir.Network) -> float:
            return estimate(other, stream_plan(other, plan))
    else:

        def cost(other: ir.Network) -> float:
            return price(other, stream_plan(other, plan))

    lowest = cost(network)
    # all at once first: a single one may not lower a peak that several share
    trials = [frozenset().union(*groups)] if len(groups) > 1 else []
    for trial in trials:
        other = _narrowed(network, trial)
        if (result := cost(other)) < lowest:
            best, lowest = other, result
    size = {b.owner: b.bytes for b in plan.buffers if b.role == "window"}
    for group in sorted(groups, key=lambda g: (-sum(size[v] for v in g), min(g))):
        now = frozenset(v.index for v in best.values if v.narrow)
        other = _narrowed(network, now - group if group <= now else now | group)
        if (result := cost(other)) < lowest:
            best, lowest = other, result
    return best, make_plan(best)


def _narrowed(network: ir.Network, chosen: frozenset[int]) -> ir.Network:
    return replace(network, values=tuple(replace(v, narrow=v.index in chosen) for v in network.values))


def candidates(network: ir.Network, widened: bool = False) -> list[frozenset[int]]:
    """Values that can be kept as bytes, in groups that must be so together.

    Those that a convolution of several taps reads, and does not interleave, are among them only if they may be
    `widened`: its windows overlap, so that every position would be widened again and again.
    """
    group = {v.index: v.index for v in network.values}

    def root(value: int) -> int:
        while group[value] != value:
            value = group[value]
        return value

    possible = {v.index: v.dtype == "int8" and v.elements > 1 for v in network.values}
    for stage in network.stages:
        users = [r.value for r in stage.reads] + ([stage.writes] if stage.writes >= 0 else [])
        joined = _joins(stage)
        for value in users:
            possible[value] = possible[value] and (joined or _allows(network, stage, value, widened))
        for value in users[1:] if joined else []:
            group[root(value)] = root(users[0])
    members: dict[int, list[int]] = {}
    for value in possible:
        members.setdefault(root(value), []).append(value)
    return [frozenset(m) for m in members.values() if all(possible[v] for v in m)]


def _joins(stage: ir.Stage) -> bool:
    """Whether a stage has a kernel for bytes in and out, and only that."""
    work = stage.work
    if isinstance(work, ir.Pool):
        return work.mode == "max" and not stage.reads[0].whole
    return (
        isinstance(work, ir.Elementwise)
        and work.operation == "add"
        and work.patterns == ("full", "full")
        and all(constant is None for constant in work.constants)
    )


def _allows(network: ir.Network, stage: ir.Stage, value: int, widened: bool) -> bool:
    work = stage.work
    if isinstance(work, ir.Input):
        return True
    if isinstance(work, ir.Conv) and work.packing is None:
        y = network.values[stage.writes]
        if value == stage.writes:
            return ending(work.requant.low, work.requant.high, y.zero_point) != CLAMP
        read = stage.reads[0]
        windowed = not read.whole and work.pool == 1 and network.values[value].time > 1
        paid = work.weights.shape[0] >= LEAST_OUTPUTS and interleaved(network, stage)
        return windowed and (widened or read.reach == 1 or paid)
    if isinstance(work, ir.Depthwise) and work.packing is None:
        return value != stage.writes and not stage.reads[0].whole
    if isinstance(work, ir.Mean):
        x = network.values[value]
        return value != stage.writes and x.elements // network.values[stage.writes].elements <= MOST_SUMMED
    return False
