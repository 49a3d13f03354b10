"""Sums of the gradients of one process's shards, next to a tree that knows nothing of stacks."""

from __future__ import annotations

import numpy as np
import pytest
from reference.thread_group import tree

from caffe64.engine.graph.plan.shard_sums import SUM_BYTES, ShardSums
from caffe64.engine.parameters.shards import Shards


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("count", "ranks"), [(1, 1), (2, 2), (2, 1), (4, 1), (8, 2), (8, 1), (16, 1)])
def test_the_gradient_becomes_the_tree_over_the_shards(count, ranks, threads):
    shards = Shards(count, ranks, ranks - 1, SUM_BYTES // 4 + 100)  # more than one item, the last one short
    gradient = np.zeros(shards.padded, np.float32)
    sums = ShardSums(shards, gradient, threads)
    draws = np.random.default_rng(count)
    for _ in range(2):  # nothing of the first is left
        parts = [draws.normal(size=gradient.size).astype(np.float32) for _ in range(shards.own)]
        for part in parts:
            part[:3] = [-0.0, 3e38, 1e-40]
        for number, part in enumerate(parts):
            gradient[:] = part
            sums.take(number)
        with np.errstate(over="ignore"):
            expected = tree(parts)
        if len(parts) > 1:
            expected = expected + np.float32(0)  # a sum has no -0
        assert gradient.tobytes() == expected.tobytes()
