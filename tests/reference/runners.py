"""The two that run a graph layer by layer: the reference, and the runtime, which must agree with it."""

from __future__ import annotations

import numpy as np
from reference.executor import Executor
from support import assert_close

from caffe64.engine.graph.reference import Interpreter

RUNNERS = (Interpreter, Executor)
ROUNDING = 2e-6  # of the largest magnitude: Executor adds up convolutions in another order


def assert_agree(name: str, found, expected, tolerance: float = ROUNDING) -> None:
    """The same NaN and inf, and else no more apart than `tolerance` of the largest value that is finite."""
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.where(finite, 0, found), np.where(finite, 0, expected), name)
    scale = np.abs(expected[finite]).max(initial=0)
    assert_close(name, found[finite], expected[finite], tolerance * scale)
