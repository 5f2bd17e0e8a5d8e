"""Network and plan to C: constants, state, one function a stage, and the engine contract around them."""
# ruff: noqa: E501  (lines of C)

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.emit_float import float_calls
from ecgdeploy.codegen.emit_general import general_calls
from ecgdeploy.codegen.emit_narrow import narrow_convolution, narrow_mean
from ecgdeploy.codegen.emit_subbyte import subbyte_calls
from ecgdeploy.codegen.packing import PackedConv, pack_conv, pack_depthwise
from ecgdeploy.codegen.plan import Plan, c_type, element_bytes
from ecgdeploy.codegen.schedule import is_flexible, outputs_of
from ecgdeploy.graph import Graph

_TYPES = {
    "int8": "ECGD_INT8",
    "int16": "ECGD_INT16",
    "float32": "ECGD_FLOAT32",
    "uint8": "ECGD_UINT8",
    "int32": "ECGD_INT32",
}


def c_array(values: np.ndarray, per_line: int = 24) -> str:
    """Comma-separated elements, wrapped."""
    flat = [str(int(v)) for v in np.asarray(values).reshape(-1)]
    lines = [", ".join(flat[i : i + per_line]) for i in range(0, len(flat), per_line)]
    return ",\n    ".join(lines)


def c_text(text: str) -> str:
    """`text` made safe inside a C comment."""
    return (
        "".join(ch if ch.isprintable() and ch.isascii() else "?" for ch in text)
        .replace("*/", "* /")
        .replace("/*", "/ *")
    )


def fill(value: ir.Value, at: str, size: int) -> str:
    """Statement that fills `size` bytes with the padding of a value."""
    return f"memset({at}, {value.padding}, {size});" if value.padding else f"zero({at}, {size});"


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
        times = f" * {value.channels}" if value.channels != 1 else ""
        return f"{self.address(read.value)} + s.at_{stage.index}_{position}{times}"

    def describe(self, stage: ir.Stage) -> str:
        """One line: operator, place, shapes, parameters."""
        shapes = [f"{self.network.values[r.value].time}x{self.network.values[r.value].channels}" for r in stage.reads]
        if stage.writes >= 0:
            out = self.network.values[stage.writes]
            shapes.append(f"-> {out.time}x{out.channels} '{c_text(out.name[-60:])}'")
        work, details = stage.work, ""
        if isinstance(work, (ir.Conv, ir.Depthwise, ir.FloatConv)):
            details = f", {work.taps} taps, stride {work.stride}, dilation {work.dilation}"
        elif isinstance(work, ir.Pool):
            details = f", {work.taps} taps, stride {work.stride}"
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
        lines.append(f"    s.left_{stage.index} = (position_t)(s.left_{stage.index} - n);")
        for i, read in enumerate(stage.reads):
            at = f"s.at_{stage.index}_{i}"
            step = f"n * {read.stride}" if read.stride != 1 else "n"
            if self.reads_to_the_end(stage, read):
                lines.append(f"    {at} = (position_t)({at} + {step});" if not read.whole else "")
            elif not read.whole:
                lines.append(f"    {at} = (position_t)(s.left_{stage.index} == 0 ? FINISHED : {at} + {step});")
            else:
                lines += [f"    if (s.left_{stage.index} == 0) {{", f"        {at} = FINISHED;", "    }"]
        lines = [line for line in lines if line]
        if stage.writes >= 0:
            lines += ["    " + line for line in self.written(stage, "n")]
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
                need = str((quantum - 1) * read.stride + read.reach)
                missing.append(
                    f"{filled} - {at} < " + (need if constant else f"(n - 1) * {read.stride} + {read.reach}")
                )
        return [*lines, f"if ({' || '.join(missing)}) {{", "    return 0;", "}"]

    def reads_to_the_end(self, stage: ir.Stage, read: ir.Read) -> bool:
        """Whether a read is its value's only one and sees its last position: nothing is written after it finished."""
        value = self.network.values[read.value]
        if sum(r.value == read.value for s in self.network.stages for r in s.reads) != 1:
            return False
        if read.whole or isinstance(stage.work, (ir.Mean, ir.Output)):
            return True
        last = (self.network.values[stage.writes].time - 1) * read.stride - read.before + read.reach
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
        lines.append(f"s.filled_{v} = (position_t)(s.filled_{v} + {count});")
        return lines

    def room(self, stage: ir.Stage) -> str:
        """Function that makes room for n positions more of a value, sliding it where needed."""
        v = stage.writes
        value, window = self.network.values[v], self.plan.trace.windows[v]
        total = value.time
        lines = [f"ECGD_SMALL static void *room_{v}(int n)", "{"]
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
        size = value.channels * (1 if value.dtype == "int8" else element_bytes(value))
        start = f"{self.address(v)} + s.filled_{v} * {value.channels}"
        if value.narrow:
            load = f"ecgd_load_u8(data, (uint32_t)take, {start} + s.partial);"
        elif value.dtype == "int8":
            load = f"ecgd_load_int8(data, (uint32_t)take, {value.zero_point}, {start} + s.partial);"
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
        anything = isinstance(work, (ir.Concat, ir.Pad, ir.Move, ir.Convert))
        if self.network.values[stage.reads[0].value].dtype == "float32" and not anything:
            return float_calls(self, stage)
        if isinstance(work, (ir.Conv, ir.Depthwise)):
            return self.convolution(stage, work)
        if isinstance(work, ir.Pool):
            return self.pool(stage, work)
        if isinstance(work, ir.Elementwise):
            return self.elementwise(stage, work)
        if isinstance(work, ir.Mean):
            return self.mean(stage, work)
        x = self.network.values[stage.reads[0].value]
        if isinstance(work, ir.Output):
            return [f"ecgd_store_int8({self.window(stage, 0)}, {x.elements}, {x.zero_point}, OUTPUT_{work.number});"]
        y = self.network.values[stage.writes]
        out = f"room_{stage.writes}(n)"
        if isinstance(work, ir.Lookup):
            name = f"{work.function}_{stage.index}"
            self.source.constants.append(f"static const int8_t {name}[256] = {{\n    {c_array(work.table)}}};\n")
            count = f"(uint32_t)n * {y.channels}u"
            return [f"ecgd_lookup({name}, {x.zero_point}, {y.zero_point}, {self.window(stage, 0)}, {count}, {out});"]
        if isinstance(work, ir.Softmax):
            name = f"softmax_{stage.index}"
            self.source.constants.append(
                f"static const ecgd_softmax_t {name} = {{.multiplier = {work.multiplier}, .left_shift = {work.left_shift}, "
                f".smallest = {max(work.diff_min, -32768)}}};\n"
            )
            return [f"ecgd_softmax(&{name}, {self.window(stage, 0)}, (uint32_t)n, {y.channels}, {out});"]
        if isinstance(work, (ir.Move, ir.SumRows, ir.MatMul, ir.Convert, ir.Lstm)):
            return general_calls(self, stage)
        if isinstance(work, ir.Concat):
            return self.concat(stage, work)
        if isinstance(work, ir.Pad):
            return self.pad(stage, work)
        raise AssertionError(f"no C for {stage.kind}")

    def convolution(self, stage: ir.Stage, work: ir.Conv | ir.Depthwise) -> list[str]:
        x = self.network.values[stage.reads[0].value]
        y = self.network.values[stage.writes]
        if work.packing is not None:
            return subbyte_calls(self, stage, work, work.packing)
        if x.narrow or y.narrow:
            return narrow_convolution(self, stage, work)
        kernel, layer = self.packed_layer(str(stage.index), stage, work, x.low, x.high, y.zero_point, y.time)
        return [f"{kernel}(&{layer}, {self.window(stage, 0)}, (uint32_t)n, room_{stage.writes}(n));"]

    def packed_layer(
        self, name: str, stage: ir.Stage, work: ir.Conv | ir.Depthwise, low: int, high: int, zero: int, positions: int,
        **form: Any,
    ) -> tuple[str, str]:  # fmt: skip
        """Constants of one convolution, for inputs within low..high; (kernel, name of its struct).

        `form` goes to `pack_conv` or `pack_depthwise`.
        """
        pack = partial(pack_conv, pool=work.pool) if isinstance(work, ir.Conv) else pack_depthwise
        packed: PackedConv = pack(
            work.weights, work.bias, work.requant.multipliers, work.requant.shifts, work.requant.low, work.requant.high,
            zero, low, high, work.stride, work.dilation, self.target, positions, **form,
        )  # fmt: skip
        if packed.definition and packed.definition not in self.definitions:
            self.definitions.append(packed.definition)
        weights = (
            f"static const int8_t weights_{name}[{len(packed.weights)}] __attribute__((aligned(4))) = {{\n"
            f"    {c_array(packed.weights)}}};\n"
        )
        self.layer_constants(name, stage, packed, weights, f"weights_{name}")
        return packed.kernel, f"layer_{name}"

    def layer_constants(self, name: str, stage: ir.Stage, packed: PackedConv, weights: str, pointer: str) -> None:
        """Weights (their definition and what to point to), scales, shifts and the struct of one convolution."""
        kind = "ecgd_conv_t" if isinstance(stage.work, (ir.Conv, ir.Lstm)) else "ecgd_depthwise_t"
        scale = ",\n    ".join(f"{{{int(b)}, {int(m)}}}" for b, m in packed.scale)
        self.source.constants.append(
            f"/* {self.describe(stage)} */\n{weights}"
            f"static const ecgd_scale_t scale_{name}[{len(packed.scale)}] = {{\n    {scale}}};\n"
            f"static const int8_t right_{name}[{len(packed.right)}] = {{\n    {c_array(packed.right)}}};\n"
            f"static const {kind} layer_{name} = "
            f"{packed.initialiser(pointer, f'scale_{name}', f'right_{name}')};\n"
        )

    def pool(self, stage: ir.Stage, work: ir.Pool) -> list[str]:
        x, y = self.network.values[stage.reads[0].value], self.network.values[stage.writes]
        kernel = f"ecgd_{work.mode}_pool{'_u8' if y.narrow else ''}"
        i = stage.index
        self.source.constants.append(
            f"static const ecgd_pool_t pool_{i} = {{.channels = {y.channels}, .taps = {work.taps}, .stride = {work.stride}, "
            f".low = {work.low}, .high = {work.high}, .zero = {y.zero_point}}};\n"
        )
        reach_end = (y.time - 1) * work.stride + work.taps - work.before
        if work.before == 0 and reach_end <= x.time:
            return [f"{kernel}(&pool_{i}, {self.window(stage, 0)}, (uint32_t)n, room_{stage.writes}(n));"]
        edges = "pool_at_edges_u8" if y.narrow else "pool_at_edges"
        self.needs_edges.add("pool_u8" if y.narrow else "pool")
        start = f"({y.time} - s.left_{i}) * {work.stride} - {work.before}"
        return [
            f"{edges}({kernel}, &pool_{i}, {self.window(stage, 0)}, {start}, {x.time}, n, room_{stage.writes}(n));"
        ]

    def elementwise(self, stage: ir.Stage, work: ir.Elementwise) -> list[str]:
        y = self.network.values[stage.writes]
        i, c = stage.index, y.channels
        operands, patterns = [], list(work.patterns)
        variable = iter(range(len(stage.reads)))
        for which, constant in enumerate(work.constants):
            if constant is None:
                operands.append(self.window(stage, next(variable)))
                continue
            data = constant
            if patterns[which] == "full" and y.time == 1:
                patterns[which] = "channel"
            name = f"operand_{i}_{which}"
            self.source.constants.append(f"static const int16_t {name}[{data.size}] = {{\n    {c_array(data)}}};\n")
            offset = {"full": f" + ({y.time} - s.left_{i}) * {c}", "position": f" + ({y.time} - s.left_{i})"}
            operands.append(name + offset.get(patterns[which], ""))
        multipliers, shifts = list(work.multipliers), list(work.shifts)
        if work.operation == "mul":
            multipliers, shifts = [0, 0, *multipliers], [0, 0, *shifts]
        scalar_like = ("scalar", "position")
        if patterns[0] in scalar_like and patterns[1] not in scalar_like and work.operation != "sub":
            operands.reverse()
            patterns.reverse()
            multipliers[:2], shifts[:2] = multipliers[1::-1], shifts[1::-1]
        narrow = ""
        if y.narrow:
            offsets = [self.network.values[r.value].padding for r in stage.reads]
            narrow = f", .offset = {{{offsets[0]}, {offsets[1]}, {y.padding}}}"
        self.source.constants.append(
            f"static const ecgd_elementwise_t elementwise_{i} = {{.multiplier = {{{', '.join(map(str, multipliers))}}}, "
            f".right = {{{', '.join(str(-v) for v in shifts)}}}, .left_shift = {work.left_shift}, .low = {work.low}, "
            f".high = {work.high}{narrow}}};\n"
        )
        a, b = operands
        if y.narrow:
            return [f"ecgd_add_u8(&elementwise_{i}, {a}, {b}, (uint32_t)n * {c}u, room_{stage.writes}(n));"]
        if work.operation == "squared_difference":
            self.headers.add("ecgd_general.h")
        op, kernel = f"&elementwise_{i}", f"ecgd_{work.operation}"
        lines = [f"int16_t *out = room_{stage.writes}(n);"]
        if patterns == ["full", "full"]:
            return [*lines, f"{kernel}({op}, {a}, {b}, (uint32_t)n * {c}u, out);"]
        if patterns == ["full", "scalar"]:
            return [*lines, f"{kernel}_scalar({op}, {a}, *({b}), (uint32_t)n * {c}u, out);"]
        step = {"full": f" + p * {c}", "position": " + p", "channel": "", "scalar": ""}
        if patterns[1] in scalar_like and patterns[0] not in scalar_like:
            call = f"{kernel}_scalar({op}, {a}{step[patterns[0]]}, *({b}{step[patterns[1]]}), {c}, out + p * {c});"
        elif patterns[0] in scalar_like:
            inner = f"{kernel}({op}, {a}{step[patterns[0]]}, {b}{step[patterns[1]]}{' + e' if patterns[1] not in scalar_like else ''}, 1, out + p * {c} + e);"
            return [
                *lines,
                "for (int p = 0; p < n; p++) {",
                f"    for (int e = 0; e < {c}; e++) {{",
                f"        {inner}",
                "    }",
                "}",
            ]
        else:
            call = f"{kernel}({op}, {a}{step[patterns[0]]}, {b}{step[patterns[1]]}, {c}, out + p * {c});"
        return [*lines, "for (int p = 0; p < n; p++) {", f"    {call}", "}"]

    def mean(self, stage: ir.Stage, work: ir.Mean) -> list[str]:
        i, v = stage.index, stage.writes
        x, y = self.network.values[stage.reads[0].value], self.network.values[v]
        whole = stage.reads[0].whole
        count = x.elements // y.elements
        if x.narrow:
            return narrow_mean(self, stage, work)
        lines = [
            f"if (s.left_{i} == {outputs_of(self.network, stage)}) {{",
            f"    memset(SUMS_{i}, 0, {4 * y.elements});",
            "}",
            f"ecgd_accumulate(SUMS_{i}, {self.window(stage, 0)}, {y.elements}, {f'{count}' if whole else '(uint32_t)n'});",
            f"if (s.left_{i} == n) {{",
            f"    ecgd_requantize_sums(SUMS_{i}, {y.elements}, {work.multiplier}, {-work.shift}, {work.low}, {work.high}, room_{v}(1));",
            "}",
        ]
        return lines

    def concat(self, stage: ir.Stage, work: ir.Concat) -> list[str]:
        y = self.network.values[stage.writes]
        size = element_bytes(y)
        lines = [f"{c_type(y)} *out = room_{stage.writes}(n);"]
        at = 0
        for i, read in enumerate(stage.reads):
            x = self.network.values[read.value]
            if work.axis == "time":
                lines.append(f"memcpy(out + {at}, {self.window(stage, i)}, {size * x.elements});")
                at += x.elements
            else:
                width = x.elements // y.time
                lines.append("for (int p = 0; p < n; p++) {")
                lines.append(
                    f"    memcpy(out + p * {y.channels} + {at}, {self.window(stage, i)} + p * {width}, {size * width});"
                )
                lines.append("}")
                at += width
        return lines

    def pad(self, stage: ir.Stage, work: ir.Pad) -> list[str]:
        x, y = self.network.values[stage.reads[0].value], self.network.values[stage.writes]
        before, after, size = work.before * y.channels, work.after * y.channels, element_bytes(y)
        return [
            f"{c_type(y)} *out = room_{stage.writes}(n);",
            f"zero(out, {before * size});",
            f"memcpy(out + {before}, {self.window(stage, 0)}, {size * x.elements});",
            f"zero(out + {before + x.elements}, {after * size});",
        ]


def type_name(dtype: str) -> str:
    """Name of an element type in the engine contract."""
    return _TYPES[dtype]
