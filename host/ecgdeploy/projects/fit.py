"""Does it fit: by how many bytes not, in which memory, and which tensors weigh most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgdeploy.errors import BuildError
from ecgdeploy.projects.types import Request

if TYPE_CHECKING:
    from ecgdeploy.codegen import LayerWeights
    from ecgdeploy.graph import Graph, Tensor

HEAVIEST = 3


def heaviest(graph: Graph, constant: bool, count: int = HEAVIEST) -> str:
    """The largest constant (or computed) tensors as text, largest first, with their index in the file."""
    tensors = [tensor for tensor in graph.tensors if (tensor.data is not None) == constant]
    tensors.sort(key=lambda tensor: (-tensor.bytes, tensor.index))
    return ", ".join(f"{tensor.index} '{short_name(tensor.name)}' {tensor.bytes:,} B" for tensor in tensors[:count])


def short_name(name: str) -> str:
    """The shortest of the names that a converter joins with semicolons when it fuses operators."""
    return min(name.split(";"), key=len) or name


def constant_bytes(graph: Graph) -> int:
    """Bytes of the weights that operators read, each once however many tensors share them: what flash must hold."""
    read = {index for operator in graph.operators for index in operator.inputs if index >= 0}
    weights = {tensor.data.tobytes() for tensor in map(graph.tensor, read) if tensor.data is not None}
    return sum(len(data) for data in weights)


def packed_bound(graph: Graph) -> int:
    """Least bytes of the same weights, were every layer packed in the bits that its channels' distinct values need."""
    read = {index for operator in graph.operators for index in operator.inputs if index >= 0}
    tensors = {t.data.tobytes(): t for t in map(graph.tensor, read) if t.data is not None}
    return sum(-(-tensor.elements * _least_bits(tensor) // 8) for tensor in tensors.values())


def _least_bits(tensor: Tensor) -> int:
    if tensor.dtype != "int8" or tensor.data is None:
        return tensor.bytes * 8 // max(tensor.elements, 1)
    axis = tensor.quantization.axis if tensor.quantization and tensor.data.ndim > 1 else 0
    channels = np.moveaxis(tensor.data, axis, 0) if tensor.data.ndim > 1 else tensor.data[None]
    distinct = max(len(np.unique(channel)) for channel in channels)
    return max(1, (distinct - 1).bit_length())


def saved_bytes(weights: tuple[LayerWeights, ...]) -> int:
    """Flash that packed weights save beside the file's int8 ones."""
    return sum(max(layer.count - layer.bytes, 0) for layer in weights if layer.bits < 8)


def check_before_compile(request: Request, flash_bytes: int, ram_bytes: int) -> None:
    """Refuse what cannot fit whatever the compiler does, before it starts.

    Parameters
    ----------
    request : Request
    flash_bytes : int
        Least constant data of the image, in bytes.
    ram_bytes : int
        Least memory of the engine, in bytes.

    Raises
    ------
    BuildError
        Names the memory, the excess and the heaviest tensors.
    """
    memory = request.board.memory
    if memory is None:
        return
    over = {}
    if flash_bytes > memory.flash.bytes:
        over["FLASH"] = flash_bytes - memory.flash.bytes
    ram = memory.ram.bytes - memory.stack_bytes
    if ram_bytes > ram:
        over["RAM"] = ram_bytes - ram
    if over:
        raise overflow_error(request, over, least=True)


def overflow_error(request: Request, over: dict[str, int], least: bool = False) -> BuildError:
    """The error for an image that is `over` its memories (linker's region name to bytes)."""
    memory = request.board.memory
    assert memory is not None
    phrases, tensors = [], []
    for region, constant, size in (("FLASH", True, memory.flash.bytes), ("RAM", False, memory.ram.bytes)):
        if region in over:
            what = "flash" if constant else "RAM"
            phrases.append(f"{'at least ' if least else ''}{over[region]:,} bytes over in {what} ({size:,})")
            tensors.append(f"heaviest tensors in {what}: {heaviest(request.model.graph, constant)}")
    return BuildError(
        f"{request.model.name} with engine {request.engine} does not fit {request.board.name}: {' and '.join(phrases)}",
        "; ".join(tensors),
    )
