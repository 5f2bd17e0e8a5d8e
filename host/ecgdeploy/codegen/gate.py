"""The stage that everything after it waits for: until it has given something, the rest need not be asked."""

from __future__ import annotations

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.schedule import outputs_of

LEAST_BEHIND = 16
"""Stages behind a gate that make asking it worth while."""


def gate(network: ir.Network) -> tuple[int, str] | None:
    """(stage, C condition under which it has given nothing yet); None where no stage holds all later ones up.

    A stage that waits for the whole of its input (a mean, a dense layer, a transposition) runs late, and its followers
    are asked in vain at every block of input before: in an unrolled recurrent network those are hundreds.
    """
    stages = [s for s in network.stages if not isinstance(s.work, ir.Input)]
    for place, stage in enumerate(stages[:-LEAST_BEHIND]):
        waits = isinstance(stage.work, ir.Mean) or any(r.whole for r in stage.reads)
        if stage.writes < 0 or not waits:
            continue
        given = {stage.writes}
        for later in stages[place + 1 :]:
            if not any(r.value in given for r in later.reads):
                break
            given.add(later.writes)
        else:
            return stage.index, nothing_given(network, stage)
    return None


def nothing_given(network: ir.Network, stage: ir.Stage) -> str:
    """C condition under which a stage has given no output yet; a mean gives all of its outputs with the last."""
    left = "!= 0" if isinstance(stage.work, ir.Mean) else f"== {outputs_of(network, stage)}"
    return f"s.left_{stage.index} {left}"
