"""Trainings against a model of Caffe's iteration in float64: all that a solver's settings do to an update."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe64 import InputError, Solver
from caffe64.engine.graph.analysis.need_backward import find_needs

ROWS, INPUTS, HIDDEN, OUTPUTS = 5, 4, 3, 2
TOLERANCE = 2e-4  # of the largest weight, after six iterations; reached: 3e-6
NET = """
layer {{ name: "in" type: "Input" top: "x" top: "t"
  input_param {{ shape {{ dim: {rows} dim: {inputs} }} shape {{ dim: {rows} dim: {outputs} }} }} }}
layer {{ name: "one" type: "InnerProduct" bottom: "x" top: "one" param {{ {first} }} param {{ {second} }}
  inner_product_param {{ num_output: {hidden} weight_filler {{ type: "gaussian" std: 0.5 }}
    bias_filler {{ type: "constant" value: 0.1 }} }} }}
layer {{ name: "tanh" type: "TanH" bottom: "one" top: "one" }}
layer {{ name: "two" type: "InnerProduct" bottom: "one" top: "two" inner_product_param {{ num_output: {outputs}
    bias_term: false weight_filler {{ type: "gaussian" std: 0.5 }} }} }}
layer {{ name: "loss" type: "EuclideanLoss" bottom: "two" bottom: "t" top: "loss" loss_weight: {weight} }}
"""


def net_text(mults, weight=1.0):
    first, second = (f"lr_mult: {rate} decay_mult: {decay}" for rate, decay in mults)
    return NET.format(
        rows=ROWS, inputs=INPUTS, hidden=HIDDEN, outputs=OUTPUTS, first=first, second=second, weight=weight
    )


def batches(count, seed):
    draws = np.random.default_rng(seed)
    return [{"x": draws.normal(size=(ROWS, INPUTS)), "t": 2 * draws.normal(size=(ROWS, OUTPUTS))} for _ in range(count)]


class Model:
    """The same in float64: weights of both layers and the bias of the first."""

    def __init__(self, weights, mults, loss_weight, options):
        self.w = [np.array(each, np.float64) for each in weights]
        self.h = [np.zeros_like(each) for each in self.w]
        self.e = [np.zeros_like(each) for each in self.w]
        self.mults, self.loss_weight, self.o = [*mults, (1, 1)], loss_weight, options
        self.t = self.current = 0

    def gradients(self, batch):
        x, target = (np.float64(np.float32(batch[name])) for name in ("x", "t"))
        first, bias, second = self.w
        hidden = np.tanh(x @ first.T + bias)
        difference = hidden @ second.T - target
        loss = self.loss_weight * (difference**2).sum() / (2 * ROWS)
        top = self.loss_weight * difference / ROWS
        inner = (top @ second) * (1 - hidden**2)
        return loss, [inner.T @ x, inner.sum(axis=0), top.T @ hidden]

    def rate(self):
        o, t = self.o, self.t
        base, gamma, power, size = o["base_lr"], o["gamma"], o["power"], o["stepsize"]
        if o["lr_policy"] == "multistep":
            values = o["stepvalue"]
            self.current += self.current < len(values) and t >= values[self.current]
        return {
            "fixed": base, "step": base * gamma ** (t // size), "exp": base * gamma**t,
            "inv": base * (1 + gamma * t) ** -power, "poly": base * (1 - t / o["max_iter"]) ** power,
            "sigmoid": base / (1 + math.exp(-gamma * (t - size))), "multistep": base * gamma**self.current,
        }[o["lr_policy"]]  # fmt: skip

    def step(self, given):
        o, passes = self.o, len(given)
        found = [self.gradients(batch) for batch in given]
        g = [sum(parts) for parts in zip(*(gradients for _, gradients in found), strict=True)]
        g = [each * (lr_mult != 0) for each, (lr_mult, _) in zip(g, self.mults, strict=True)]  # there is none without
        rate = self.rate()
        length = math.sqrt(sum((each**2).sum() for each in g))
        if 0 <= o["clip_gradients"] < length:
            g = [each * o["clip_gradients"] / length for each in g]
        for number, (lr_mult, decay_mult) in enumerate(self.mults):
            w = self.w[number]
            decay = o["weight_decay"] * decay_mult
            part = g[number] / passes + decay * (w if o["regularization_type"] == "L2" else np.sign(w))
            self.w[number] = w - self.update(number, part, rate * lr_mult)
        self.t += 1
        return sum(loss for loss, _ in found) / passes

    def update(self, number, g, r):
        o, h, e = self.o, self.h[number], self.e[number]
        kind, mu, delta = o["type"], o["momentum"], o["delta"]
        if kind in ("SGD", "Nesterov"):
            self.h[number] = new = r * g + mu * h
            return new if kind == "SGD" else (1 + mu) * new - mu * h
        if kind in ("AdaGrad", "RMSProp"):
            d = o["rms_decay"]
            self.h[number] = new = h + g**2 if kind == "AdaGrad" else d * h + (1 - d) * g**2
            return r * g / (np.sqrt(new) + delta)
        if kind == "AdaDelta":
            self.h[number] = new = mu * h + (1 - mu) * g**2
            v = g * np.sqrt((e + delta) / (new + delta))
            self.e[number] = mu * e + (1 - mu) * v**2
            return r * v
        d, t = o["momentum2"], self.t + 1
        self.h[number], self.e[number] = mu * h + (1 - mu) * g, d * e + (1 - d) * g**2
        return r * math.sqrt(1 - d**t) / (1 - mu**t) * self.h[number] / (np.sqrt(self.e[number]) + delta)


@st.composite
def cases(draw):
    """Settings of a solver, multipliers of the first layer, loss_weight and seed."""
    kind = draw(st.sampled_from(["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"]))
    without = kind in ("AdaGrad", "RMSProp")
    options = {
        "type": kind,
        "base_lr": draw(st.sampled_from([0.01, 0.1])),
        "lr_policy": draw(st.sampled_from(["fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid"])),
        "gamma": draw(st.sampled_from([0.5, 0.9])),
        "power": draw(st.sampled_from([0.5, 2.0])),
        "stepsize": draw(st.integers(1, 3)),
        "stepvalue": draw(st.lists(st.integers(0, 5), max_size=3)),
        "max_iter": draw(st.sampled_from([6, 20])),
        "iter_size": draw(st.integers(1, 3)),
        "momentum": 0.0 if without else draw(st.sampled_from([0.0, 0.5, 0.9])),
        "momentum2": draw(st.sampled_from([0.9, 0.999])),
        "rms_decay": draw(st.sampled_from([0.5, 0.98])),
        "delta": draw(st.sampled_from([1e-8, 1e-4])),
        "weight_decay": draw(st.sampled_from([0.0, 0.01, 0.2])),
        "regularization_type": draw(st.sampled_from(["L1", "L2"])),
        "clip_gradients": draw(st.sampled_from([-1.0, 0.0, 0.05, 1.0, 100.0])),
    }
    mults = draw(st.tuples(*[st.tuples(st.sampled_from([0, 1, 2]), st.sampled_from([0, 1, 0.5]))] * 2))
    return options, mults, draw(st.sampled_from([1.0, 0.3])), draw(st.integers(0, 2**20))


@given(cases())
@settings(max_examples=150)
def test_six_iterations_are_those_of_the_model(case):
    options, mults, loss_weight, seed = case
    data = batches(6 * options["iter_size"], seed)
    solver = Solver(net=net_text(mults, loss_weight), data=data, seed=seed, **options)
    arrays = [blob.data for blobs in solver.net.params.values() for blob in blobs]
    model = Model([array.copy() for array in arrays], mults, loss_weight, options)
    for number in range(6):
        solver.step(1)
        size = options["iter_size"]
        loss = model.step(data[size * number : size * (number + 1)])
        assert solver.history.loss[-1] == pytest.approx(loss, rel=1e-4)
    # A gradient of almost 0 may have another sign here than there, which some rules make a step of.
    largest = max(np.abs(each).max() for each in model.w)
    for array, expected in zip(arrays, model.w, strict=True):
        np.testing.assert_allclose(array, expected, atol=TOLERANCE * largest)


def test_a_layer_with_a_rate_of_zero_does_not_move_but_decays_in_its_history():
    solver = Solver(net=net_text([(0, 1), (0, 1)]), data=batches(3, 0), type="AdaGrad", base_lr=0.1, weight_decay=0.1)
    before = [blob.data.copy() for blob in solver.net.params["one"]]
    solver.step(3)
    for blob, old in zip(solver.net.params["one"], before, strict=True):
        np.testing.assert_array_equal(blob.data, old)
    trainer = solver._training.trainer
    history = trainer.owner.view(0, trainer.histories[0])
    np.testing.assert_allclose(history, 3 * (0.1 * before[0]) ** 2, rtol=1e-5)


def test_a_layer_that_no_gradient_reaches_still_decays():
    cut = net_text([(1, 1), (1, 0)]).replace('top: "two" inner', 'top: "two" propagate_down: false inner')
    solver = Solver(net=cut, data=batches(3, 0), base_lr=0.5, weight_decay=0.1)
    before = [blob.data.copy() for blob in solver.net.params["one"]]
    solver.step(2)
    weights, bias = (blob.data for blob in solver.net.params["one"])
    np.testing.assert_allclose(weights, before[0] * 0.95**2, rtol=1e-5)
    np.testing.assert_array_equal(bias, before[1])


def test_raising_max_iter_changes_the_rate_of_poly_at_the_same_iteration(tmp_path):
    options = {"base_lr": 1.0, "lr_policy": "poly", "power": 1.0, "snapshot_prefix": str(tmp_path / "s")}
    first = Solver(net=net_text([(1, 1)] * 2), data=batches(9, 0), max_iter=4, snapshot_after_train=False, **options)
    first.step(2)
    _, state = first.snapshot()
    for last, rates in ((4, [0.5, 0.25]), (8, [0.75, 0.625])):
        second = Solver(net=net_text([(1, 1)] * 2), data=batches(9, 0), max_iter=last, **options)
        second.restore(state)
        second.step(2)
        assert second.history.rate.tolist() == rates


SHARED = """
layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ dim: 3 dim: 2 }} }} }}
layer {{ name: "one" type: "InnerProduct" bottom: "x" top: "one" param {{ name: "w" {first} }}
  inner_product_param {{ num_output: 2 bias_term: false weight_filler {{ type: "gaussian" std: 1 }} }} }}
layer {{ name: "two" type: "InnerProduct" bottom: "one" top: "two" param {{ name: "w" {second} }}
  inner_product_param {{ num_output: 2 bias_term: false }} }}
layer {{ name: "loss" type: "EuclideanLoss" bottom: "two" bottom: "x" top: "loss" }}
"""


@pytest.mark.parametrize(
    ("first", "second", "rate"),
    [("", "", 1), ("lr_mult: 3", "", 3), ("", "lr_mult: 3", 3), ("lr_mult: 3", "lr_mult: 3", 3)],
)
def test_a_shared_weight_has_the_rate_of_the_first_layer_that_gives_one(first, second, rate):
    def update(text, **options):
        data = [{"x": np.arange(6).reshape(3, 2) / 6}]
        solver = Solver(net=text, data=data, base_lr=0.01, seed=1, **options)
        solver.step(1)
        return solver.net.params["one"][0].diff.copy(), solver

    plain, _ = update(SHARED.format(first="lr_mult: 1", second=""))
    found, solver = update(SHARED.format(first=first, second=second))
    np.testing.assert_allclose(found, rate * plain, rtol=1e-5)
    assert solver.net.params["two"][0].data.base is solver.net.params["one"][0].data.base
    np.testing.assert_array_equal(solver.net.params["two"][0].diff, found)


@pytest.mark.parametrize("field", ["lr_mult", "decay_mult"])
def test_two_rates_of_a_shared_weight_are_refused(field):
    text = SHARED.format(first=f"{field}: 1", second=f"{field}: 2")
    with pytest.raises(InputError, match=rf"'two' .*shares a blob with 'one' and has {field} 2, expected 1"):
        Solver(net=text, data=[{"x": np.zeros((3, 2))}])


NORM = """
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 4 dim: 3 } } }
layer { name: "norm" type: "BatchNorm" bottom: "x" top: "n" batch_norm_param { moving_average_fraction: 0.9 MORE } }
layer { name: "ip" type: "InnerProduct" bottom: "n" top: "ip" FROZEN inner_product_param { num_output: 1
  weight_filler { type: "gaussian" std: 1 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "ip2" top: "loss" }
""".replace('bottom: "ip2"', 'bottom: "t"').replace(
    'top: "x" input_param { shape { dim: 4 dim: 3 } }',
    'top: "x" top: "t" input_param { shape { dim: 4 dim: 3 } shape { dim: 4 dim: 1 } }',
)


def statistics(more="", frozen="", **options):
    draws = np.random.default_rng(0)
    data = [{"x": draws.normal(number, 1, (4, 3)), "t": draws.normal(size=(4, 1))} for number in range(6)]
    text = NORM.replace("MORE", more).replace("FROZEN", frozen)
    solver = Solver(net=text, data=data, base_lr=0.01, weight_decay=0.1, **options)
    solver.step(2)
    return [blob.data.copy() for blob in solver.net.params["norm"]], data, solver


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("frozen", ["", "param { lr_mult: 0 } param { lr_mult: 0 }"])
def test_batch_norm_moves_in_every_pass_frozen_or_not(size, frozen):
    (mean, variance, factor), data, _ = statistics(frozen=frozen, iter_size=size)
    expected_mean, expected_variance, expected_factor = np.zeros(3), np.zeros(3), 0.0
    for batch in data[: 2 * size]:
        x = np.float64(np.float32(batch["x"]))
        expected_mean = 0.9 * expected_mean + x.mean(axis=0)
        expected_variance = 0.9 * expected_variance + x.var(axis=0) * 4 / 3
        expected_factor = 0.9 * expected_factor + 1
    assert factor[0] == pytest.approx(expected_factor, rel=1e-5)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(variance, expected_variance, rtol=1e-4)


def test_batch_norm_with_global_statistics_does_not_move():
    (mean, variance, factor), _, _ = statistics(more="use_global_stats: true")
    assert not mean.any()
    assert not variance.any()
    assert not factor.any()


def test_nothing_runs_backward_below_frozen_layers():
    text = net_text([(0, 0), (0, 0)])
    solver = Solver(net=text, data=batches(2, 0), base_lr=0.1)
    solver.add_callback(on_gradients_ready=lambda: found.append(np.abs(solver.net.params["one"][0].diff).max()))
    found = []
    solver.step(2)
    assert found == [0, 0]
    assert [node.name for node in find_needs(solver.net.graph)] == ["two", "loss"]


MEMORY = """
layer { name: "in" type: "Input" top: "x" top: "t" input_param { shape { dim: 4 dim: 3 } shape { dim: 4 dim: 2 } } }
layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" inner_product_param { num_output: 2
  weight_filler { type: "gaussian" std: 1 } } }
layer { name: "relu" type: "ReLU" bottom: "a" top: "a" }
layer { name: "turn" type: "Power" bottom: "a" top: "a" power_param { scale: -1 shift: 0.5 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "a" bottom: "t" top: "loss" }
"""


def test_relu_goes_by_what_a_later_layer_in_place_has_left_in_its_bottom():
    """As in Caffe, whose layers share that memory: not by the places where a was positive, but where the last result
    is."""
    draws = np.random.default_rng(3)
    x, t = draws.normal(size=(4, 3)).astype(np.float32), draws.normal(size=(4, 2)).astype(np.float32)
    solver = Solver(net=MEMORY, data=[{"x": x, "t": t}], base_lr=1.0, seed=2)
    weights = solver.net.params["a"][0].data.copy()
    solver.step(1)
    left = 0.5 - np.maximum(x @ weights.T, 0)
    top = -(left - t) / 4 * (left > 0)
    assert ((left > 0) != (x @ weights.T > 0)).any()
    np.testing.assert_allclose(solver.net.params["a"][0].diff, top.T @ x, atol=1e-5)
