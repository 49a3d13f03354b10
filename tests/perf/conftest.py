"""Made-up results, and the program in this process."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from caffe64.perf.results import Entry, Results

CACHES = {"L1": 32 << 10, "L2": 1 << 20, "L3": 16 << 20}


@pytest.fixture
def make_results():
    """make_results({"gemm": 0.8, "rel": 0.5}) is a run with those shares of the peak; `speed` is the machine's."""

    def make(shares: dict[str, float], speed: float = 1.0) -> Results:
        entries = [
            Entry(
                suite="kernels",
                name=name,
                threads=1,
                seconds={"min": 1e-3, "median": 1.1e-3, "spread": 0.1, "samples": 5},
                rate=100.0 * speed * share,
                unit="GFLOP/s",
                relative=share,
                yardstick="FMA",
                flops=1e5 * speed * share,
                bytes=1e4,
                peers={"NumPy": {"min": 2e-3, "median": 2e-3, "ratio": 2.0}},
            )
            for name, share in shares.items()
        ]
        peaks = {"1": {"fma": 100.0 * speed, "L1": 200.0, "L2": 100.0, "L3": 50.0, "DRAM": 20.0}}
        machine = {
            "cpu": "made up",
            "threads": 1,
            "vectors": "none",
            "compiled for": "none",
            "caches": CACHES,
            "system": "none",
            "versions": {"numpy": "2"},
        }
        return Results("2026-01-01", {}, machine, peaks, {}, entries)

    return make


@pytest.fixture
def perf():
    """perf("compare", old, new) runs the program: .exit_code, .stdout, .stderr."""
    from caffe64.perf.app import app

    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])
