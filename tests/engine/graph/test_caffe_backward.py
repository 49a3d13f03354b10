"""Real Caffe's gradients: of every layer, one file a case, and of a whole net."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_cases import CASES, HERE, read_case
from reference.caffe_slopes import backward
from support import SHARED, assert_close, needs_shared

import caffe64

TOLERANCE = 2e-6  # of the largest magnitude; reached: 5e-7


WITH_GRADIENTS = [name for name in CASES if "top_diff" in read_case(name)[2]]


def test_most_cases_have_gradients():
    assert len({path.stem for path in HERE.glob("*.npz")} & set(WITH_GRADIENTS)) == 46


@pytest.mark.parametrize("name", WITH_GRADIENTS)
def test_real_caffes_gradients(name):
    text, phase, arrays = read_case(name)
    bottoms, params = backward(text, arrays["bottom"], arrays.get("param", []), arrays["top_diff"], phase)
    found = [gradient for gradient in bottoms if gradient is not None] + params
    expected = arrays["bottom_diff"] + arrays.get("param_diff", [])
    assert len(found) == len(expected) > 0
    for number, (actual, wanted) in enumerate(zip(found, expected, strict=True)):
        assert_close(f"gradient {number}", actual, wanted, TOLERANCE * max(np.abs(wanted).max(), 1e-6))


@needs_shared
def test_real_caffes_gradients_of_the_cifar_net(tmp_path):
    case = np.load(SHARED / "caffe" / "cifar10" / "backward_from_caffe.npz")
    path = tmp_path / "net.prototxt"
    path.write_text(str(case["prototxt"]))
    # By plain sums: by Winograd's rounding another of two equal pixels is the maximum, and its gradient lies elsewhere.
    net = caffe64.load_caffe(path, SHARED / "caffe" / "cifar10" / "cifar10.caffemodel", exact=True)
    loss = net.forward(data=case["data"], label=case["label"])["loss"]
    assert_close("loss", loss, case["loss"], 1e-6 * case["loss"])
    found = {"data_diff": net.backward()["data"]}
    for name, blobs in net.params.items():
        found |= {f"param_diff:{name}:{number}": blob.diff for number, blob in enumerate(blobs)}
    expected = {name: case[name] for name in case.files if "diff" in name}
    assert len(expected) == 18
    for name, wanted in expected.items():
        assert_close(name, found.pop(name), wanted, 1e-5 * np.abs(wanted).max())
    for name, gradient in found.items():  # BatchNorm's statistics, and the second blob of some layers
        assert not gradient.any(), name
