"""A plan for tests whose subject is the kernels."""

import numpy as np
import pytest

from ecgdeploy.codegen import plan


@pytest.fixture
def any_plan(monkeypatch):
    """A random plan, not the best of hundreds: choosing would take most of the time, and kernels meet more cases."""
    draw = np.random.default_rng(0)

    def shifted(network, chosen, _budget):
        longest = {stage.index: chosen.quanta[stage.index] for stage in plan._worth_tuning(network, chosen)}
        firsts = {index: int(draw.integers(1, quantum + 1)) for index, quantum in longest.items()}
        return plan._planned(network, "stream", chosen.quanta, chosen.input_quantum, firsts)

    monkeypatch.setattr(plan, "EVENTS_PLAYED", 0)
    monkeypatch.setattr(plan, "_improved", shifted)
