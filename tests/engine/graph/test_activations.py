"""Activations against their formulas in float64, at the sizes where vectors end, with inf and NaN among the values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference.caffe_layers import forward, net_text, run_layer, runtime
from support import assert_close

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.parameters.streams import Streams

SIZES = sorted({1, 2, LANES - 1, LANES, LANES + 1, 5 * LANES + 3})
sizes = st.sampled_from(SIZES)
numbers = st.floats(-4, 4, width=32)
positive = st.floats(0.125, 4, width=32)
few = settings(max_examples=30)


def values(size: int, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(size) * 3).astype(np.float32)


def below(x):
    return np.minimum(x, 0)


def above(x):
    return np.maximum(x, 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# Type -> (its parameters as text, the function of a float64 array), from two numbers of which the second is positive.
FORMULAS = {
    "ReLU": lambda a, b: (f"relu_param {{ negative_slope: {a} }}", lambda x: above(x) + a * below(x)),
    "ELU": lambda a, b: (f"elu_param {{ alpha: {a} }}", lambda x: np.where(x > 0, x, a * np.expm1(below(x)))),
    "TanH": lambda a, b: ("", np.tanh),
    "Sigmoid": lambda a, b: ("", sigmoid),
    "Swish": lambda a, b: (f"swish_param {{ beta: {a} }}", lambda x: x * sigmoid(a * x)),
    "Mish": lambda a, b: ("", lambda x: x * np.tanh(np.logaddexp(0, x))),
    **dict.fromkeys(
        ("SELU", "SeLu"),
        lambda a, b: (
            f"selu_param {{ alpha: {a} lambda: {b} }}",
            lambda x: b * np.where(x > 0, x, a * np.expm1(below(x))),
        ),
    ),
    "ReLU6": lambda a, b: (
        f"relu6_param {{ negative_slope: {a} }}",
        lambda x: np.minimum(above(x) + a * below(x), 6),
    ),
    "HardSigmoid": lambda a, b: (
        f"hard_sigmoid_param {{ alpha: {b} beta: {a} }}",
        lambda x: np.clip(b * x + a, 0, 1),
    ),
    "HSigmoid": lambda a, b: ("", lambda x: np.clip(x + 3, 0, 6) / 6),
    **dict.fromkeys(("HSwish", "HardSwish"), lambda a, b: ("", lambda x: x * np.clip(x + 3, 0, 6) / 6)),
    "AbsVal": lambda a, b: ("", np.abs),
    "Clip": lambda a, b: (f"clip_param {{ min: {a} max: {a + b} }}", lambda x: np.clip(x, a, a + b)),
    "Threshold": lambda a, b: (f"threshold_param {{ threshold: {a} }}", lambda x: (x > a).astype(float)),
    "BNLL": lambda a, b: ("", lambda x: np.logaddexp(0, x)),
    "Exp": lambda a, b: (f"exp_param {{ base: {b} scale: {a} shift: 0.5 }}", lambda x: b ** (a * x + 0.5)),
    "Power": lambda a, b: (f"power_param {{ power: 2 scale: {b} shift: {a} }}", lambda x: (a + b * x) ** 2),
    "Log": lambda a, b: (
        f"log_param {{ base: {b + 1.5} scale: 0.25 shift: {a + 20} }}",
        lambda x: np.log(a + 20 + 0.25 * x) / np.log(b + 1.5),
    ),
}


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("kind", FORMULAS)
@few
@given(size=sizes, a=numbers, b=positive, seed=st.integers(0, 1000))
@example(size=7, a=-3.90625, b=0.125, seed=256)  # e**52
def test_activations_are_their_formulas(kind, in_place, size, a, b, seed):
    parameters, formula = FORMULAS[kind](a, b)
    x = values(size, seed)
    (found,) = run_layer(kind, [x], parameters, in_place=in_place and kind != "AbsVal")
    expected = formula(x.astype(np.float64))
    # exp(z) of a rounded z = a * ln(b) * x + c is off by |z| roundings of z
    share = max(3e-6, 1.2e-7 * np.abs(np.log(expected)).max()) if kind == "Exp" else 3e-6
    assert_close(kind, found, expected, share * (1 + np.abs(expected).max()))


DEFAULTS = [  # of parameters that a file leaves out: type, x, y
    ("SELU", -1.0, 1.0507009 * 1.6732632 * np.expm1(-1)),
    ("SeLu", 2.0, 2 * 1.0507009),
    ("HardSigmoid", 1.0, 0.7),
    ("ReLU6", -2.0, 0.0),
]


@pytest.mark.parametrize(("kind", "x", "y"), DEFAULTS)
def test_what_a_file_leaves_out(kind, x, y):
    (found,) = run_layer(kind, [np.float32([x])])
    np.testing.assert_allclose(found, [y], rtol=1e-6)


@few
@given(
    shape=st.lists(st.sampled_from([1, 2, 3, LANES + 1]), min_size=2, max_size=4),
    shared=st.booleans(),
    in_place=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_prelu_has_a_slope_for_each_channel_or_one_for_all(shape, shared, in_place, seed):
    x = values(int(np.prod(shape)), seed).reshape(shape)
    slopes = values(1 if shared else shape[1], seed + 1).reshape(() if shared else (-1,))
    parameters = "prelu_param { channel_shared: true }" if shared else ""
    (found,) = run_layer("PReLU", [x], parameters, [slopes], in_place=in_place)
    expected = np.empty(shape)
    for n in range(shape[0]):
        for c in range(shape[1]):
            expected[n, c] = np.where(x[n, c] > 0, x[n, c], (slopes if shared else slopes[c]) * x[n, c])
    assert_close("PReLU", found, expected, 1e-6 * np.abs(expected).max())


NAN, INF = np.nan, np.inf
EDGES = [  # type, parameters, what becomes of NaN, -inf, inf
    ("ReLU", "", [NAN, NAN, INF]),
    ("ReLU", "relu_param { negative_slope: 0.5 }", [NAN, -INF, INF]),
    ("ELU", "elu_param { alpha: 2 }", [NAN, -2, INF]),
    ("TanH", "", [NAN, -1, 1]),
    ("Sigmoid", "", [NAN, 0, 1]),
    ("Swish", "", [NAN, NAN, INF]),
    ("Mish", "", [NAN, NAN, INF]),
    ("SELU", "selu_param { alpha: 2 lambda: 0.5 }", [NAN, -1, INF]),
    ("ReLU6", "", [NAN, NAN, 6]),
    ("ReLU6", "relu6_param { negative_slope: 0.5 }", [NAN, -INF, 6]),
    ("HardSigmoid", "", [NAN, 0, 1]),
    ("HSigmoid", "", [NAN, 0, 1]),
    ("HSwish", "", [NAN, NAN, INF]),
    ("AbsVal", "", [NAN, INF, INF]),
    ("Clip", "clip_param { min: -1 max: 2 }", [-1, -1, 2]),
    ("Threshold", "", [0, 0, 1]),
    ("BNLL", "", [NAN, 0, INF]),
    ("Exp", "", [NAN, 0, INF]),
    ("Log", "", [NAN, NAN, INF]),
    ("Power", "power_param { scale: 2 }", [NAN, -INF, INF]),
]


@pytest.mark.parametrize(("kind", "parameters", "expected"), EDGES)
@pytest.mark.parametrize("size", [3, LANES + 3])
def test_what_becomes_of_nan_and_infinity(kind, parameters, expected, size, recwarn):
    x = np.resize(np.array([NAN, -INF, INF], np.float32), size)
    (found,) = run_layer(kind, [x], parameters)
    np.testing.assert_array_equal(found, np.resize(expected, size))
    assert not recwarn.list


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("power: 0", [1, 1, 1]),
        ("power: 0 shift: -2", [1, 1, 1]),
        ("scale: 0 shift: 3", [3, 3, 3]),
        ("scale: 0 shift: -2 power: 3", [-8, -8, -8]),
        ("scale: 0 shift: -2 power: 0.5", [NAN, NAN, NAN]),
        ("power: -1", [-INF, 0.5, NAN]),
        ("power: 0.5 shift: -1", [NAN, 1, NAN]),
        ("power: 3 scale: 2", [0, 64, NAN]),
    ],
)
def test_powers_at_their_edges(parameters, expected):
    x = np.array([-0.0, 2, NAN], np.float32)
    (found,) = run_layer("Power", [x], f"power_param {{ {parameters} }}")
    np.testing.assert_array_equal(found, np.float32(expected))


@few
@given(size=sizes, ratio=st.floats(0, 0.875, width=32), in_place=st.booleans())
def test_dropout_leaves_a_test_alone(size, ratio, in_place):
    x = values(size, 0)
    (found,) = run_layer("Dropout", [x], f"dropout_param {{ dropout_ratio: {ratio} }}", in_place=in_place)
    np.testing.assert_array_equal(found, x)


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("in_place", [False, True])
def test_dropout_in_training_drops_and_scales(ratio, in_place):
    x = values(40000, 0)
    parameters = f"dropout_param {{ dropout_ratio: {ratio} }}"
    (found,) = run_layer("Dropout", [x], parameters, phase="TRAIN", in_place=in_place)
    kept = found != 0
    assert abs(kept.mean() - (1 - ratio)) < 0.01  # four standard deviations of 40000 draws
    assert_close("kept", found[kept], x[kept] / (1 - ratio), 1e-6 * np.abs(found).max())


def masks(iterations, seed=0, name="layer", sizes=(1000,)):
    """What Dropout makes of ones in each iteration, by a runtime that is made anew whenever the size changes."""
    found, made, streams = [], None, Streams(seed)
    for number, iteration in enumerate(iterations):
        size = sizes[number % len(sizes)]
        if made is None or len(sizes) > 1:
            made = runtime(net_text("Dropout", [(size,)]), phase="TRAIN")
            made.graph.nodes[-1].name = name
            made.graph.nodes[-1].streams = streams
        streams.iteration = iteration
        found.append(forward(made, [np.ones(size, np.float32)])[0])
    return found


def test_dropout_depends_on_seed_layer_and_iteration():
    first, second, again = masks([1, 2, 1])
    np.testing.assert_array_equal(first, again)
    others = [masks([1], seed=1)[0], masks([1], seed=2**64 - 1)[0], masks([1], name="other")[0], masks([2**40])[0]]
    for other in [second, *others]:
        assert 0.4 < (first != other).mean() < 0.6


def test_dropout_does_not_depend_on_what_ran_before_or_on_a_reshape():
    for one, other in zip(masks(range(4)), masks(range(4), sizes=(1000, 1001)), strict=True):
        np.testing.assert_array_equal(one, other[:1000])


def test_a_layers_own_phase_wins():
    (found,) = run_layer("Dropout", [np.ones(1000, np.float32)], "phase: TEST", phase="TRAIN")
    assert (found == 1).all()
    (found,) = run_layer("Dropout", [np.ones(1000, np.float32)], "phase: TRAIN", phase="TEST")
    assert set(found) == {0, 2}
