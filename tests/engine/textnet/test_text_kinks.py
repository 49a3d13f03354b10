"""Text nets where a ReLU's input is exactly 0, and where outputs are equal."""

from __future__ import annotations

import numpy as np
import pytest
from reference.framed import call

import caffe64
from caffe64 import kernels
from caffe64.engine.compiler.cpu import LANES

TINY = np.float32(1e-45)
ONE_STEP = caffe64.Optimizer(rate=0.5, step=0, factor=1, decay=0, momentum=0, epochs=1)


@pytest.mark.parametrize("K", [1, LANES, LANES + 5])
def test_the_gradient_of_rel_at_zero_is_zero(K):
    y = np.resize(np.float32([0, -0.0, TINY, 1]), (3, K))
    dy = np.full((3, K), 2, np.float32)
    (dx,) = call(kernels.rel_backward, (y, dy), (3, K))
    np.testing.assert_array_equal(dx, np.where(y > 0, dy, 0))


@pytest.mark.parametrize("channels", [1, LANES + 3])
@pytest.mark.parametrize("bias", [0, 1])
def test_training_leaves_alone_what_is_before_a_rel_of_zeros(channels, bias):
    """Weights and a bias of 0 stay, as no gradient passes; with a bias of 1 one does."""
    net = caffe64.Net(f"inp 3 4 / lin {channels} -1 / rel / lin 2 -1 / l2l")
    before = np.concatenate([np.zeros(3 * channels), np.full(channels, bias), np.ones(2 * channels + 2)])
    net.parameters = net.unpack(before.astype(np.float32))
    random = np.random.default_rng(0)
    net.fit(random.standard_normal((4, 3)), random.standard_normal((4, 2)), ONE_STEP)
    moved = (net.pack(net.parameters) != before)[: 4 * channels]
    assert moved.all() if bias else not moved.any()


def test_of_equal_outputs_the_first_class_is_predicted():
    net = caffe64.Net("inp 2 2 / lin 3 -1 / sce")
    net.parameters = net.unpack(np.zeros(9, np.float32))
    found = net.evaluate(np.ones((6, 2)), [0, 0, 0, 1, 2, 2])
    assert found.accuracy == 0.5
    np.testing.assert_array_equal(found.confusion, [[3, 0, 0], [1, 0, 0], [2, 0, 0]])
    net.parameters = net.unpack(np.float32([0, 1, 1, 0, 0, 0, 0, 0, 0]))  # 1 and 2 are ahead of 0
    assert net.evaluate(np.ones((6, 2)), [0, 0, 0, 1, 2, 2]).confusion[:, 1].sum() == 6
