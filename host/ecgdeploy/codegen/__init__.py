"""Graph to C: the static engine's source for one model."""

from __future__ import annotations

from dataclasses import dataclass

from ecgdeploy.codegen.emit import Emitter
from ecgdeploy.codegen.fuse import fuse_pooling
from ecgdeploy.codegen.ir import Network
from ecgdeploy.codegen.lower import lower
from ecgdeploy.codegen.plan import Plan
from ecgdeploy.codegen.storage import STORAGES, plan_with_storage
from ecgdeploy.codegen.subbyte import MODES, LayerWeights, layer_weights, pack_weights
from ecgdeploy.errors import unknown
from ecgdeploy.graph import Graph
from ecgdeploy.resources import assets

TARGETS = ("portable", "cortex-m4")


@dataclass(frozen=True, eq=False)
class GeneratedEngine:
    """The static engine of one model.

    Attributes
    ----------
    files : generated sources by name; they implement ``firmware/include/ecgd_engine.h``
    kernel_sources : kernels to compile with them, relative to ``firmware/``
    include_folders : folders they include from, relative to ``firmware/``
    plan : schedule and memory
    network : what the plan is about
    """

    files: dict[str, str]
    kernel_sources: list[str]
    include_folders: list[str]
    plan: Plan
    network: Network

    @property
    def weights(self) -> tuple[LayerWeights, ...]:
        """What every layer's weights take in flash, and in how many bits they are kept."""
        return layer_weights(self.network)


def generate(
    graph: Graph, target: str = "portable", weights: str = "auto", storage: str = "auto"
) -> GeneratedEngine:
    """Generate the C of `graph`; the same graph gives the same bytes.

    Parameters
    ----------
    target : "portable" (C11) or "cortex-m4" (also M7, M33, M55: the DSP extension)
    weights : "auto" (layers whose weights fit in fewer than 8 bits are kept packed where that saves flash), "packed"
        (wherever they fit) or "int8" (nowhere); results are the same
    storage : "auto" (values are kept as bytes where that is worth its instructions), "bytes" (wherever kernels can) or
        "int16" (nowhere); results are the same

    Raises
    ------
    ModelError
        The graph uses an operator in a form that the static engine does not run.
    """
    if target not in TARGETS:
        raise unknown("target", target, TARGETS)
    if storage not in STORAGES:
        raise unknown("storage", storage, STORAGES)
    network = pack_weights(fuse_pooling(lower(graph)), weights)
    network, plan = plan_with_storage(network, storage)
    source = Emitter(graph, network, plan, target).emit()
    kernels = sorted(f"kernels/{path.name}" for path in (assets() / "firmware" / "kernels").glob("*.c"))
    return GeneratedEngine({"ecgd_model.c": source}, kernels, ["include", "kernels"], plan, network)


WEIGHTS = MODES

__all__ = ["STORAGES", "TARGETS", "WEIGHTS", "GeneratedEngine", "LayerWeights", "generate"]
