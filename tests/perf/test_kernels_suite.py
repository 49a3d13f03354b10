"""The suite `kernels`: its list, its verification, and that peers compute what our kernels do."""

from __future__ import annotations

import numpy as np
import pytest

from caffe64.errors import CheckFailed
from caffe64.perf import peers
from caffe64.perf.sampling import Effort
from caffe64.perf.suites import Settings, kernels
from caffe64.perf.suites.layer_cases import LAYERS
from caffe64.perf.suites.shapes import SHAPES, Shape

INSTANT = Settings(threads=(1,), quick=True, effort=Effort(sample=1e-5, rounds=2, budget=0.01, fewest=2))
EVERYTHING = peers.kernel_peers(True)


def test_there_are_sixty_different_products_of_sizes_1_to_2048():
    assert len(SHAPES) == len(set(SHAPES)) == 60
    assert {size for shape in SHAPES for size in shape[:3]} >= {1, 2048}
    assert {(shape.a, shape.b) for shape in SHAPES} == {("N", "N"), ("T", "N"), ("N", "T")}


def test_a_quick_run_measures_three_products_and_every_layer():
    shown = []
    entries = kernels.run(INSTANT, shown.append)
    assert entries == shown
    names = [entry.name.split()[0] for entry in entries]
    assert names == ["gemm"] * 3 + list(LAYERS)
    for entry in entries:
        assert entry.rate > 0
        assert entry.relative > 0
        assert "NumPy" in entry.peers
        assert entry.seconds["samples"] == 2


def test_it_works_without_any_peer(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    case = kernels.product_case(Shape(3, 4, 5), peers.kernel_peers(False))
    entry = kernels.measure(case, kernels.Fma(), INSTANT)
    assert entry.peers == {}


def test_peers_that_are_not_installed_are_left_out(monkeypatch):
    monkeypatch.setattr(peers, "is_installed", lambda package: package == "numpy")
    assert list(peers.kernel_peers(True)) == ["NumPy"]
    assert peers.kernel_peers(False) == {}


def test_the_work_of_a_product_is_counted():
    shape = Shape(3, 5, 7)
    assert shape.flops == sum(2 for _ in range(3) for _ in range(5) for _ in range(7))
    assert shape.bytes == 4 * (3 * 5 + 5 * 7 + 3 * 7)


def test_bytes_written_in_place_count_twice():
    arguments = LAYERS["sgd_update"].make(np.random.default_rng(0), 3, 5)
    assert LAYERS["sgd_update"].work(arguments, (3, 5))[1:] == (5 * 4 * 15, 3 * 4 * 15)


def test_a_wrong_value_stops_the_run():
    wanted = np.arange(6.0).reshape(2, 3)
    kernels.verify("fine", [wanted + 1e-9], [(wanted, 1e-8)])
    for wrong in (2e-8, np.nan):
        found = wanted.copy()
        found[1, 2] += wrong
        with pytest.raises(CheckFailed, match=r"\[1, 2\] is .* nothing was timed"):
            kernels.verify("wrong", [found], [(wanted, np.full((2, 3), 1e-8))])


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("peer", EVERYTHING)
def test_a_peer_computes_what_the_kernel_computes(peer, name):
    layer = LAYERS[name]
    sizes = (7, 5, 3) if name.startswith("lin_") else (7, 5)
    arguments = layer.make(np.random.default_rng(1), *sizes)
    inputs = [np.array(a, np.float64) for i, a in enumerate(arguments) if layer.in_place or i not in layer.outputs]
    returned = EVERYTHING[peer].layer(name, arguments)()
    if peer == "JAX":  # gives its results back, the others fill the arrays
        found = returned if isinstance(returned, tuple) else (returned,)
    else:
        found = [arguments[index] for index in layer.outputs]
    for values, (expected, _) in zip(found, layer.expected(*inputs), strict=True):
        np.testing.assert_allclose(np.asarray(values), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("transposed", ["", "a", "b"])
@pytest.mark.parametrize("peer", EVERYTHING)
def test_a_peer_multiplies_transposed_operands(peer, transposed):
    random = np.random.default_rng(2)
    left = random.standard_normal((4, 3), np.float32).T if transposed == "a" else random.standard_normal((3, 4), "f")
    right = random.standard_normal((5, 4), np.float32).T if transposed == "b" else random.standard_normal((4, 5), "f")
    found = EVERYTHING[peer].product(left, right, np.empty((3, 5), np.float32))()
    np.testing.assert_allclose(np.asarray(found), left.astype(float) @ right.astype(float), rtol=1e-5, atol=1e-5)
