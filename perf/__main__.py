"""python -m caffe64.perf: matrix products and training epochs, verified against NumPy, then timed beside it.

Ratios are taken within this run, on one thread each; the machine's own speed cancels out of them.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy loads its BLAS: one thread, like ours

import statistics
import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

import caffe64
from caffe64 import kernels

SECONDS = 0.3  # of timing for each line
PRODUCTS = [  # M, K, N, op(A) transposed, op(B) transposed
    (100, 784, 100, False, False),
    (784, 100, 100, True, False),
    (100, 100, 784, False, True),
    (256, 1024, 1024, False, False),
    (1024, 1024, 1024, False, False),
]
NETS = [
    "inp 784 100 / lin 100 -2 / rel / lin 10 -2 / sce",
    "inp 100 300 / " + "lin 60 -1 / rel / " * 5 + "lin 10 -1 / sce",
    "inp 2 100 / lin 250 -1 / rel / lin 250 -1 / rel / lin 1 -1 / tnh / l2l",
]


def sample(work: Callable[[], object]) -> list[float]:
    """Seconds of each call during about SECONDS, after one call that is not counted."""
    work()
    times, end = [], time.perf_counter() + SECONDS
    while not times or time.perf_counter() < end:
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return times


def add_row(table: Table, name: str, flops: float, ours: list[float], peer: list[float] | None) -> None:
    best, median = min(ours), statistics.median(ours)
    ratio = f"{min(peer) / best:.2f}" if peer else "-"
    table.add_row(name, f"{1e3 * best:.3f}", f"{1e3 * median:.3f}", f"{flops / best / 1e9:.1f}", ratio)


def time_products(table: Table, random: np.random.Generator) -> None:
    for M, K, N, transpose_a, transpose_b in PRODUCTS:
        a = random.standard_normal((K, M) if transpose_a else (M, K), np.float32)
        b = random.standard_normal((N, K) if transpose_b else (K, N), np.float32)
        left, right = a.T if transpose_a else a, b.T if transpose_b else b
        bias, c, expected = np.zeros(0, np.float32), np.empty((M, N), np.float32), np.empty((M, N), np.float32)
        ours = sample(lambda: kernels.gemm(a, b, bias, c, transpose_a, transpose_b, False, -np.inf))  # noqa: B023
        peer = sample(lambda: np.matmul(left, right, out=expected))  # noqa: B023
        np.testing.assert_allclose(c, expected, rtol=0, atol=K * 2.0**-23 * np.abs(left).max() * np.abs(right).max())
        name = f"gemm {M}x{K}x{N}{' A.T' * transpose_a}{' B.T' * transpose_b}"
        add_row(table, name, 2.0 * M * K * N, ours, peer)


def time_training(table: Table, random: np.random.Generator) -> None:
    for text in NETS:
        net = caffe64.Net(text)
        net.compile()
        rows = net.spec.minibatch * 50
        X = random.standard_normal((rows, net.plan.features), np.float32)
        Y = random.integers(0, net.plan.outputs, (rows, 1)).astype(np.float32)
        run = caffe64.Training(net, X, Y, caffe64.Optimizer(1e-4, 0, 1, 0, 0.9, 1), threads=1)
        first = next(info for info in net.layers if info.parameters)
        flops = 2.0 * rows * (3 * net.plan.macs - first.macs)  # nobody reads the gradient of the input
        add_row(table, f"epoch {rows} rows: {text[:40]}", flops, sample(run.run_epoch), None)


def main() -> None:
    random = np.random.default_rng(0)
    table = Table("one thread", "min ms", "median ms", "GFLOP/s", "x NumPy")
    time_products(table, random)
    time_training(table, random)
    Console().print(table)


if __name__ == "__main__":
    main()
