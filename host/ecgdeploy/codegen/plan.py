"""Memory: which values live where in the arena, and which schedule needs less of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.schedule import Trace, outputs_of, simulate
from ecgdeploy.codegen.scratch import (
    CONV_BLOCK,
    READ_SLACK,
    element_bytes,
    gathered_bytes,
    interleaved,
    packing_of,
    rounded,
    scratch_rows,
    widened_bytes,
    widened_rows,
)

LSTM_STATES = 6  # rows of units that a step needs (ecgd_lstm.h)
FLOAT_BLOCK = 4  # multiple of what the float kernels compute at once


@dataclass(frozen=True)
class Buffer:
    """A piece of the arena.

    `role` is "window" (sliding positions of a value), "sums" (32-bit sums of a reduction), "scratch" (weights being
    unpacked), "state" (of an LSTM) or "output".
    """

    role: str
    owner: int  # value index, or stage index of the reduction or output
    name: str
    bytes: int
    offset: int
    first: int
    last: int
    positions: int = 0
    turn: tuple[int, int] = (-1, -1)  # stages between which it is in use, where it is empty between turns


@dataclass(frozen=True)
class Plan:
    """How one network runs.

    Attributes
    ----------
    schedule : "stream" or "layers"
    quanta : stage -> positions a call
    firsts : stage -> positions of its first call, where that is another number
    input_quantum : positions of the input taken at once
    buffers : pieces of the arena
    arena_bytes : size of the arena, read slack of the kernels included
    alternatives : arena bytes of every schedule that was tried
    """

    schedule: str
    quanta: dict[int, int]
    firsts: dict[int, int]
    input_quantum: int
    trace: Trace
    buffers: tuple[Buffer, ...]
    arena_bytes: int
    alternatives: dict[str, int] = field(default_factory=dict)

    @property
    def ram_bytes(self) -> int:
        """Memory the engine keeps for itself: the arena and about two bytes a counter."""
        return self.arena_bytes + 6 * len(self.trace.fires) + 8

    def undisturbed(self, value: int) -> bool:
        """Whether nothing else uses a value's bytes before it does: its padding can then be set at the start."""
        own = self.buffer("window", value)
        return not any(
            other is not own
            and other.offset < own.offset + own.bytes
            and own.offset < other.offset + other.bytes
            and other.first <= own.first
            for other in self.buffers
        )

    def buffer(self, role: str, owner: int) -> Buffer:
        """The buffer of a value or stage."""
        return next(b for b in self.buffers if b.role == role and b.owner == owner)


def make_plan(network: ir.Network) -> Plan:
    """The cheaper of the streaming and the layer-by-layer plan, by arena size."""
    plain = _planned(network, "stream", *_stream_quanta(network))
    plain = _longer_calls(network, plain)
    budget = EVENTS_PLAYED // max(
        plain.trace.events, 1
    )  # so many more inferences may be played to choose between plans
    streams = [_planned(network, "stream", *_stream_quanta(network, narrow)) for narrow in NARROW[:budget]]
    streams.append(_planned(network, "stream", *_stream_quanta(network, first=2)))
    stream = min([plain, *streams], key=lambda plan: price(network, plan))
    stream = _improved(network, stream, budget - len(streams))
    layers = _planned(network, "layers", *_layer_quanta(network))
    chosen = min(stream, layers, key=lambda p: p.arena_bytes)
    return replace(chosen, alternatives={"stream": stream.arena_bytes, "layers": layers.arena_bytes})


def stream_plan(network: ir.Network, like: Plan | None = None) -> Plan:
    """A first streaming plan, or one that plays like another of the same network in other storage."""
    if like is None:
        return _planned(network, "stream", *_stream_quanta(network))
    return _planned(network, "stream", like.quanta, like.input_quantum, like.firsts, like.trace)


def _longer_calls(network: ir.Network, plain: Plan) -> Plan:
    """Longer calls of layers with packed weights, where what unpacking costs then outweighs the longer windows."""
    packed = [s.index for s in network.stages if packing_of(s) and network.values[s.writes].time > 1]
    if not packed:
        return plain
    best_turns = dict.fromkeys(packed, 1)
    best, best_score = plain, price(network, plain)
    trials = [dict.fromkeys(packed, turns) for turns in PACKED_TURNS]
    for trial in trials:
        plan = _planned(network, "stream", *_stream_quanta(network, turns=trial))
        if (score := price(network, plan)) < best_score:
            best, best_score, best_turns = plan, score, trial
    for stage in packed[:MOST_TUNED]:
        for turns in (1, *PACKED_TURNS):
            trial = {**best_turns, stage: turns}
            plan = _planned(network, "stream", *_stream_quanta(network, turns=trial))
            if (score := price(network, plan)) < best_score:
                best, best_score, best_turns = plan, score, trial
    return best


# layers of at most so many channels may run in double blocks: their windows cost little, their calls weigh
NARROW = (8, 16, 32, 64)
# blocks of positions in a call of a layer with packed weights: they are unpacked once a call
PACKED_TURNS = (2, 4, 6, 8)
EVENTS_PLAYED = 250_000
# what a percent of memory may cost in percent of instructions: by the length of calls and the storage, by phases
WORTH, PHASE_WORTH = 0.22, 0.15


def price(network: ir.Network, plan: Plan, worth: float = WORTH) -> float:
    """What a plan costs, in memory and instructions: smaller is better."""
    return worth * math.log(plan.arena_bytes) + math.log(estimate(network, plan))


def estimate(network: ir.Network, plan: Plan) -> float:
    """Instructions of one inference, roughly: only good for comparing plans of the same network."""
    total = 0.0
    for stage in network.stages:
        fires = plan.trace.fires[stage.index]
        total += 60.0 * fires
        if isinstance(stage.work, ir.Input):  # every stage is asked then
            total += ASKING * len(network.stages) * fires
        if isinstance(stage.work, ir.Conv):
            outputs, taps, inputs = stage.work.weights.shape
            block = -(-min(plan.quanta[stage.index], network.values[stage.writes].time) // CONV_BLOCK) * CONV_BLOCK
            if network.values[stage.reads[0].value].narrow and interleaved(network, stage):
                total += fires * block * taps * inputs * (0.72 * outputs + 1.0) + fires * block * outputs * 17.0
                continue
            total += fires * block * outputs * (0.8 * taps * inputs + 17.0)
            if network.values[stage.reads[0].value].narrow:
                rows, _ = widened_rows(stage, plan.quanta[stage.index])
                total += fires * (40.0 + rows * (8.0 + WIDENING * network.values[stage.reads[0].value].channels))
        elif isinstance(stage.work, ir.Depthwise):
            taps, channels = stage.work.weights.shape
            total += fires * channels / 2 * (50.0 + 6.0 * taps * (plan.quanta[stage.index] + 1) // 2 * 2)
            if network.values[stage.reads[0].value].narrow:  # one load a row more
                rows = taps + CONV_BLOCK - 1 if stage.work.stride == stage.work.dilation else taps * CONV_BLOCK
                total += fires * channels / 2 * rows * -(-plan.quanta[stage.index] // CONV_BLOCK)
        elif isinstance(stage.work, ir.Elementwise) and network.values[stage.writes].narrow:
            total += (10.0 + ADDING) * network.values[stage.writes].elements
        elif isinstance(stage.work, ir.Grid):
            total += network.values[stage.writes].time * stage.work.inner.weights.size * 1.2
        elif stage.writes >= 0:
            total += 10.0 * network.values[stage.writes].elements
        if (packing := packing_of(stage)) is not None:
            table = 0.0 if packing.table is None else LOOKING_UP
            total += fires * stage.work.weights.size * (UNPACKING[packing.bits] + table)
    return total


ASKING = 12.0  # instructions that ask a stage which has nothing to do
# instructions a weight: by bits, and for a table
UNPACKING = {1: 0.9, 2: 0.9, 3: 1.5, 4: 1.0, 5: 1.5, 6: 1.5, 7: 2.1}
LOOKING_UP = 5.0
MOST_TUNED = 12
# what bytes cost an element beside int16: to widen, to add
WIDENING, ADDING = 2.8, 1.0


def _worth_tuning(network: ir.Network, plan: Plan) -> list[ir.Stage]:
    """Convolutions over time that read or write the largest windows, in the order of the network."""
    size = {b.owner: b.bytes for b in plan.buffers if b.role == "window"}
    weight = {
        s.index: max(size[s.writes], size[s.reads[0].value])
        for s in network.stages
        if isinstance(s.work, ir.Conv) and network.values[s.writes].time > plan.quanta[s.index]
    }
    heaviest = sorted(weight, key=lambda i: (-weight[i], i))[:MOST_TUNED]
    return [network.stages[i] for i in sorted(heaviest) if weight[i] * 50 > plan.arena_bytes]


def _improved(network: ir.Network, plan: Plan, budget: int) -> Plan:
    """Shift the phase of convolutions (their first block) where windows and blocks then meet with less left over."""
    best, best_score = plan, price(network, plan, PHASE_WORTH)
    tunable = _worth_tuning(network, plan)
    inputs = [s for s in network.stages if isinstance(s.work, ir.Input) and network.values[s.writes].time > 1]
    longest = {s.index: plan.quanta.get(s.index, plan.input_quantum) for s in [*inputs, *tunable]}
    longest |= {s.index: min(plan.input_quantum, network.values[s.writes].time) for s in inputs}
    for stage in [*inputs, *tunable, *reversed(tunable), *inputs]:  # a later choice may undo the use of an earlier one
        for first in range(1, longest[stage.index] + 1):
            budget -= 1
            if budget < 0:
                return best
            trial = _planned(network, "stream", plan.quanta, plan.input_quantum, {**best.firsts, stage.index: first})
            score = price(network, trial, PHASE_WORTH)
            if score < best_score:
                best, best_score = trial, score
    return best


def _stream_quanta(
    network: ir.Network, narrow: int = 0, turns: Mapping[int, int] | None = None, first: int = 1
) -> tuple[dict[int, int], int]:
    quanta: dict[int, int] = {}
    producer = {s.writes: s for s in network.stages if s.writes >= 0}
    input_quantum = 1
    for stage in network.stages:
        time = outputs_of(network, stage)
        if isinstance(stage.work, (ir.Grid, ir.GridPool)):
            quanta[stage.index] = grid_quantum(stage)
            if isinstance(producer[stage.reads[0].value].work, ir.Input) and not stage.reads[0].whole:
                input_quantum = max(input_quantum, stage.reads[0].stride)
        elif isinstance(stage.work, ir.FloatConv):
            quanta[stage.index] = min(FLOAT_BLOCK, time)
        elif isinstance(stage.work, (ir.Conv, ir.Depthwise)):
            channels = max(network.values[stage.writes].channels, network.values[stage.reads[0].value].channels)
            reads_input = isinstance(producer[stage.reads[0].value].work, ir.Input)
            blocks = max((turns or {}).get(stage.index, 1), first if reads_input else 1)
            quanta[stage.index] = min(CONV_BLOCK * max(blocks, 2 if channels <= narrow else 1), time)
        elif (
            isinstance(stage.work, (ir.Pad, ir.PadBox, ir.Move, ir.MatMul))
            or _rows(stage)
            or (isinstance(stage.work, ir.Concat) and stage.work.axis == "time")
        ):
            quanta[stage.index] = time
        elif stage.reads:
            source = producer[stage.reads[0].value]
            rate = -(-quanta.get(source.index, CONV_BLOCK) // stage.reads[0].stride)
            quanta[stage.index] = min(time, max(1, rate))
        if stage.reads and isinstance(stage.work, (ir.Conv, ir.Depthwise, ir.FloatConv)):
            if isinstance(producer[stage.reads[0].value].work, ir.Input):
                input_quantum = max(input_quantum, quanta[stage.index] * stage.reads[0].stride)
    return quanta, input_quantum


def _layer_quanta(network: ir.Network) -> tuple[dict[int, int], int]:
    longest = max(v.time for v in network.values)
    return {s.index: outputs_of(network, s) for s in network.stages}, longest


def _planned(
    network: ir.Network, schedule: str, quanta: dict[int, int], input_quantum: int,
    firsts: dict[int, int] | None = None, trace: Trace | None = None,
) -> Plan:  # fmt: skip
    firsts = firsts or {}
    trace = trace or simulate(network, quanta, input_quantum, firsts)
    wanted: list[Buffer] = []
    for value in network.values:
        window = trace.windows[value.index]
        size = rounded(window.capacity * value.channels * element_bytes(value))
        turn = (-1, -1) if window.persistent else _turn(network, value.index)
        wanted.append(
            Buffer("window", value.index, value.name, size, 0, window.first, window.last, window.capacity, turn)
        )
    for stage in network.stages:
        first, last = trace.stage_span[stage.index]
        if isinstance(stage.work, ir.Mean):
            narrow = network.values[stage.reads[0].value].narrow  # then 16 bits hold every sum
            size = rounded((2 if narrow else 4) * network.values[stage.writes].elements)
            wanted.append(Buffer("sums", stage.index, f"sums of stage {stage.index}", size, 0, first, last))
        if (packing := packing_of(stage)) is not None:
            size = packing.scratch_bytes + scratch_rows(network, stage, packing, quanta[stage.index])
            turn = (stage.index, stage.index)
            wanted.append(
                Buffer("scratch", stage.index, f"weights of stage {stage.index}", size, 0, first, last, turn=turn)
            )
        if size := widened_bytes(network, stage, quanta.get(stage.index, 1)):
            turn = (stage.index, stage.index)
            wanted.append(
                Buffer("scratch", stage.index, f"window of stage {stage.index}", size, 0, first, last, turn=turn)
            )
        if isinstance(stage.work, ir.Grid):
            size = gathered_bytes(stage.work, element_bytes(network.values[stage.writes]))
            turn = (stage.index, stage.index)
            wanted.append(
                Buffer("scratch", stage.index, f"windows of stage {stage.index}", size, 0, first, last, turn=turn)
            )
        if isinstance(stage.work, ir.Lstm):
            size = LSTM_STATES * 2 * stage.work.units
            wanted.append(Buffer("state", stage.index, f"state of stage {stage.index}", size, 0, first, last))
        if isinstance(stage.work, ir.Output):
            value = network.values[stage.reads[0].value]
            size = rounded(value.elements * (1 if value.dtype in ("int8", "uint8") else element_bytes(value)))
            wanted.append(Buffer("output", stage.index, f"output {stage.work.number}", size, 0, first, 1 << 30))
    buffers = _place(wanted)
    end = max(b.offset + b.bytes for b in buffers)
    return Plan(schedule, quanta, firsts, input_quantum, trace, tuple(buffers), max(end, _read_end(network, buffers)))


def _rows(stage: ir.Stage) -> bool:
    return isinstance(stage.work, ir.Pick) and stage.work.rows > 0


def grid_quantum(stage: ir.Stage) -> int:
    """Outputs a call of a window over two dimensions: a row where it streams, else a block."""
    read, plane = stage.reads[0], stage.work.plane
    if not read.whole:
        return read.group
    return stage.work.block if plane.out_height == 1 else plane.out_width


def _read_end(network: ir.Network, buffers: list[Buffer]) -> int:
    """Last arena byte that a kernel may read beyond its buffers."""
    end = 0
    by_value = {b.owner: b for b in buffers if b.role == "window"}
    for stage in network.stages:
        if isinstance(stage.work, (ir.Conv, ir.Depthwise, ir.Lstm)):
            buffer, value = by_value[stage.reads[0].value], network.values[stage.reads[0].value]
            beyond = (CONV_BLOCK - 1) * stage.reads[0].stride * value.channels + READ_SLACK
            end = max(end, buffer.offset + buffer.bytes + rounded(beyond * element_bytes(value)))
    return end


def _turn(network: ir.Network, value: int) -> tuple[int, int]:
    """Stages between which a value is in use within one turn of all stages."""
    users = [s.index for s in network.stages if s.writes == value or any(r.value == value for r in s.reads)]
    return min(users), max(users)


def _rivals(a: Buffer, b: Buffer) -> bool:
    """Whether two buffers are ever in use at the same time."""
    if a.last < b.first or b.last < a.first:
        return False
    transient = a.turn[0] >= 0 and b.turn[0] >= 0
    return not (transient and (a.turn[1] < b.turn[0] or b.turn[1] < a.turn[0]))


def _place(wanted: list[Buffer]) -> list[Buffer]:
    """Largest first, each at the lowest offset free of buffers that are in use at the same time."""
    placed: list[Buffer] = []
    for buffer in sorted(wanted, key=lambda b: (-b.bytes, b.role, b.owner)):
        offset = 0
        for rival in sorted((b for b in placed if _rivals(b, buffer)), key=lambda b: b.offset):
            if offset + buffer.bytes <= rival.offset:
                break
            offset = max(offset, rival.offset + rival.bytes)
        placed.append(replace(buffer, offset=offset))
    return placed
