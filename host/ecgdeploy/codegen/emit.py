"""Network and plan to C: constants, state, one function a stage, and the engine contract around them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ecgdeploy.codegen import ir, ir_wide
from ecgdeploy.codegen.c_text import c_text, fill
from ecgdeploy.codegen.emit_conv import convolution, pool
from ecgdeploy.codegen.emit_elementwise import elementwise, lookup, mean, softmax
from ecgdeploy.codegen.emit_float import float_calls
from ecgdeploy.codegen.emit_functions import pick, prelu
from ecgdeploy.codegen.emit_general import general_calls
from ecgdeploy.codegen.emit_grid import grid, grid_pool
from ecgdeploy.codegen.emit_shape import concat, pad, pad_box
from ecgdeploy.codegen.emit_wide import wide_calls
from ecgdeploy.codegen.gate import nothing_given
from ecgdeploy.codegen.plan import Plan
from ecgdeploy.codegen.schedule import begins_in_padding, is_flexible, outputs_of
from ecgdeploy.codegen.scratch import element_bytes
from ecgdeploy.graph import Graph


@dataclass
class Source:
    """Pieces of the generated file, in the order they stand."""

    constants: list[str]
    functions: list[str]


class Emitter:
    """Writes one model's C."""

    def __init__(self, graph: Graph, network: ir.Network, plan: Plan, target: str) -> None:
        self.graph, self.network, self.plan, self.target = graph, network, plan, target
        self.source = Source([], [])
        self.definitions: list[str] = []
        longest = max(w.lead + network.values[i].time + w.trail for i, w in plan.trace.windows.items())
        self.position_type, self.never = ("int16_t", 0x3FFF) if longest < 8000 else ("int32_t", 0x3FFFFFFF)
        self.needs_edges: set[str] = set()
        self.headers: set[str] = set()  # besides ecgd_kernels.h
        self.shared: set[str] = set()  # constants that several stages use

    # --- names ------------------------------------------------------------------------------------------------------

    def address(self, value: int) -> str:
        return f"VALUE_{value}"

    def window(self, stage: ir.Stage, position: int) -> str:
        """Where read number `position` of a stage starts."""
        read = stage.reads[position]
        value = self.network.values[read.value]
        if read.whole:
            lead = self.plan.trace.windows[read.value].lead * value.channels
            return self.address(read.value) + (f" + {lead}" if lead else "")
        if self.single(read.value) and not read.before:  # a pool's first window may start before the value does
            return self.address(read.value)
        times = f" * {value.channels}" if value.channels != 1 else ""
        return f"{self.address(read.value)} + s.at_{stage.index}_{position}{times}"

    def single(self, v: int) -> bool:
        """Whether a value is one position without padding: it always stands at its window's start."""
        window = self.plan.trace.windows[v]
        return self.network.values[v].time == 1 and not window.lead and not window.trail

    def describe(self, stage: ir.Stage) -> str:
        """One line: operator, place, shapes, parameters."""
        shapes = [f"{self.network.values[r.value].time}x{self.network.values[r.value].channels}" for r in stage.reads]
        if stage.writes >= 0:
            out = self.network.values[stage.writes]
            shapes.append(f"-> {out.time}x{out.channels} '{c_text(out.name[-60:])}'")
        work, details = stage.work, ""
        if isinstance(work, (ir.Conv, ir.Depthwise, ir.FloatConv)):
            details = f", {work.taps} taps, stride {work.stride}" if (work.taps, work.stride) != (1, 1) else ""
            details += f", dilation {work.dilation}" if work.dilation != 1 else ""
        elif isinstance(work, ir.Pool):
            details = f", {work.taps} taps, stride {work.stride}"
        elif isinstance(work, (ir.Grid, ir.GridPool)):
            p = work.plane
            details = f", {p.taps_h} x {p.taps_w} taps over {p.height} x {p.width}, stride {p.stride_h} x {p.stride_w}"
        place = f" (operator {stage.operator})" if stage.operator >= 0 else ""
        return f"{stage.index}. {stage.kind}{place}: {' '.join(shapes)}{details}"

    # --- stages -----------------------------------------------------------------------------------------------------

    def emit(self) -> str:
        for stage in self.network.stages:
            self.stage(stage)
        from ecgdeploy.codegen.skeleton import render

        return render(self)

    def stage(self, stage: ir.Stage) -> None:
        work = stage.work
        if stage.writes >= 0:
            self.source.functions.append(self.room(stage))
        if isinstance(work, ir.Input):
            self.source.functions.append(self.input_function(stage, work))
            return
        body = self.calls(stage)
        lines = [f"/* {self.describe(stage)} */", f"ECGD_SMALL static int stage_{stage.index}(void)", "{"]
        lines += ["    " + line for line in self.readiness(stage)]
        lines += ["    " + line for line in body]
        once = outputs_of(self.network, stage) == 1
        left = "0" if once else f"(position_t)(s.left_{stage.index} - n)"
        lines.append(f"    s.left_{stage.index} = {left};")
        for i, read in enumerate(stage.reads):
            at = f"s.at_{stage.index}_{i}"
            if once and (read.whole or self.single(read.value)):
                lines.append(f"    {at} = FINISHED;" if not self.reads_to_the_end(stage, read) else "")
                continue
            count = f"n / {read.group}" if read.group != 1 else "n"
            step = f"{count} * {read.stride}" if read.stride != 1 else count
            if self.reads_to_the_end(stage, read):
                lines.append(f"    {at} = (position_t)({at} + {step});" if not read.whole else "")
            elif not read.whole:
                lines.append(f"    {at} = (position_t)(s.left_{stage.index} == 0 ? FINISHED : {at} + {step});")
            else:
                lines += [f"    if (s.left_{stage.index} == 0) {{", f"        {at} = FINISHED;", "    }"]
        lines = [line for line in lines if line]
        if stage.writes >= 0:
            lines += ["    " + line for line in self.written(stage, "n")]
        counted = [line for line in lines if re.search(r"\bn\b", line)]
        if len(counted) == 1 and counted[0].startswith("    const int n = "):
            lines.remove(counted[0])
        lines += ["    return 1;", "}"]
        self.source.functions.append("\n".join(lines) + "\n")

    def readiness(self, stage: ir.Stage) -> list[str]:
        """Statements that set n, the positions to make now, or return."""
        quantum, first = self.plan.quanta.get(stage.index, 1), self.plan.firsts.get(stage.index)
        limit = str(quantum)
        if first is not None and first != quantum:  # a shorter first block lets windows and blocks meet
            limit = f"s.left_{stage.index} == {outputs_of(self.network, stage)} ? {first} : {quantum}"
        most = f"least(s.left_{stage.index}, {limit})"
        flexible = is_flexible(stage)
        lines, missing = [f"{'' if flexible else 'const '}int n = {most};"], ["n == 0"]
        constant = not flexible and limit == str(quantum) and outputs_of(self.network, stage) % quantum == 0
        if constant:
            lines, missing = [f"const int n = {quantum};"], [f"s.left_{stage.index} == 0"]
        for i, read in enumerate(stage.reads):
            window = self.plan.trace.windows[read.value]
            filled, at = f"s.filled_{read.value}", f"s.at_{stage.index}_{i}"
            producer = next(p for p in self.network.stages if p.writes == read.value)
            if begins_in_padding(read):
                missing.append(nothing_given(self.network, producer))
            if read.whole:
                missing.append(f"{filled} < {window.lead + self.network.values[read.value].time}")
            elif flexible:
                spare = read.stride - read.reach
                free = f"{filled} - {at}" + (f" {'+' if spare > 0 else '-'} {abs(spare)}" if spare else "")
                limit = f"n = least(n, {f'({free}) / {read.stride}' if read.stride > 1 else free});"
                # the last windows end with the value, not with their taps
                lines += [f"if (s.left_{producer.index} != 0) {{", f"    {limit}", "}"] if read.clipped else [limit]
                missing[0] = "n <= 0"
            else:
                need = f"(n / {read.group} - 1) * {read.stride} + {read.reach}" if read.group != 1 else ""
                need = need or f"(n - 1) * {read.stride} + {read.reach}"
                if constant:
                    need = str((quantum // read.group - 1) * read.stride + read.reach)
                short = f"{filled} - {at} < {need}"
                missing.append(f"(s.left_{producer.index} != 0 && {short})" if read.clipped else short)
        return [*lines, f"if ({' || '.join(missing)}) {{", "    return 0;", "}"]

    def reads_to_the_end(self, stage: ir.Stage, read: ir.Read) -> bool:
        """Whether a read is its value's only one and sees its last position: nothing is written after it finished."""
        value = self.network.values[read.value]
        if sum(r.value == read.value for s in self.network.stages for r in s.reads) != 1:
            return False
        if read.whole or isinstance(stage.work, (ir.Mean, ir.Output)):
            return True
        windows = self.network.values[stage.writes].time // read.group
        last = (windows - 1) * read.stride - read.before + read.reach
        return last >= value.time

    def written(self, stage: ir.Stage, count: str) -> list[str]:
        """Account for `count` positions written."""
        v = stage.writes
        window = self.plan.trace.windows[v]
        lines = []
        if isinstance(stage.work, ir.Mean):
            lines.append(f"if (s.left_{stage.index} == 0) {{")
            lines.append(f"    s.filled_{v} = {window.lead + 1};")
            lines.append("}")
            return lines
        added = "1" if self.single(v) else f"(position_t)(s.filled_{v} + {count})"
        return [*lines, f"s.filled_{v} = {added};"]

    def room(self, stage: ir.Stage) -> str:
        """Function that makes room for n positions more of a value, sliding it where needed."""
        v = stage.writes
        value, window = self.network.values[v], self.plan.trace.windows[v]
        total = value.time
        lines = [f"ECGD_SMALL static void *room_{v}(int n)", "{"]
        if self.single(v):
            return "\n".join([*lines, "    (void)n;", f"    return {self.address(v)};", "}"]) + "\n"
        if window.lead and not self.plan.undisturbed(v):
            bytes_ = window.lead * value.channels * element_bytes(value)
            if isinstance(stage.work, ir.Mean):
                lines.append(f"    {fill(value, self.address(v), bytes_)}")
            else:
                lines.append(f"    if (s.left_{stage.index} == {outputs_of(self.network, stage)}) {{")
                lines.append(f"        {fill(value, self.address(v), bytes_)}")
                lines.append("    }")
        if window.capacity < window.lead + total + window.trail:
            readers = [
                f"s.at_{s.index}_{i}" for s in self.network.stages for i, r in enumerate(s.reads) if r.value == v
            ]
            lines.append(f"    if (s.filled_{v} + n > {window.capacity}) {{")
            row = value.channels * element_bytes(value)
            last = f"&{readers[1]}" if len(readers) == 2 else "NULL"
            if len(readers) <= 2:
                lines.append(f"        slide({self.address(v)}, {row}, &s.filled_{v}, &{readers[0]}, {last});")
            else:
                lines.append(f"        position_t *const readers[] = {{{', '.join(f'&{r}' for r in readers)}}};")
                lines.append(f"        slide_many({self.address(v)}, {row}, &s.filled_{v}, readers, {len(readers)});")
            lines.append("    }")
        else:
            lines.append("    (void)n;")
        lines.append(f"    return {self.address(v)} + s.filled_{v} * {value.channels};")
        lines.append("}")
        return "\n".join(lines) + "\n"

    def input_function(self, stage: ir.Stage, work: ir.Input) -> str:
        """Function that takes bytes of an input: a block at a time is widened into the value."""
        v = stage.writes
        value = self.network.values[v]
        written = "\n        ".join(self.written(stage, "n"))
        quantum, first = str(self.plan.input_quantum), self.plan.firsts.get(stage.index)
        if first is not None and first != self.plan.input_quantum:
            quantum = f"s.left_{stage.index} == {value.time} ? {first} : {quantum}"
        size = value.channels * (1 if value.dtype in ("int8", "uint8") else element_bytes(value))
        start = f"{self.address(v)} + s.filled_{v} * {value.channels}"
        if value.narrow:
            load = f"ecgd_load_u8(data, (uint32_t)take, {start} + s.partial);"
        elif value.dtype == "int8":
            load = f"ecgd_load_int8(data, (uint32_t)take, {value.zero_point}, {start} + s.partial);"
        elif value.dtype == "uint8":
            self.headers.add("ecgd_functions.h")
            load = f"ecgd_load_uint8(data, (uint32_t)take, {value.zero_point + 128}, {start} + s.partial);"
        else:
            load = f"memcpy((uint8_t *)({start}) + s.partial, data, take);"
        return f"""/* {self.describe(stage)} */
static size_t input_{work.number}(const int8_t *data, size_t bytes)
{{
    const int n = least(s.left_{stage.index}, {quantum});
    const size_t missing = (size_t)n * {size}u - s.partial;
    const size_t take = bytes < missing ? bytes : missing;
    if (s.partial == 0) {{
        room_{v}(n);
    }}
    {load}
    s.partial += (uint32_t)take;
    if (take == missing) {{
        s.partial = 0;
        s.left_{stage.index} = (position_t)(s.left_{stage.index} - n);
        {written}
        sweep();
    }}
    return take;
}}
"""

    def calls(self, stage: ir.Stage) -> list[str]:
        """The statements of a stage that do its work."""
        work = stage.work
        if self.network.values[stage.reads[0].value].dtype == "float32" and not isinstance(work, _OF_ANY_TYPE):
            return float_calls(self, stage)
        if isinstance(work, ir.Output):
            x = self.network.values[stage.reads[0].value]
            if x.dtype == "int16":
                return [f"memcpy(OUTPUT_{work.number}, {self.window(stage, 0)}, {2 * x.elements});"]
            if x.dtype == "uint8":
                self.headers.add("ecgd_functions.h")
                store = f"ecgd_store_uint8({self.window(stage, 0)}, {x.elements}, {x.zero_point + 128}"
                return [f"{store}, OUTPUT_{work.number});"]
            return [f"ecgd_store_int8({self.window(stage, 0)}, {x.elements}, {x.zero_point}, OUTPUT_{work.number});"]
        calls = _CALLS.get(type(work))
        if calls is None:
            raise AssertionError(f"no C for {stage.kind}")
        return calls(self, stage, work)


_OF_ANY_TYPE = (
    ir.Concat, ir.Pad, ir.PadBox, ir.Move, ir.Convert, ir.Grid, ir.GridPool, ir.Prelu, ir.Pick,
)  # fmt: skip
_CALLS: dict[type, Callable[[Emitter, ir.Stage, Any], list[str]]] = {
    ir.Conv: convolution, ir.Depthwise: convolution, ir.Pool: pool, ir.Elementwise: elementwise, ir.Mean: mean,
    ir.Lookup: lookup, ir.Softmax: softmax, ir.Concat: concat, ir.Pad: pad, ir.PadBox: pad_box, ir.Grid: grid,
    ir.GridPool: grid_pool,
    ir.Move: general_calls, ir.SumRows: general_calls, ir.MatMul: general_calls, ir.Convert: general_calls,
    ir.Lstm: general_calls, ir.Prelu: prelu, ir.Pick: pick, ir_wide.Rescale: wide_calls, ir_wide.Sigmoid: wide_calls,
    ir_wide.WideSoftmax: wide_calls, ir_wide.Rsqrt: wide_calls,
}  # fmt: skip
"""What writes the statements of each kind of work."""
