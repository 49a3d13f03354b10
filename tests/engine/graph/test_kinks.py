"""Values exactly where a function has a kink, by Caffe's rule: other tests draw numbers that lie beside it."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_layers import input_text, layer_text, run_layer
from reference.caffe_slopes import backward, layer_net

import caffe64
from caffe64.engine.compiler.cpu import LANES

TINY, HALF = np.float32(1e-45), np.float32(0.5)
UP, DOWN = np.float32(np.inf), np.float32(-np.inf)


def beside(value: float) -> list[np.float32]:
    """The float32 before `value`, itself, and the one after."""
    middle = np.float32(value)
    return [np.nextafter(middle, DOWN), middle, np.nextafter(middle, UP)]


AROUND_0 = [-1, -TINY, -0.0, 0, TINY, 1]
SLOPES = [  # layer, values, dx / dy
    ('type: "ReLU"', AROUND_0, [0, 0, 0, 0, 1, 1]),
    ('type: "ReLU" relu_param { negative_slope: 0.5 }', AROUND_0, [0.5, 0.5, 0.5, 0.5, 1, 1]),
    ('type: "ELU" elu_param { alpha: 2 }', [-TINY, -0.0, 0, TINY, 1], [2, 2, 2, 1, 1]),
    ('type: "AbsVal"', AROUND_0, [-1, -1, 0, 0, 1, 1]),
    ('type: "Clip" clip_param { min: -1 max: 2 }', [*beside(-1), 0, *beside(2)], [0, 1, 1, 1, 1, 1, 0]),
    ('type: "BNLL"', [-0.0, 0], [0.5, 0.5]),
    ('type: "Reduction" reduction_param { operation: ASUM }', AROUND_0, [-1, -1, 0, 0, 1, 1]),
]


@pytest.mark.parametrize(("layer", "values", "slopes"), SLOPES)
@pytest.mark.parametrize("size", [1, LANES, 2 * LANES + 9])
def test_the_gradient_at_a_kink(layer, values, slopes, size):
    for shift in range(len(values)):
        x, slope = (np.resize(np.roll(np.float32(each), shift), size) for each in (values, slopes))
        dy = np.float32([3]) if "Reduction" in layer else np.arange(2, size + 2, dtype=np.float32)
        ((dx,), _) = backward(layer_net(layer, [x.shape]), [x], [], [dy.reshape(() if "Reduction" in layer else -1)])
        np.testing.assert_array_equal(dx, slope * dy)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("pixels", [1, LANES, LANES + 3])
def test_prelus_gradients_at_zero(shared, pixels):
    """dx = slope * dy, and none of its slope's."""
    x, dy = np.zeros((2, 3, pixels), np.float32), np.full((2, 3, pixels), 4, np.float32)
    slopes = np.float32(0.5) if shared else np.float32([0.25, 0.5, -2])
    text = f'type: "PReLU" prelu_param {{ channel_shared: {str(shared).lower()} }}'
    (dx,), (dslopes,) = backward(layer_net(text, [x.shape]), [x], [slopes], [dy])
    np.testing.assert_array_equal(dx, dy * slopes.reshape(-1, 1))
    np.testing.assert_array_equal(dslopes, np.zeros_like(slopes))


@pytest.mark.parametrize("in_place", [False, True])
def test_no_gradient_passes_a_relu_at_zero_within_a_net(in_place, tmp_path):
    """A convolution of zeros before it, which a plan runs: its weights stay as they are."""
    top = "c" if in_place else "r"
    text = input_text("x", (2, 3, 5, 5)) + input_text("t", (2, 4))
    text += layer_text("Convolution", ["x"], ["c"], "convolution_param { num_output: 4 kernel_size: 3 }", "c")
    text += layer_text("ReLU", ["c"], [top], name="r")
    text += layer_text("InnerProduct", [top], ["p"], "inner_product_param { num_output: 4 }", "p")
    (tmp_path / "net.prototxt").write_text(text + layer_text("EuclideanLoss", ["p", "t"], ["loss"], name="loss"))
    net = caffe64.load_caffe(tmp_path / "net.prototxt", seed=0)
    net.params["p"][0].data[...] = 1
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 5)).astype(np.float32)
    for bias, passes in ((0, False), (1, True)):
        for blob, value in zip(net.params["c"], (0, bias), strict=True):
            blob.data[...], blob.diff[...] = value, 0
        net.forward(x=x, t=np.ones((2, 4), np.float32))
        net.backward()
        assert [bool(blob.diff.any()) for blob in net.params["c"]] == [passes, passes]


@pytest.mark.parametrize("size", [3, LANES, 2 * LANES + 3])
def test_a_threshold_is_not_above_itself(size):
    x = np.resize(np.float32(beside(0.5)), size)
    (y,) = run_layer("Threshold", [x], "threshold_param { threshold: 0.5 }")
    np.testing.assert_array_equal(y, np.resize([0, 0, 1], size))


@pytest.mark.parametrize(("norm", "slope"), [("L1", 1), ("L2", 2 * 2.0**-23)])
def test_the_hinge_loss_at_its_margin(norm, slope):
    """At 1 for the label's class and -1 for the others: no loss, no gradient; just inside, sign or margin."""
    inside = np.float32(1 - 2.0**-23)
    x = np.float32([[1, -1, -1], [inside, -1, -inside]])
    label, text = np.zeros(2, np.float32), f"hinge_loss_param {{ norm: {norm} }}"
    (loss,) = run_layer("HingeLoss", [x[:1], label[:1]], text)
    assert loss == 0
    net = layer_net(f'type: "HingeLoss" {text}', [x.shape, label.shape])
    (dx, _), _ = backward(net, [x, label], [], [np.float32(2)])
    np.testing.assert_array_equal(dx, np.float32([[0, 0, 0], [-slope, 0, slope]]))


def test_the_softmax_loss_of_an_impossible_label_has_its_gradient():
    """Where the forward pass takes the smallest float instead of p, the gradient is p - 1 all the same."""
    x, label = np.float32([[0, 1000]]), np.float32([0])
    net = layer_net('type: "SoftmaxWithLoss"', [x.shape, label.shape])
    (dx, _), _ = backward(net, [x, label], [], [np.float32(1)])
    np.testing.assert_array_equal(dx, [[-1, 1]])
