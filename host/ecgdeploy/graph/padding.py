"""Padding and dilation that a file spells out around a convolution become the convolution's own: the same sums.

Keras pads "causal" layers with a PAD, and a dilated layer of a dynamic batch becomes SPACE_TO_BATCH_ND, a convolution
and BATCH_TO_SPACE_ND. A convolution pads with the zero point, as these do, so that nothing of the results changes; what
stays is one convolution with the option "explicit": rows before and after, columns before and after.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ecgdeploy.graph.types import Graph, Operator, Tensor

_FREE = ("RESHAPE", "EXPAND_DIMS", "SQUEEZE")
_WINDOWS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_MOST = 1 << 16
FOLDED = ("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")
"""Operators that exist only around a convolution: nothing else runs them."""


def own_padding(graph: Graph) -> Graph:
    """The same network with such operators folded into their convolutions (new tensors stand after the file's)."""
    if not any(o.kind in ("PAD", "SPACE_TO_BATCH_ND") for o in graph.operators):
        return graph
    return _Folding(graph).run()


class _Folding:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.tensors = list(graph.tensors)
        self.writer = {i: o for o in graph.operators for i in o.outputs}
        self.readers: dict[int, list[Operator]] = {}
        for operator in graph.operators:
            for index in operator.inputs:
                self.readers.setdefault(index, []).append(operator)
        self.kept: list[Operator] = []
        self.last: dict[int, Operator] = {}  # BATCH_TO_SPACE_ND by its index -> what writes its output now

    def run(self) -> Graph:
        for operator in self.graph.operators:
            if operator.index in self.last:
                self.kept.append(self.last[operator.index])
            elif operator.kind in _WINDOWS and self.window(operator):
                continue
            else:
                self.kept.append(operator)
        return replace(self.graph, tensors=tuple(self.tensors), operators=tuple(self.kept))

    def window(self, operator: Operator) -> bool:
        """Fold what pads or stretches the input of a convolution; whether its place is taken."""
        if operator.options["padding"] != "VALID" or len(operator.inputs) < 2 or len(operator.outputs) != 1:
            return False
        source = self.origin(operator.inputs[0])
        if source is None or len(self.tensors[operator.inputs[0]].shape) != 4:
            return False
        if source.kind == "PAD":
            return self.padded(operator, source)
        return source.kind == "SPACE_TO_BATCH_ND" and self.stretched(operator, source)

    def origin(self, index: int) -> Operator | None:
        """What wrote a tensor, behind reshapes."""
        writer = self.writer.get(index)
        while writer is not None and writer.kind in _FREE:
            writer = self.writer.get(writer.inputs[0])
        return writer

    def add(self, like: Tensor, shape: tuple[int, ...]) -> Tensor:
        tensor = replace(like, index=len(self.tensors), shape=shape, data=None)
        self.tensors.append(tensor)
        return tensor

    def padded(self, operator: Operator, pad: Operator) -> bool:
        if len(pad.inputs) != 2:
            return False
        x, amounts = self.tensors[pad.inputs[0]], self.tensors[pad.inputs[1]].data
        out, image = self.tensors[pad.outputs[0]], self.tensors[operator.inputs[0]]
        if amounts is None or amounts.shape != (len(x.shape), 2) or not _same_scale(x, out):
            return False
        if (amounts < 0).any() or (amounts > _MOST).any() or amounts[0].any() or amounts[-1].any():
            return False
        explicit = self.sides(x.shape, image.shape, amounts.tolist())
        if explicit is None:
            return False
        shape = tuple(e - sum(s) for e, s in zip(image.shape, explicit, strict=True))
        if any(e < 1 or (e == 1 and any(s)) for e, s in zip(shape, explicit, strict=True)):
            return False
        if _elements(shape) != x.elements:
            return False
        self.put(operator, pad, x, image, shape, {"explicit": (*explicit[1], *explicit[2])}, operator.outputs)
        return True

    @staticmethod
    def sides(shape: tuple[int, ...], image: tuple[int, ...], amounts: list) -> list[tuple[int, int]] | None:
        """Amounts of [batch, time, channels] or [batch, height, width, channels] on the dimensions of an image."""
        pairs = [(int(a), int(b)) for a, b in amounts]
        grown = [e + a + b for e, (a, b) in zip(shape, pairs, strict=True)]
        if len(shape) == 4:
            return pairs if tuple(grown) == image else None
        if len(shape) != 3 or image[0] != grown[0] or image[3] != grown[2]:
            return None
        if image[1:3] == (1, grown[1]):
            return [pairs[0], (0, 0), pairs[1], pairs[2]]
        return [pairs[0], pairs[1], (0, 0), pairs[2]] if image[1:3] == (grown[1], 1) else None

    def put(
        self, operator: Operator, at: Operator, x: Tensor, like: Tensor, shape: tuple[int, ...],
        options: dict[str, Any], outputs: tuple[int, ...],
    ) -> None:  # fmt: skip
        """A convolution of `x`, seen as `shape`, in the place of `operator`."""
        image = self.add(replace(like, quantization=x.quantization), shape)
        self.kept.append(Operator("RESHAPE", at.index, (x.index,), (image.index,), MappingProxyType({})))
        self.kept.append(
            replace(
                operator, inputs=(image.index, *operator.inputs[1:]), outputs=outputs,
                options=MappingProxyType({**operator.options, **options}),
            )
        )  # fmt: skip

    def stretched(self, operator: Operator, start: Operator) -> bool:
        o = operator.options
        if (o["stride_h"], o["stride_w"], o["dilation_h"], o["dilation_w"]) != (1, 1, 1, 1):
            return False
        end, index = None, operator.outputs[0]
        while end is None:
            readers = self.readers.get(index, [])
            if len(readers) != 1 or index in self.graph.outputs:
                return False
            if readers[0].kind in _FREE:
                index = readers[0].outputs[0]
            elif readers[0].kind == "BATCH_TO_SPACE_ND":
                end = readers[0]
            else:
                return False
        x, result = self.tensors[start.inputs[0]], self.tensors[end.outputs[0]]
        image, made = self.tensors[operator.inputs[0]], self.tensors[operator.outputs[0]]
        numbers = [self.tensors[i].data for i in (*start.inputs[1:3], *end.inputs[1:3])]
        good = len(start.inputs) == 3 and len(end.inputs) == 3 and all(n is not None for n in numbers)
        if not good or not _same_scale(x, image) or not _same_scale(made, result) or x.shape[0] != 1:
            return False
        blocks, pads, ends, crops = (n.reshape(-1).tolist() for n in numbers if n is not None)
        rank = len(x.shape) - 2
        if blocks != ends or len(blocks) != rank or len(pads) != 2 * rank or len(crops) != 2 * rank:
            return False
        if len(result.shape) != rank + 2 or not all(0 <= v <= _MOST for v in (*blocks, *pads, *crops)):
            return False
        kernel = self.tensors[operator.inputs[1]].shape
        if len(kernel) != 4 or rank not in (1, 2):
            return False
        x, more = self.before_stretching(x, rank)
        explicit = [before + pad - crop for before, pad, crop in zip(more, pads, crops, strict=True)]
        extents, outs = list(x.shape[1:-1]), list(result.shape[1:-1])
        if rank == 1 and image.shape[1] == 1:
            explicit, extents, outs, blocks = [0, 0, *explicit], [1, *extents], [1, *outs], [1, *blocks]
        elif rank == 1:
            explicit, extents, outs, blocks = [*explicit, 0, 0], [*extents, 1], [*outs, 1], [*blocks, 1]
        for i in range(2):
            reach = (kernel[1 + i] - 1) * blocks[i] + 1
            padded = extents[i] + explicit[2 * i] + explicit[2 * i + 1]
            if explicit[2 * i] < 0 or blocks[i] < 1 or padded - reach + 1 != outs[i] or extents[i] == 1 < outs[i]:
                return False
        after = self.add(made, (1, *outs, made.shape[3]))
        if after.elements != result.elements:
            return False
        options = {"dilation_h": blocks[0], "dilation_w": blocks[1], "explicit": tuple(explicit)}
        self.put(operator, start, x, image, (1, *extents, x.shape[-1]), options, (after.index,))
        self.last[end.index] = Operator("RESHAPE", end.index, (after.index,), end.outputs, MappingProxyType({}))
        return True

    def before_stretching(self, x: Tensor, rank: int) -> tuple[Tensor, list[int]]:
        """What a PAD pads to be stretched ("causal" layers of a dynamic batch), and its amounts; else `x` and none."""
        pad = self.writer.get(x.index)
        if pad is None or pad.kind != "PAD" or len(pad.inputs) != 2:
            return x, [0] * 2 * rank
        source, amounts = self.tensors[pad.inputs[0]], self.tensors[pad.inputs[1]].data
        fits = amounts is not None and amounts.shape == (rank + 2, 2) and len(source.shape) == rank + 2
        if amounts is None or not fits or not _same_scale(source, x) or source.data is not None:
            return x, [0] * 2 * rank
        if (amounts < 0).any() or (amounts > _MOST).any() or amounts[0].any() or amounts[-1].any():
            return x, [0] * 2 * rank
        return source, [int(v) for v in amounts[1:-1].reshape(-1)]


def _elements(shape: tuple[int, ...]) -> int:
    size = 1
    for extent in shape:
        size *= extent
    return size


def _same_scale(a: Tensor, b: Tensor) -> bool:
    if a.dtype != b.dtype:
        return False
    p, q = a.quantization, b.quantization
    if p is None or q is None:
        return p is q
    return not p.per_channel and not q.per_channel and (p.scale, p.zero_point) == (q.scale, q.zero_point)
