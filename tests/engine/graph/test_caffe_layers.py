"""All layers: real Caffe's outputs, one file a case."""

from __future__ import annotations

import re

import pytest
from reference.caffe_cases import CASES, HERE, read_case
from reference.caffe_running import check, runtime_of
from reference.runners import RUNNERS


def test_there_are_cases_of_most_types():
    types = {re.findall(r'type: "(\w+)"', read_case(path.stem)[0])[-1] for path in HERE.glob("*.npz")}
    assert len(types) == 37


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("name", CASES)
def test_real_caffes_outputs(name, runner):
    text, phase, arrays = read_case(name)
    runtime = runtime_of(text, arrays["bottom"], arrays.get("param", []), phase, runner)
    runtime.forward()
    tops = [runtime.arrays[top] for top in runtime.graph.nodes[-1].tops]
    for actual, expected in zip(tops, arrays["top"], strict=True):
        check(actual, expected)
    for actual, expected in zip(runtime.graph.nodes[-1].weights, arrays.get("param_after_forward", []), strict=False):
        check(actual, expected)
