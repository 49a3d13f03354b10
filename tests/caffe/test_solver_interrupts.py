"""Ctrl-C at any moment of a training in Python: an update is made whole, or not at all, and is counted so."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections.abc import Callable

import numpy as np
import pytest

from caffe64 import Solver

LAYERS = 60
INPUT = """
layer { name: "in" type: "Input" top: "t0" top: "y" input_param { shape { dim: 2 dim: 4 } shape { dim: 2 dim: 4 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "LAST" bottom: "y" top: "loss" }
""".replace("LAST", f"t{LAYERS}")
LAYER = """
layer {{ name: "l{0}" type: "InnerProduct" bottom: "t{0}" top: "t{1}" inner_product_param {{ num_output: 4
  weight_filler {{ type: "gaussian" std: 0.5 }} }} }}
"""


def solver(threads: int | None = None) -> Solver:
    head, loss = INPUT.strip().splitlines()
    text = "\n".join([head, *(LAYER.format(at, at + 1) for at in range(LAYERS)), loss])
    draws = np.random.default_rng(1)
    data = [{"t0": draws.normal(size=(2, 4)), "y": draws.normal(size=(2, 4))}]
    return Solver(net=text, data=data, base_lr=1e-3, momentum=0.9, weight_decay=0.1, seed=1, threads=threads)


def state_of(found: Solver) -> np.ndarray:
    trainer = found._training.trainer
    return np.concatenate([trainer.owner.vector, *trainer.histories])


def interrupted_after(seconds: float, found: Solver) -> None:
    """Train, until an interrupt comes after so many seconds."""
    with contextlib.suppress(KeyboardInterrupt):
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6), 1.0)
        found.step(1_000_000)
    signal.setitimer(signal.ITIMER_REAL, 0)


def seconds_of(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


@pytest.fixture
def timer():
    """It interrupts as Ctrl-C does."""
    if not hasattr(signal, "setitimer"):
        pytest.skip("no timers on this system")
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


# An interrupt in a finalizer is lost: the next one, a second later, ends the training.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_finds_a_whole_update_or_none(threads, timer):
    """Of many slices, most of the time of an iteration that is as short as this."""
    whole, found, draws = solver(threads), solver(threads), random.Random(4)
    whole.step(20)
    found.step(20)
    iteration = seconds_of(lambda: whole.step(20)) / 20
    expected = solver(threads)
    for _ in range(60):
        interrupted_after(draws.uniform(0, 4) * iteration, found)
        expected.step(found.iter - expected.iter)
        np.testing.assert_array_equal(state_of(found), state_of(expected))
    assert found.iter > 40


def test_an_interrupt_of_the_first_iteration_leaves_nothing_half_made(timer):
    """In it all that the later ones use is made."""
    whole, draws = solver(), random.Random(5)
    first = seconds_of(whole.step)
    whole.step(2)
    for _ in range(30):
        found = solver()
        interrupted_after(draws.uniform(0, 1) * first, found)
        expected = whole if found.iter <= 3 else solver()
        found.step(max(0, 3 - found.iter))
        expected.step(found.iter - expected.iter)
        np.testing.assert_array_equal(state_of(found), state_of(expected))
