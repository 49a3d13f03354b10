"""Ctrl-C at any moment of a training in Python: an update is made whole, or not at all, and is counted so."""

from __future__ import annotations

import random
import signal

import numpy as np
import pytest

from caffe64 import Solver

LAYERS, ITERATIONS = 60, 400
INPUT = """
layer { name: "in" type: "Input" top: "t0" top: "y" input_param { shape { dim: 2 dim: 4 } shape { dim: 2 dim: 4 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "LAST" bottom: "y" top: "loss" }
""".replace("LAST", f"t{LAYERS}")
LAYER = """
layer {{ name: "l{0}" type: "InnerProduct" bottom: "t{0}" top: "t{1}" inner_product_param {{ num_output: 4
  weight_filler {{ type: "gaussian" std: 0.5 }} }} }}
"""


def solver() -> Solver:
    head, loss = INPUT.strip().splitlines()
    text = "\n".join([head, *(LAYER.format(at, at + 1) for at in range(LAYERS)), loss])
    draws = np.random.default_rng(1)
    data = [{"t0": draws.normal(size=(2, 4)), "y": draws.normal(size=(2, 4))}]
    return Solver(net=text, data=data, base_lr=1e-3, momentum=0.9, weight_decay=0.1, seed=1)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers on this system")
def test_an_interrupt_finds_a_whole_update_or_none():
    """Of many slices, most of the time of an iteration that is as short as this."""
    whole = solver()
    states = [whole._training.trainer.owner.vector.copy()]
    for _ in range(ITERATIONS):
        whole.step()
        states.append(whole._training.trainer.owner.vector.copy())
    draws, found, interrupts = random.Random(4), solver(), 0
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        while found.iter < ITERATIONS:
            try:
                signal.setitimer(signal.ITIMER_REAL, draws.uniform(1e-3, 1e-2))
                found.step(ITERATIONS - found.iter)
            except KeyboardInterrupt:
                interrupts += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            np.testing.assert_array_equal(found._training.trainer.owner.vector, states[found.iter])
    finally:
        signal.signal(signal.SIGALRM, before)
    assert interrupts > 20
