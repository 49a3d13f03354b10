"""Layers of Caffe's forks, and rarer ones of Caffe's own: the outputs and gradients of the forks' code, from files."""

from __future__ import annotations

import numpy as np
import pytest
from reference.wild_cases import CASES, MODELS, WILD, read_wild_case
from support import assert_close, needs_shared

import caffe64

TOLERANCE = 1e-5  # of the largest magnitude
NOT_YET: set[str] = set()


def check(name: str, found: np.ndarray, expected: np.ndarray, dynamic: int | None = None) -> None:
    """Equal but for rounding. Beyond the last row along the axis `dynamic` there may be padding."""
    if dynamic is not None:
        found = found.take(range(expected.shape[dynamic]), dynamic)
    assert_close(name, found, expected, TOLERANCE * max(1e-30, np.abs(expected).max(initial=0)))


@needs_shared
@pytest.mark.parametrize("keep", [False, True])  # by a plan, and layer by layer
@pytest.mark.parametrize("name", CASES)
def test_outputs(name, keep, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    case = read_wild_case(name)
    files = case.write(tmp_path)
    net = caffe64.load_caffe(*files, phase=case.phase)
    names = case.tops
    if keep:
        net.blobs[names[0]].data  # noqa: B018  keeps all blobs
    for kind in ("first_", ""):
        bottoms = dict(zip(net.inputs, case.arrays.get(kind + "bottom", []), strict=False))
        if not bottoms:
            continue
        found = net.forward(blobs=names, **bottoms)
        for top, expected in zip(names, case.arrays[kind + "top"], strict=True):
            check(top, found[top], expected, case.dynamic)
    blobs = [blob for layer in net.params.values() for blob in layer]
    for number, expected in enumerate(case.arrays.get("param_after_forward", [])):
        check(f"blob {number}", blobs[number].data.reshape(expected.shape), expected)


def has_gradient(name: str) -> bool:
    return "top_diff" in read_wild_case(name).arrays


@needs_shared
@pytest.mark.parametrize("name", [name for name in CASES if has_gradient(name)])
def test_gradients(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    case = read_wild_case(name)
    net = caffe64.load_caffe(*case.write(tmp_path), phase=case.phase, force_backward=True)
    names, inputs = case.tops, list(net.inputs)
    net.forward(blobs=names, **dict(zip(inputs, case.arrays["bottom"], strict=True)))
    wanted = [inputs[number] for number in case.with_gradient]
    given = zip(names, case.arrays["top_diff"], strict=True)
    found = net.backward(diffs=wanted, **{top: case.filled_up(diff, net.blobs[top].shape) for top, diff in given})
    for blob, expected in zip(wanted, case.arrays.get("bottom_diff", []), strict=True):
        check(f"gradient of {blob}", found[blob], expected)
    blobs = [blob for layer in net.params.values() for blob in layer]
    for number, expected in enumerate(case.arrays.get("param_diff", [])):
        check(f"gradient of blob {number}", blobs[number].diff.reshape(expected.shape), expected)


@needs_shared
@pytest.mark.parametrize("name", MODELS)
def test_whole_models(name):
    with np.load(WILD / f"{name}_io.npz") as answers:
        bottom, top = answers["bottom0"], answers["top0"]
        (blob,) = answers["tops"].tolist() if "tops" in answers else [None]
    model = next(path for path in WILD.glob(f"{name}.caffemodel*"))
    net = caffe64.load_caffe(WILD / f"{name}.prototxt", model)
    check(name, net.forward(blobs=[blob], **{next(iter(net.inputs)): bottom})[blob], top)
