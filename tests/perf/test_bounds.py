"""What bounds the layers of a net, on a machine of 100 GFLOP/s with memories of 200, 100, 50 and 20 GB/s."""

from __future__ import annotations

import pytest

from caffe64.perf.bounds import bounded_layers, memory_level


@pytest.mark.parametrize(
    ("footprint", "level"),
    [(0, "L1"), (32 << 10, "L1"), (32769, "L2"), (1 << 20, "L2"), (16 << 20, "L3"), ((16 << 20) + 1, "DRAM")],
)
def test_the_memory_is_the_smallest_that_holds_the_net(footprint, level):
    assert memory_level(footprint, {"L1": 32 << 10, "L2": 1 << 20, "L3": 16 << 20}) == level


@pytest.fixture
def bounded(make_results):
    """bounded(footprint, layers): (how, flops, bytes, seconds) of each, on one thread."""

    def make(footprint, *layers):
        made = make_results({"net forward": 0.5})
        (entry,) = made.entries
        keys = ("how", "flops", "bytes", "seconds")
        entry.footprint, entry.layer_times = footprint, [dict(zip(keys, each, strict=True)) for each in layers]
        return bounded_layers(entry, made)

    return make


def test_each_layer_has_its_own_bound_and_their_times_add_up(bounded):
    found = bounded(1 << 30, ("direct", 2e9, 1e6, 0.04), ("direct", 1e6, 2e7, 0.01), ("Pooling", 0, 4e7, 0.002))
    direct, pooling, whole = found.values()
    assert list(found) == ["direct", "Pooling", "all"]
    assert (direct.layers, direct.limit) == (2, "FMA")
    assert direct.possible == pytest.approx(0.02 + 0.001)
    assert direct.share == pytest.approx(0.021 / 0.05)
    assert direct.intensity == pytest.approx(2.001e9 / 2.1e7)
    assert (pooling.limit, pooling.share) == ("DRAM", pytest.approx(1.0))
    assert (whole.layers, whole.limit, whole.share) == (3, "FMA", pytest.approx(0.023 / 0.052))


def test_a_net_that_fits_a_cache_is_bound_by_it(bounded):
    for footprint, limit, share in ((1 << 20, "L2", 0.4), (1 << 21, "L3", 0.8), (1 << 30, "DRAM", 2.0)):
        (whole, _) = bounded(footprint, ("Pooling", 0, 4e7, 0.001)).values()
        assert (whole.limit, whole.share) == (limit, pytest.approx(share))


def test_those_that_take_longest_come_first(bounded):
    layers = (("a", 1, 1, 0.001), ("b", 1, 1, 0.003), ("a", 1, 1, 0.001))
    assert list(bounded(1, *layers)) == ["b", "a", "all"]
