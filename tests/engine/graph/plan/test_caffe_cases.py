"""All layers of real Caffe's outputs, one file a case, by a plan; and nets of its outputs."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_cases import CASES, read_case
from reference.caffe_running import check, runtime_of
from reference.plans import run_plan
from support import SHARED, needs_shared

import caffe64
from caffe64.engine.graph.plan import Plan

CAFFE = SHARED / "caffe"
MODELS = ("mnet-deconv-0517", "mtcnn_det1", "hyperlpr_segmentation")


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("name", [name for name in CASES if read_case(name)[1] == "TEST"])
def test_real_caffes_layers(name, fuse):
    text, _, arrays = read_case(name)
    graph = runtime_of(text, arrays["bottom"], arrays.get("param", [])).graph
    found = run_plan(Plan(graph, fuse=fuse), dict(zip(graph.inputs, arrays["bottom"], strict=True)))
    for top, expected in zip(graph.nodes[-1].tops, arrays["top"], strict=True):
        check(found[top], expected)


@needs_shared
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("optimised", [False, True])
@pytest.mark.parametrize("exact", [False, True])
def test_real_caffes_models(name, optimised, exact):
    expected = np.load(CAFFE / "models" / f"{name}_caffe.npz")
    net = caffe64.load_caffe(CAFFE / "models" / f"{name}.prototxt", CAFFE / "models" / f"{name}.caffemodel")
    graph = (caffe64.optimize(net)[0] if optimised else net).graph
    shapes = {graph.inputs[0].name: expected["input"].shape}
    found = run_plan(Plan(graph, shapes, exact=exact), {graph.inputs[0]: expected["input"]})
    for blob, values in found.items():
        caffes = expected[f"blob:{blob.name}"]
        check(values.reshape(caffes.shape), caffes)
