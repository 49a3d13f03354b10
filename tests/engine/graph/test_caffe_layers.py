"""All layers: real Caffe's outputs, one file a case."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_running import check, runtime_of
from support import SHARED, needs_shared

CASES = SHARED / "caffe" / "layers"


@needs_shared
@pytest.mark.parametrize("name", [path.stem for path in sorted(CASES.glob("*.npz"))])
def test_real_caffes_outputs(name):
    case = np.load(CASES / f"{name}.npz")

    def arrays(kind):
        return [case[f"{kind}{i}"] for i in range(len(case.files)) if f"{kind}{i}" in case]

    runtime = runtime_of(str(case["prototxt"]), arrays("bottom"), arrays("param"), str(case["phase"]))
    runtime.forward()
    tops = [runtime.arrays[top] for top in runtime.graph.nodes[-1].tops]
    for actual, expected in zip(tops, arrays("top"), strict=True):
        check(actual, expected)
    for actual, expected in zip(runtime.graph.nodes[-1].weights, arrays("param_after_forward"), strict=False):
        check(actual, expected)
