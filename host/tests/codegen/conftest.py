"""A plan for tests whose subject is the kernels."""

import numpy as np
import pytest

from ecgdeploy.codegen import ir, plan, storage


@pytest.fixture
def any_plan(monkeypatch):
    """A random plan, not the best of hundreds: choosing takes most of the time, and the kernels meet more cases."""
    draw = np.random.default_rng(0)

    def planned(network):
        if draw.random() < 0.25:
            return plan._planned(network, "layers", *plan._layer_quanta(network))
        turns = {stage.index: int(draw.choice(plan.PACKED_TURNS)) for stage in network.stages}
        narrow, blocks = int(draw.choice((0, *plan.NARROW))), int(draw.integers(1, 3))
        quanta, taken = plan._stream_quanta(network, narrow, turns, blocks)
        longest = {stage.index: quanta[stage.index] for stage in network.stages if isinstance(stage.work, ir.Conv)}
        for stage in network.stages:
            if isinstance(stage.work, ir.Input):
                longest[stage.index] = min(taken, network.values[stage.writes].time)
        firsts = {index: int(draw.integers(1, most + 1)) for index, most in longest.items()}
        return plan._planned(network, "stream", quanta, taken, firsts)

    monkeypatch.setattr(storage, "make_plan", planned)
