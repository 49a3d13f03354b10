"""Gradients of element-wise functions in plans: those of the layers' own code, of blobs stored in either way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.backward_check import check_backward
from reference.caffe_graphs import data, graph_of, layer

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.plan.storage import StorageKind

CURVES = {  # by a name: layer type and parameters
    "relu": ("ReLU", ""),
    "leaky": ("ReLU", "relu_param { negative_slope: 0.25 }"),
    "backwards": ("ReLU", "relu_param { negative_slope: -0.5 }"),
    "prelu": ("PReLU", ""),
    "shared": ("PReLU", "prelu_param { channel_shared: true }"),
    "elu": ("ELU", "elu_param { alpha: 0.5 }"),
    "sigmoid": ("Sigmoid", ""),
    "tanh": ("TanH", ""),
    "swish": ("Swish", "swish_param { beta: 1.5 }"),
    "mish": ("Mish", ""),
    "softplus": ("BNLL", ""),
    "exp": ("Exp", "exp_param { base: 2 scale: 0.5 shift: 1 }"),
    "linear": ("Power", "power_param { scale: -2 shift: 3 }"),
    "clip": ("Clip", "clip_param { min: -0.5 max: 1 }"),
    "relu6": ("ReLU6", ""),
    "hard": ("HardSigmoid", ""),
}
SPECIALS = np.array([0, -0.0, np.nan, np.inf, -np.inf, 1e-45, 6, 88, -88], np.float32)
KINDS = [StorageKind.BLOCKED, StorageKind.PLANAR]
ROUNDED = ("PReLU", "Exp")  # a sum of float32; and the reference has another function in its y
TOLERANCE = 2e-6  # of the largest


def draw(shape, special, seed=0):
    rng = np.random.default_rng(seed)
    drawn = rng.normal(0, 2, shape)
    return np.where(rng.random(shape) < special, rng.choice(SPECIALS, shape), drawn).astype(np.float32)


def check(name, shape, special=0.0, **options):
    kind, more = CURVES[name]
    made = graph_of(data(" ".join(map(str, shape))), layer("it", kind, "data", more=more))
    dy = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    tolerance = TOLERANCE if kind in ROUNDED else 0
    least = np.sqrt(dy.size) if kind == "PReLU" else 0  # of a sum of so many random terms, which may cancel
    return check_backward(made, {"data": draw(shape, special)}, [dy], tolerance=tolerance, least=least, **options)


@pytest.mark.parametrize("name", CURVES)
@settings(max_examples=15, deadline=None)
@given(
    shape=st.tuples(*(st.integers(1, most) for most in (3, 2 * LANES + 1, 9, 9))),
    axes=st.integers(2, 4),
    stored=st.sampled_from(KINDS),
    rim=st.sampled_from([(0, 0, 0, 0), (1, 2, 0, 1)]),
)
def test_gradients_are_those_of_the_layer(name, shape, axes, stored, rim):
    check(name, shape[:axes], stored=stored, rim=rim)


@pytest.mark.parametrize("name", [name for name in CURVES if CURVES[name][0] != "PReLU"])
@pytest.mark.parametrize("stored", KINDS)
def test_nan_and_infinities_have_the_gradients_that_the_layer_gives_them(name, stored):
    check(name, (2, LANES + 3, 5, 7), 0.4, stored=stored)


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("shape", [(9, 2 * LANES + 3, 14, 15), (70, 3 * LANES)], ids=str)
def test_the_bits_do_not_depend_on_threads(name, shape):
    check(name, shape, threads=True)


@pytest.mark.parametrize("name", ["prelu", "shared"])
def test_only_what_is_wanted_of_a_prelu_is_computed(name):
    shape = (3, LANES + 1, 4, 5)
    assert check(name, shape, bottoms=[False]).bottoms == [None]
    found, whole = check(name, shape, weights=[False]), check(name, shape)
    assert found.weights == {"it": [None]}
    np.testing.assert_array_equal(found.bottoms[0], whole.bottoms[0])
