"""One-hot inputs kept as symbols: the bits of the dense path, real trained nets, memory, wrong input."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import SHARED, assert_close, needs_shared

import caffe64
from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.products.gemm import MR, NR
from caffe64.engine.textnet.layers.lin import LIN_KC
from caffe64.engine.textnet.layers.lin_one_hot import GRADIENT_ROWS

WIDTHS = (1, LANES - 1, LANES, LANES + 1, NR - 1, NR, NR + 1, 2 * NR + 3)
MILLION = """
import re, numpy as np, caffe64
def peak():  # KiB; not ru_maxrss, which begins with the peak of the process that started this one
    return int(re.search(r"VmHWM:\\s*([0-9]+) kB", open("/proc/self/status").read())[1])
symbols = np.random.default_rng(0).integers(0, 50, 1_000_010, np.uint8)
windows = np.lib.stride_tricks.sliding_window_view(symbols, 10)[:1_000_000]
net = caffe64.Net("inp 500 100 / lin 50 -1 / rel / lin 50 -1 / sce")
net.compile(one_hot=True)
before = peak()
net.fit(caffe64.OneHot(windows, 50), symbols[10:1_000_010], caffe64.Optimizer(0.01, 0, 1, 0, 0.9, 1))
print((peak() - before) // 1024)
"""


@settings(max_examples=25)
@given(
    places=st.integers(1, 12),
    classes=st.integers(1, 60),
    width=st.sampled_from(WIDTHS),
    batch=st.sampled_from((1, MR - 1, MR, MR + 1, 40)),
    threads=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_symbols_train_and_predict_to_the_bits_of_ones_and_zeros(places, classes, width, batch, threads, seed):
    source = np.random.default_rng(seed)
    X = caffe64.OneHot(source.integers(0, classes, (2 * batch + 3, places)), classes)
    Y = source.standard_normal((len(X), 2))
    text = f"inp {places * classes} {batch} / lin {width} -1 / rel / lin 2 -1 / l2l"
    ours, dense = caffe64.Net(text), caffe64.Net(text)
    optimizer = caffe64.Optimizer(0.01, 1, 0.5, 0.001, 0.9, 3)
    ours.fit(X, Y, optimizer, seed=seed, threads=threads)
    dense.fit(np.asarray(X), Y, optimizer, seed=seed, threads=1)
    np.testing.assert_array_equal(ours.parameters, dense.parameters)
    np.testing.assert_array_equal(ours.predict(X), dense.predict(np.asarray(X)))
    assert ours.evaluate(X, Y) == dense.evaluate(np.asarray(X), Y)


def test_blocks_of_weights_and_stretches_of_sums():
    for classes in (GRADIENT_ROWS - 1, GRADIENT_ROWS, GRADIENT_ROWS + 1, 2 * GRADIENT_ROWS + 1, 3 * LIN_KC // 4):
        X = caffe64.OneHot(np.arange(2 * classes).reshape(-1, 2) % classes, classes)
        nets = [caffe64.Net(f"inp {2 * classes} {classes} / lin 3 -1 / sce") for _ in range(2)]
        for net, rows in zip(nets, (X, np.asarray(X)), strict=True):
            net.fit(rows, np.arange(classes) % 3, caffe64.Optimizer(0.1, 0, 1, 0, 0.9, 2))
        np.testing.assert_array_equal(nets[0].parameters, nets[1].parameters)


def test_it_stands_for_the_array_of_ones_and_zeros():
    X = caffe64.OneHot(np.array([[0, 2], [1, 1]], np.uint8), 3)
    np.testing.assert_array_equal(np.asarray(X), [[1, 0, 0, 0, 0, 1], [0, 1, 0, 0, 1, 0]])
    np.testing.assert_array_equal(np.asarray(X[1:]), [[0, 1, 0, 0, 1, 0]])
    assert (len(X), X.features) == (2, 6)


@needs_shared
@pytest.mark.parametrize("name", ["aeneid", "c64", "moby", "title"])
def test_the_originals_character_nets_give_its_posteriors(name):
    folder = SHARED / "caffe64" / "char"
    net = caffe64.Net("inp 500 100" + " / lin 50 -1 / rel" * 4 + " / lin 50 -1 / sce").load(folder / f"{name}.bin")
    windows = np.loadtxt(folder / f"{name}.windows.txt", dtype=np.int64)
    expected = np.loadtxt(folder / f"{name}.posteriors.txt")
    assert_close(name, net.predict(caffe64.OneHot(windows, 50)), expected, 1e-3)


def test_a_million_windows_train_in_megabytes():
    done = subprocess.run([sys.executable, "-c", MILLION], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 150, "the same windows as ones and zeros take 2000 MB"


@pytest.mark.parametrize(
    ("symbols", "classes", "message"),
    [
        ([[0, 3]], 3, "symbols run from 0 to 3, expected [0, 3)"),
        ([[-1, 0]], 3, "symbols run from -1"),
        ([[0.5]], 3, "expected whole numbers"),
        ([0, 1], 3, "expected whole numbers [rows, positions]"),
        (np.zeros((1, 3), int), 1 << 23, "more than"),
    ],
)
def test_wrong_symbols_are_refused(symbols, classes, message):
    with pytest.raises(caffe64.UsageError) as caught:
        caffe64.OneHot(symbols, classes)
    assert message in str(caught.value)


def test_a_net_that_does_not_fit_is_refused():
    X = caffe64.OneHot(np.zeros((4, 2), int), 3)
    for text, message in (
        ("inp 7 2 / lin 1 -1 / l2l", "6 features per row (one-hot), the net takes 7"),
        ("inp 6 2 / tnh / lin 1 -1 / l2l", "need a lin as the first layer"),
    ):
        with pytest.raises(caffe64.UsageError) as caught:
            caffe64.Net(text).fit(X, np.zeros(4), caffe64.Optimizer(0.1, 0, 1, 0, 0, 1))
        assert message in str(caught.value)
