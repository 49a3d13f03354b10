"""The update rules and the policies of the rate: against formulas in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffe64.engine.graph.plan.lowering.constants import STREAMED_BYTES
from caffe64.engine.graph.plan.update import WeightUpdate
from caffe64.engine.parameters.owner import Parameters, Slice
from caffe64.engine.parameters.rules import RULES, Rule
from caffe64.engine.parameters.schedule import Schedule

EDGES = (1, 2, 15, 16, 17, 31, 33, 64, 65)  # of cache lines and of vectors of all widths
TOLERANCE = 4e-6  # of 1 + |expected|: some 30 units in the last place, of at most three terms of about that size
TWO = ("AdaDelta", "Adam")  # which keep two histories
eighths = st.integers(-16, 16).map(lambda number: number / 8)


def expected_update(rule: Rule, w, g, h, e, *, passes, rate, decay, updates):
    """The arrays after one update: w, h, e, and what was subtracted from w; all float64."""
    g = g / passes + decay * (np.sign(w) if rule.absolute else w)
    m, d, delta = (float(np.float32(each)) for each in (rule.momentum, rule.other, rule.delta))
    if rule.name == "SGD":
        h = rate * g + m * h
        u = h
    elif rule.name == "Nesterov":
        new = rate * g + m * h
        u, h = (1 + m) * new - m * h, new
    elif rule.name == "AdaGrad":
        h = h + g**2
        u = rate * g / (np.sqrt(h) + delta)
    elif rule.name == "RMSProp":
        h = d * h + (1 - d) * g**2
        u = rate * g / (np.sqrt(h) + delta)
    elif rule.name == "AdaDelta":
        h = m * h + (1 - m) * g**2
        v = g * np.sqrt((e + delta) / (h + delta))
        e = m * e + (1 - m) * v**2
        u = rate * v
    else:
        h = m * h + (1 - m) * g
        e = d * e + (1 - d) * g**2
        u = rate * math.sqrt(1 - d ** (updates + 1)) / (1 - m ** (updates + 1)) * h / (np.sqrt(e) + delta)
    return w - u, h, e, u


def drawn_rule(draw) -> Rule:
    name = draw(st.sampled_from(RULES))
    momentum = 0.0 if name in ("AdaGrad", "RMSProp") else draw(st.sampled_from([0.0, 0.5, 0.9, 0.95]))
    return Rule(
        name,
        momentum,
        draw(st.sampled_from([0.5, 0.9, 0.99, 0.999])),
        draw(st.sampled_from([1e-8, 1e-3, 0.5])),
        decay=1.0,
        absolute=draw(st.booleans()),
    )


@given(st.data())
def test_an_update_is_the_formulas(data):
    """Of several slices of one vector, from any histories; each update starts from what the one before has left."""
    rule, passes = drawn_rule(data.draw), data.draw(st.integers(1, 3))
    threads = data.draw(st.sampled_from([1, 1, 3]))
    sizes = data.draw(st.lists(st.sampled_from(EDGES), min_size=1, max_size=3))
    rates = [data.draw(st.sampled_from([0.0, 0.25, 1.0])) for _ in sizes]
    decays = [data.draw(st.sampled_from([0.0, 0.125, 2.0])) for _ in sizes]
    numbered = enumerate(zip(sizes, rates, decays, strict=True))
    owner = Parameters([Slice("layer", number, (size,), 0, rate, decay) for number, (size, rate, decay) in numbered])
    w, g, h, e = owner.vector, owner.zeros(), owner.zeros(), owner.zeros()
    update = WeightUpdate(owner, g, rule, [h, e][: rule.histories], passes, threads)
    draws = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    signed = rule.name in ("SGD", "Nesterov", "Adam")  # the others' histories are means of squares
    for number, size in enumerate(sizes):
        owner.view(number)[:] = (
            data.draw(st.lists(eighths, min_size=1, max_size=size)) and draws.integers(-16, 17, size) / 8
        )
        owner.view(number, h)[:] = draws.integers(-16 if signed else 0, 17, size) / 8
        owner.view(number, e)[:] = draws.integers(0, 17, size) / 8
    for updates in range(3):
        for number, size in enumerate(sizes):
            owner.view(number, g)[:] = draws.integers(-16, 17, size) / 8
        before = [array.astype(np.float64) for array in (w, g, h, e)]
        update.run(rule.correction(updates))
        assert update.updates == updates + 1
        for part, rate, decay in zip(owner.slices, rates, decays, strict=True):
            found = [part.of(array) for array in (w, h, e, g)]
            old = [part.of(array) for array in before]
            expected = expected_update(rule, *old, passes=passes, rate=rate, decay=decay, updates=updates)
            kept = 4 if rule.histories == 2 else 2
            names = ("w", "h", "e", "u")
            for name, one, other in zip(names, found, expected, strict=True):
                if name != "e" or kept == 4:
                    np.testing.assert_allclose(one, other, atol=TOLERANCE, rtol=TOLERANCE, err_msg=name)
        gaps = np.ones(w.size, bool)
        for part in owner.slices:
            part.of(gaps)[:] = False
        assert not any(array[gaps].any() for array in (w, h, e))


@pytest.mark.parametrize("size", [*EDGES, 16384, 40000])
def test_gradients_are_shortened_to_the_limit(size):
    owner = Parameters([Slice("layer", 0, (size,), 0)])
    g, h = owner.zeros(), owner.zeros()
    update = WeightUpdate(owner, g, Rule(), [h])
    given_ = np.random.default_rng(size).normal(size=size).astype(np.float32)
    length = float(np.sqrt((given_.astype(np.float64) ** 2).sum()))
    for limit in (-1.0, 0.5 * length, 1.01 * length, 0.0):
        owner.view(0)[:], owner.view(0, g)[:] = 0, given_
        found = update.run(np.float32(1), limit)
        is_longer = 0 <= limit < length
        assert found == (pytest.approx(length, rel=1e-12) if is_longer else None)
        factor = np.float32(limit / length) if is_longer else np.float32(1)
        np.testing.assert_array_equal(owner.view(0), -(given_ * factor))


def test_a_length_that_is_not_a_number_shortens_nothing():
    owner = Parameters([Slice("layer", 0, (40,), 0)])
    g, h = owner.zeros(), owner.zeros()
    owner.view(0, g)[:] = 3
    owner.view(0, g)[7] = np.nan
    assert WeightUpdate(owner, g, Rule(), [h]).run(np.float32(1), 0.5) is None
    assert np.isnan(owner.view(0)).sum() == 1
    assert (np.delete(owner.view(0), 7) == -3).all()


def test_a_long_gradient_is_added_up_in_double_precision():
    owner = Parameters([Slice("layer", 0, (1 << 22,), 0)])
    g, h = owner.zeros(), owner.zeros()
    g.fill(1e-3)
    found = WeightUpdate(owner, g, Rule(), [h]).run(np.float32(1), 0.5)
    assert found == pytest.approx(((1 << 22) * np.float64(np.float32(1e-3)) ** 2) ** 0.5, rel=1e-9)


@pytest.mark.parametrize("name", RULES)
def test_the_bits_do_not_depend_on_the_threads(name):
    """Of slices that are cut into pieces, and clipped."""
    results = []
    for threads in (1, 2, 3, 4):
        draws = np.random.default_rng(3)
        owner = Parameters([Slice("layer", number, (size,), 0) for number, size in enumerate((70_000, 3, 20_001))])
        vectors = [owner.zeros() for _ in range(3)]
        update = WeightUpdate(
            owner, vectors[0], Rule(name, 0.5, 0.9, decay=0.1), vectors[1 : 2 + (name in TWO)], 2, threads
        )
        for updates in range(20):
            for number in range(3):
                owner.view(number, vectors[0])[:] = draws.normal(size=owner.slices[number].size)
            assert update.run(np.float32(0.01), 5.0 * (updates % 3 - 1)) is None or updates % 3
        results.append(np.concatenate([owner.vector, *vectors]))
    for found in results[1:]:
        np.testing.assert_array_equal(found, results[0])


@pytest.mark.parametrize("size", [100_001, STREAMED_BYTES // 4 + 100_001])
def test_gradients_are_cleared(size):
    owner = Parameters([Slice("layer", 0, (size,), 0)])
    g = owner.zeros()
    g.fill(2)
    WeightUpdate(owner, g, Rule(), [owner.zeros()], threads=2).clear()
    assert not g.any()


def test_the_sign_of_a_weight_of_zero_is_zero():
    owner = Parameters([Slice("layer", 0, (3,), 0)])
    owner.view(0)[:] = [0.0, -0.0, 2]
    g, h = owner.zeros(), owner.zeros()
    WeightUpdate(owner, g, Rule(decay=0.5, absolute=True), [h]).run(np.float32(1))
    assert owner.view(0).tolist() == [0, 0, 1.5]


# Policies


@given(st.integers(0, 10**5), st.sampled_from([0.0, 0.1, 0.9, 1.0, 1.5]), st.sampled_from([0.5, 0.75, 2.0]))
def test_rates_are_the_formulas(t, gamma, power):
    base, size, last = 0.3, 100, 10**5
    with np.errstate(over="ignore"):
        expected = {
            "fixed": base,
            "step": base * np.float64(gamma) ** (t // size),
            "exp": base * np.float64(gamma) ** t,
            "inv": base * (1 + gamma * t) ** -power,
            "poly": base * (1 - t / last) ** power,
            "sigmoid": base / (1 + np.exp(-gamma * (np.float64(t) - size))),
        }
    for policy, rate in expected.items():
        if not rate < np.finfo(np.float32).max:
            continue
        found = Schedule(policy, base, gamma, power, size, iterations=last).rate(t)
        assert found == pytest.approx(rate, rel=1e-6, abs=1e-45), policy


def steps_of(values, start=0, count=12, current=0):
    schedule = Schedule("multistep", 1.0, 0.5, values=values, current=current)
    found = []
    for t in range(start, start + count):
        schedule.rises(t)
        found.append(round(-math.log2(schedule.rate(t))))
    return found


def test_multistep_rises_by_one_in_an_iteration():
    assert steps_of((3, 6)) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2]
    assert steps_of((3, 3, 3)) == [0, 0, 0, 1, 2, 3, 3, 3, 3, 3, 3, 3]  # equal values act late
    assert steps_of((5, 2, 7)) == [0, 0, 0, 0, 0, 1, 2, 3, 3, 3, 3, 3]  # and so do unordered ones
    assert steps_of((0,)) == [1] * 12
    assert steps_of(()) == [0] * 12


def test_multistep_goes_on_from_the_step_of_a_snapshot():
    values = (3, 3, 8)
    whole = steps_of(values)
    assert steps_of(values, 4, 8, current=1) == whole[4:]
    assert steps_of(values, 9, 3, current=0) == [1, 2, 3]  # a state of another solver, or none


def test_the_step_of_step_is_that_of_the_iteration():
    schedule = Schedule("step", 1.0, 0.5, stepsize=4, current=7)
    assert schedule.rate(9) == 0.25
    assert schedule.current == 2
    assert not schedule.rises(8)


def test_poly_goes_by_the_last_iteration():
    rates = {
        last: [float(Schedule("poly", 1.0, power=2.0, iterations=last).rate(t)) for t in (0, 50, 99)]
        for last in (100, 200)
    }
    assert rates[100] == pytest.approx([1, 0.25, 0.0001])
    assert rates[200] == pytest.approx([1, 0.5625, (1 - 99 / 200) ** 2])


@pytest.mark.parametrize(
    ("schedule", "iteration", "rate"),
    [
        (Schedule("exp", 0.1, 1e30), 20, math.inf),
        (Schedule("step", 0.1, 1e30, stepsize=1), 20, math.inf),
        (Schedule("inv", 0.1, 1e30, -20.0), 20, math.inf),
        (Schedule("inv", 0.1, 1.0, 2000.0), 20, 0.0),
        (Schedule("sigmoid", 0.1, 1e30, stepsize=5), 0, 0.0),
        (Schedule("sigmoid", 0.1, 1e30, stepsize=5), 9, 0.1),
        (Schedule("poly", 0.1, power=0.5, iterations=10), 11, math.nan),
        (Schedule("poly", 0.1, power=2.0, iterations=10), 11, 0.001),
        (Schedule("poly", 0.1, power=1.0, iterations=0), 1, -math.inf),
        (Schedule("fixed", 1e39), 0, math.inf),
    ],
)
def test_rates_without_a_number_are_those_of_c(schedule, iteration, rate):
    assert schedule.rate(iteration) == pytest.approx(rate, nan_ok=True)


def test_a_momentum_of_one_has_no_correction():
    assert Rule("Adam", 1.0, 0.999).correction(0) == math.inf
    assert Rule("Adam", 2.0, 0.999).correction(5000) == 0
