"""The cases of onnx.backend.test: those in the list give the expected outputs, as read and optimised; all others are
right or refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from caffe64 import load_onnx, optimize
from caffe64.errors import InputError

pytest.importorskip("onnx", minversion="1.23", reason="the list is of the cases of onnx 1.23")

from tests.reference.onnx_backend import ATOL, RTOL, Case, cases
from tests.reference.onnx_backend_cases import CASES


def outcome(case: Case, model: onnx.ModelProto) -> str:
    """Why a variant of a case is refused, "" if it is right, as read and optimised. Raises AssertionError if it is
    wrong."""
    try:
        net = load_onnx(model.SerializeToString())
    except InputError as error:
        return str(error)
    sets = case.sets if model.graph.input == case.model.graph.input else case.sets[:1]  # whose weights are bound
    for each in (net, optimize(net)[0]):
        for inputs, outputs in sets:
            found = each.forward(**{name: inputs[name] for name in each.inputs})
            assert set(found) == set(outputs)
            for name, expected in outputs.items():
                assert found[name].shape == expected.shape
                np.testing.assert_allclose(found[name], expected, rtol=RTOL, atol=ATOL)
    return ""


@pytest.mark.parametrize("kind", CASES)
def test_cases_are_right_or_refused(kind):
    wrong, refused, right = {}, {}, set()
    for case in cases(kind):
        for model in case.variants():
            try:
                reason = outcome(case, model)
            except AssertionError as error:
                wrong[case.name] = str(error)
                continue
            if reason:
                refused[case.name] = reason
            else:
                right.add(case.name)
    assert wrong == {}
    assert {name: refused.get(name, "is not there") for name in CASES[kind] if name not in right} == {}
