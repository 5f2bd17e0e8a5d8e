"""Run a network's schedule without its arithmetic: how much of every value must be kept, and when.

The generated C follows the same rules, position for position, so what is counted here is what the device does:
a stage fires when its windows are filled, writes `quantum` positions, and releases what no reader needs any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ecgdeploy.codegen import ir


@dataclass
class _Reader:
    stage: int
    read: ir.Read
    at: int  # start of the next window, in positions of the value's padded axis
    done: bool = False


@dataclass
class _Axis:
    """A value's positions, padding included: [0, lead) zeros, [lead, lead + time) data, then trail zeros."""

    lead: int
    time: int
    trail: int
    filled: int = 0
    complete: bool = False
    padded: int = 0
    persistent: bool = False
    readers: list[_Reader] = field(default_factory=list)
    capacity: int = 0
    first_event: int = -1
    last_event: int = -1


@dataclass(frozen=True)
class Window:
    """Storage of one value: `capacity` positions, of which `lead` and `trail` are padding of the whole axis.

    `first` and `last` are the events between which it is in use; one that is not `persistent` is empty whenever the
    stages have all had their turn.
    """

    value: int
    capacity: int
    lead: int
    trail: int
    first: int
    last: int
    persistent: bool


@dataclass(frozen=True)
class Trace:
    """What a simulated inference did."""

    windows: dict[int, Window]
    fires: dict[int, int]  # stage -> number of calls
    events: int
    stage_span: dict[int, tuple[int, int]]  # stage -> first and last event


def axis_padding(network: ir.Network, value: int) -> tuple[int, int]:
    """Zero positions before and after a value, as its readers want them."""
    reads = [r for s in network.stages for r in s.reads if r.value == value and not r.clipped and not r.whole]
    return max((r.before for r in reads), default=0), max((r.after for r in reads), default=0)


def outputs_of(network: ir.Network, stage: ir.Stage) -> int:
    """Steps a stage makes: output positions, or input positions of a reduction (one of a whole input)."""
    if isinstance(stage.work, ir.Mean):
        return 1 if stage.reads[0].whole else network.values[stage.reads[0].value].time
    return network.values[stage.writes].time if stage.writes >= 0 else 1


def is_flexible(stage: ir.Stage) -> bool:
    """Whether a stage takes any number of positions at the same cost each."""
    return not isinstance(stage.work, _FIXED) and not any(r.whole for r in stage.reads)


def begins_in_padding(read: ir.Read) -> bool:
    """Whether padding alone fills the first window: it waits, as padding is set when the first position is written."""
    return not read.whole and not read.clipped and read.before >= read.reach


_FIXED = (
    ir.Conv, ir.Depthwise, ir.FloatConv, ir.Pad, ir.PadBox, ir.Output, ir.Move, ir.MatMul, ir.Grid, ir.GridPool,
)  # fmt: skip


def simulate(
    network: ir.Network, quanta: Mapping[int, int], input_quantum: int, firsts: Mapping[int, int] | None = None
) -> Trace:
    """Play one inference.

    Parameters
    ----------
    quanta : stage index -> positions per call; convolutions wait for them, other stages take what is there up to them
    input_quantum : positions of an input taken before the stages are looked at
    firsts : stage index -> positions of its first call, where that is another number
    """
    return _Simulation(network, quanta, input_quantum, firsts or {}).run()


class _Simulation:
    def __init__(
        self, network: ir.Network, quanta: Mapping[int, int], input_quantum: int, firsts: Mapping[int, int]
    ) -> None:
        self.network, self.quanta, self.input_quantum, self.firsts = network, quanta, input_quantum, firsts
        self.event = 0
        self.axes = []
        for value in network.values:
            lead, trail = axis_padding(network, value.index)
            self.axes.append(_Axis(lead, value.time, trail, filled=lead))
        self.left = {s.index: outputs_of(network, s) for s in network.stages}
        self.readers: dict[int, list[_Reader]] = {}
        for stage in network.stages:
            self.readers[stage.index] = []
            for read in stage.reads:
                axis = self.axes[read.value]
                reader = _Reader(stage.index, read, 0 if read.whole else axis.lead - read.before)
                axis.readers.append(reader)
                self.readers[stage.index].append(reader)
        self.fires = {s.index: 0 for s in network.stages}
        self.active = [s for s in network.stages if not isinstance(s.work, ir.Input)]
        self.span: dict[int, tuple[int, int]] = {}

    def run(self) -> Trace:
        for stage in self.network.stages:
            if isinstance(stage.work, ir.Input):
                first = self.firsts.get(stage.index, self.input_quantum)
                while self.left[stage.index]:
                    most = self.input_quantum if self.fires[stage.index] else first
                    n = min(most, self.left[stage.index])
                    self.fires[stage.index] += 1
                    self.event += 1
                    self.left[stage.index] -= n
                    self.write(stage, n, self.left[stage.index] == 0)
                    self.touch(stage)
                    self.sweep()
        while True:
            while self.sweep():
                pass
            if not self.pad_ends():
                break
        stuck = [s for s in self.network.stages if self.left[s.index]]
        assert not stuck, f"schedule cannot proceed: {stuck[0]}"
        windows = {
            i: Window(i, max(a.capacity, 1), a.lead, a.trail, a.first_event, a.last_event, a.persistent)
            for i, a in enumerate(self.axes)
        }
        return Trace(windows, self.fires, self.event, self.span)

    def sweep(self) -> bool:
        fired = False
        self.active = [s for s in self.active if self.left[s.index]]
        for stage in self.active:
            most = min(self.quanta.get(stage.index, 1), self.left[stage.index])
            if not self.fires[stage.index]:
                most = min(most, self.firsts.get(stage.index, most))
            n = min(most, self.available(stage, most))
            if n == most or (n > 0 and is_flexible(stage)):
                self.event += 1
                self.fire(stage, n)
                fired = True
        for stage in self.active:
            for reader in self.readers[stage.index]:
                axis = self.axes[reader.read.value]
                if not axis.persistent and axis.first_event >= 0 and self.kept(axis) < axis.filled:
                    axis.persistent = True
        return fired

    def pad_ends(self) -> bool:
        """Once nothing else moves, append a position of zeros after the values that are complete."""
        padded = False
        for axis in self.axes:
            if axis.complete and axis.padded < axis.trail:
                dropped = self.kept(axis)
                axis.filled += 1
                axis.capacity = max(axis.capacity, axis.filled - dropped)
                axis.padded += 1
                padded = True
        return padded

    @staticmethod
    def kept(axis: _Axis) -> int:
        """First position that a reader still needs."""
        starts = [r.at for r in axis.readers if not r.done]
        return max(0, min(min(starts, default=axis.filled), axis.filled))

    def available(self, stage: ir.Stage, most: int) -> int:
        """Outputs that the inputs allow."""
        n = most
        for reader in self.readers[stage.index]:
            axis, read = self.axes[reader.read.value], reader.read
            if read.whole:
                n = n if axis.complete else 0
            elif begins_in_padding(read) and axis.first_event < 0:
                n = 0
            elif not (read.clipped and axis.complete):
                n = min(n, (axis.filled - reader.at - read.reach + read.stride) // read.stride * read.group)
        return n

    def fire(self, stage: ir.Stage, n: int) -> None:
        self.fires[stage.index] += 1
        self.left[stage.index] -= n
        last = self.left[stage.index] == 0
        if stage.writes >= 0 and (last or not isinstance(stage.work, ir.Mean)):
            self.write(stage, 1 if isinstance(stage.work, ir.Mean) else n, last)
        for reader in self.readers[stage.index]:
            if not reader.read.whole:
                reader.at += n // reader.read.group * reader.read.stride
            reader.done = last
            self.axes[reader.read.value].last_event = self.event
        self.touch(stage)

    def touch(self, stage: ir.Stage) -> None:
        first, _ = self.span.get(stage.index, (self.event, 0))
        self.span[stage.index] = (first, self.event)

    def write(self, stage: ir.Stage, n: int, last: bool) -> None:
        axis = self.axes[stage.writes]
        dropped = self.kept(axis)
        axis.filled += n
        axis.complete = last
        axis.capacity = max(axis.capacity, axis.filled - dropped)
        if axis.first_event < 0:
            axis.first_event = self.event
        axis.last_event = self.event
