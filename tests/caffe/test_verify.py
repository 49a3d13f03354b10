"""verify and export_onnx from Python: their limits, and what they raise."""

from __future__ import annotations

import numpy as np
import pytest
from reference.small_caffe_net import write_net

import caffe64
from caffe64.errors import CheckFailed, UsageError


@pytest.fixture
def nets(tmp_path):
    """Two nets whose outputs are some 1e-3 apart."""
    net, other = write_net(tmp_path), write_net(tmp_path)
    other.params["fc"][0].data[...] *= np.float32(1.002)
    return net, other


@pytest.mark.parametrize("value", [np.nan, -1, -1e-9, "1e-4", None, True, 1j, [1e-4]])
@pytest.mark.parametrize("name", ["tolerance", "floor"])
def test_limits_are_numbers_from_0(nets, name, value, tmp_path):
    with pytest.raises(UsageError, match=f"^{name} is .*, expected a number from 0"):
        caffe64.verify(*nets, **{name: value})
    with pytest.raises(UsageError, match=f"^{name} is .*, expected a number from 0"):
        caffe64.export_onnx(nets[0], tmp_path / "net.onnx", **{name: value})
    assert not (tmp_path / "net.onnx").exists()


def test_verify_returns_both_figures_and_raises_beyond_the_limits(nets):
    (found,) = caffe64.verify(*nets, tolerance=1)
    assert 1e-6 < found.relative < found.absolute / 0.1
    with pytest.raises(CheckFailed, match=r"the nets differ: 'prob' by .* relative, .* absolute"):
        caffe64.verify(*nets, tolerance=1e-6)
    (same,) = caffe64.verify(*nets, tolerance=np.float32(0), floor=2 * found.absolute)
    assert same.relative == 0
    assert same.absolute == found.absolute
    (exact,) = caffe64.verify(nets[0], nets[0], tolerance=0, floor=0, reference=True)
    assert (exact.relative, exact.absolute) == (0, 0)


def test_a_net_that_makes_nan_is_not_verified_with_itself(nets):
    nets[0].params["conv"][1].data[2] = np.nan
    message = r"'prob' holds 3 of 3; the first layer that makes such is 'conv' \(Convolution\): 48 of 192 in 'conv'"
    for pair in ((nets[0], nets[0]), nets, nets[::-1]):
        with pytest.raises(CheckFailed, match=message):
            caffe64.verify(*pair, tolerance=np.inf)
