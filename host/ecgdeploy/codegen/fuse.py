"""Stages that one kernel does together: a max-pool of two positions by two becomes the end of its convolution.

Requantization never decreases as the accumulator grows, so the larger of two accumulators gives the larger of two
results: half as many results are requantized, and the convolution's own output is never stored.
"""

from __future__ import annotations

from dataclasses import replace

from ecgdeploy.codegen import ir
from ecgdeploy.codegen.packing_wide import long_sums


def fuse_pooling(network: ir.Network) -> ir.Network:
    """The same network with every such pair of stages as one; the convolution's value is gone."""
    readers: dict[int, list[ir.Stage]] = {}
    for stage in network.stages:
        for read in stage.reads:
            readers.setdefault(read.value, []).append(stage)
    pool_of = {}
    for stage in network.stages:
        following = readers.get(stage.writes, [])
        if len(following) == 1 and _fits(network, stage, following[0]):
            pool_of[stage.index] = following[0]
    if not pool_of:
        return network
    gone_values = {network.stages[i].writes for i in pool_of}
    gone_stages = {pool.index for pool in pool_of.values()}
    values = [v for v in network.values if v.index not in gone_values]
    place = {v.index: i for i, v in enumerate(values)}
    stages: list[ir.Stage] = []
    macs: dict[int, int] = {}
    for stage in network.stages:
        if stage.index in gone_stages:
            continue
        merged = _merged(network, stage, pool_of[stage.index]) if stage.index in pool_of else stage
        reads = tuple(replace(r, value=place[r.value]) for r in merged.reads)
        if stage.index in network.macs:
            macs[len(stages)] = network.macs[stage.index]
        stages.append(replace(merged, index=len(stages), reads=reads, writes=place.get(merged.writes, -1)))
    return replace(
        network, values=tuple(replace(v, index=i) for i, v in enumerate(values)), stages=tuple(stages), macs=macs
    )


def _fits(network: ir.Network, stage: ir.Stage, following: ir.Stage) -> bool:
    conv, pool = stage.work, following.work
    if not isinstance(conv, ir.Conv) or not isinstance(pool, ir.Pool) or stage.reads[0].whole:
        return False
    wide, narrow, read = network.values[stage.writes], network.values[following.writes], following.reads[0]
    x = network.values[stage.reads[0].value]
    if conv.requant.wide and long_sums(conv.weights.reshape(len(conv.bias), -1), conv.bias, x):
        return False
    return (
        (pool.mode, pool.taps, pool.stride, pool.before, read.before) == ("max", 2, 2, 0, 0)
        and (conv.dilation == 1 or conv.taps == 1)
        and narrow.time == wide.time // 2  # every window is whole
        and pool.low <= wide.low
        and pool.high >= wide.high
        and not read.whole
    )


def _merged(network: ir.Network, stage: ir.Stage, pool: ir.Stage) -> ir.Stage:
    read, time = stage.reads[0], network.values[pool.writes].time
    reach, stride = read.reach + read.stride, 2 * read.stride
    after = max((time - 1) * stride + reach - read.before - network.values[read.value].time, 0)
    wider = replace(read, reach=reach, stride=stride, after=after)
    return replace(
        stage, operator=pool.operator, kind=f"{stage.kind}+MAX_POOL_2D", reads=(wider,), writes=pool.writes,
        work=replace(stage.work, pool=2),
    )  # fmt: skip
