"""An iteration as one run: the bits of its pieces, for any number of threads, and no update where it is refused."""

from __future__ import annotations

import numpy as np
import pytest

from caffe64 import Diverged, InputError, Solver
from caffe64.engine.graph.plan import program

HEAD = """
layer { name: "in" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 8 dim: 3 dim: 12 dim: 12 } shape { dim: 8 } } }
"""
LOSS = """
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
"""


def layer(name, kind, bottom, top, rest=""):
    return f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{top}" {rest} }}\n'


def product(name, bottom, outputs, rest=""):
    filler = 'weight_filler { type: "xavier" }'
    return layer(name, "InnerProduct", bottom, name, f"inner_product_param {{ num_output: {outputs} {filler} }} {rest}")


def net(more="", frozen="", bottom="pool"):
    filler = 'weight_filler { type: "xavier" }'
    conv = layer(
        "conv", "Convolution", "data", "conv", f"convolution_param {{ num_output: 8 kernel_size: 3 {filler} }}"
    )
    text = HEAD + conv + layer("norm", "BatchNorm", "conv", "conv")
    text += layer("relu", "ReLU", "conv", "conv")
    text += layer("pool", "Pooling", "conv", "pool", "pooling_param { pool: MAX kernel_size: 2 stride: 2 }") + more
    return (
        text
        + product("ip1", bottom, 70, frozen)
        + product("ip2", "ip1", 5, "param { lr_mult: 2 decay_mult: 0 }")
        + LOSS
    )


PLAIN = net()
NETS = {"steps": PLAIN, "random numbers": net(layer("drop", "Dropout", "pool", "pool"))}
NETS["own code"] = net(layer("mvn", "MVN", "pool", "mvn"), bottom="mvn")
NETS["frozen"] = net(frozen="param { lr_mult: 0 } param { lr_mult: 0 }")


def examples(count=40):
    draws = np.random.default_rng(1)
    return draws.normal(size=(count, 3, 12, 12)).astype(np.float32), draws.integers(0, 5, count)


def made(text=PLAIN, *, pieces=False, data=None, **options):
    options = {"base_lr": 0.05, "momentum": 0.9, "weight_decay": 0.01, **options}
    solver = Solver(net=text, data=data or examples(), batch_size=8, seed=2, **options)
    if pieces:
        solver.add_callback(on_gradients_ready=lambda: None)
    return solver


def state_of(solver):
    trainer = solver._training.trainer
    return np.concatenate([trainer.owner.vector, trainer.gradient, *trainer.histories, solver.history.loss])


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("options", [{}, {"iter_size": 3, "clip_gradients": 0.5}], ids=["plain", "passes, clipped"])
def test_one_run_has_the_bits_of_its_pieces_for_any_number_of_threads(name, options):
    expected = made(NETS[name], pieces=True, threads=1, **options)
    expected.step(20)
    for threads in (1, 2, 3, 4):
        found = made(NETS[name], threads=threads, **options)
        found.step(20)
        np.testing.assert_array_equal(state_of(found), state_of(expected), err_msg=str(threads))


RULES = [("Nesterov", {}), ("AdaGrad", {"momentum": 0}), ("RMSProp", {"momentum": 0}), ("AdaDelta", {"delta": 1e-4})]


@pytest.mark.parametrize(("type_", "more"), [*RULES, ("Adam", {"regularization_type": "L1"})])
def test_of_each_rule(type_, more):
    expected, found = (made(pieces=pieces, type=type_, threads=2, **more) for pieces in (True, False))
    for solver in (expected, found):
        solver.step(5)
    np.testing.assert_array_equal(state_of(found), state_of(expected))


def test_an_iteration_is_one_call(monkeypatch):
    solver, runs, run = made(threads=2), [], program.run_together
    solver.step(2)
    monkeypatch.setattr(program, "run_together", lambda works, **how: (runs.append(works), run(works, **how)))
    solver.step(5)
    assert len(runs) == 5


def test_weights_that_a_caller_holds_and_writes_to_count():
    """What is packed of them is made again, as it is without a caller."""
    found, expected = made(), made(pieces=True)
    for solver in (found, expected):
        solver.step(2)
        held = solver.net.params["ip1"][0].data
        for _ in range(3):
            solver.step(1)
            held *= 0.5
        solver.step(1)
    np.testing.assert_array_equal(state_of(found), state_of(expected))


@pytest.mark.parametrize("iter_size", [1, 3])
def test_a_loss_that_is_not_finite_refuses_the_update(iter_size):
    pictures, labels = examples()
    solver = made(data=[{"data": pictures[:8], "label": labels[:8]}], iter_size=iter_size, lr_policy="multistep",
                  stepvalue=[3, 4], gamma=0.5)  # fmt: skip
    solver.step(3)
    trainer = solver._training.trainer
    solver.net.params["ip2"][1].data[0] = np.inf
    layers = ("conv", "ip1", "ip2")  # not BatchNorm, whose statistics each pass changes
    arrays = [*trainer.histories, *(blob.data for name in layers for blob in solver.net.params[name])]
    before = [array.copy() for array in arrays]
    with pytest.raises(Diverged):
        solver.step(1)
    assert (solver.iter, trainer.schedule.current) == (3, 0)
    for array, values in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, values)


def test_a_loss_that_is_not_finite_counts_if_it_is_to():
    solver = made(keep_going=True)
    solver.step(1)
    solver.net.params["ip2"][1].data[0] = np.inf
    solver.step(1)
    assert solver.iter == 2
    assert np.isnan(solver.net.params["ip2"][1].data).any()


def test_a_wrong_label_refuses_the_update():
    pictures, labels = examples()
    wrong = labels.copy()
    wrong[9] = 7
    batches = [{"data": pictures[at : at + 8], "label": wrong[at : at + 8]} for at in (0, 8, 16)]
    solver = made(data=batches)
    solver.step(1)
    history = solver._training.trainer.histories[0].copy()
    with pytest.raises(InputError, match="7"):
        solver.step(1)
    assert solver.iter == 1
    np.testing.assert_array_equal(solver._training.trainer.histories[0], history)
    solver.step(1)
    assert solver.iter == 2


def test_blobs_are_those_of_the_pass_before_the_update():
    found, expected = made(), made(pieces=True)
    for solver in (found, expected):
        solver.step(3)
    for kind in ("data", "diff"):
        for name in ("conv", "ip1", "loss"):
            one, other = (getattr(solver.net.blobs[name], kind) for solver in (found, expected))
            np.testing.assert_array_equal(one, other, err_msg=f"{name} {kind}")
